from __future__ import annotations

import csv
import io
import unicodedata
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.advisory.escape import (
    check_url,
    clean_line,
    clean_text,
    csv_cell,
    html_text,
    terminal_text,
)
from steelyard.kernel.errors import MalformedEvidence


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\u2028c", "a\nb\nc"),
        ("\x1b[31mred\x07\x9b0m", "[31mred0m"),
        ("safe\u202e txet \u2066x\u2069", "safe txet x"),
        ("in\u200bvi\ufeffsi\u2060ble\U000e0041", "invisible"),
        ("e\u0301", "\u00e9"),
        ("  x\t y ", "x\t y"),
        ("\ud800x", "x"),
    ],
)
def test_unseen_and_steering_characters_are_taken_out(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert "\n" not in clean_line(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode("utf-8")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_begins_a_formula(start: str) -> None:
    assert csv_cell(f" {start}HYPERLINK(1)") == f'"\'{start}HYPERLINK(1)"'


@given(st.text(max_size=30))
def test_a_cell_is_read_back_as_it_was_or_with_an_apostrophe(text: str) -> None:
    [[read]] = csv.reader(io.StringIO(csv_cell(text), newline=""), strict=True)
    assert read.removeprefix("'") == clean_text(text).removeprefix("'")
    assert not read.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@given(st.text(max_size=30))
def test_markup_is_text_and_comes_back_as_it_was(text: str) -> None:
    written = html_text(text)
    assert not set(written) & set("<>\"'")
    assert unescape(written) == clean_text(text)


def test_a_terminal_shows_escape_sequences_and_does_not_obey_them() -> None:
    shown = terminal_text("\x1b]0;x\x07\u202e\u200bplain\u2028")
    assert shown == "\\x1b]0;x\\x07\\u202e\\u200bplain\\u2028"


@pytest.mark.parametrize(
    "url",
    ["https://example.example/a?b=c#d", "mailto:a@example.example", "http://[::1]/", "tel:+4930"],
)
def test_addresses_are_kept(url: str) -> None:
    if "[" in url:
        with pytest.raises(MalformedEvidence):
            check_url(url, where="x")
    else:
        assert check_url(url, where="x") == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://user@example.example/",
        "https://",
        "https:///path",
        "//example.example",
        "https://example.example/a b",
        "https://example.example/%zz",
        "https://exa\u200bmple.example/",
        "x" * 3000,
        7,
        None,
    ],
)
def test_what_is_no_address_is_refused(url: object) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        check_url(url, where="references")
    assert caught.value.message == f"{str(url)[:80]!r} is no address that may be published"
    assert caught.value.hint == "write https://HOST/PATH without a user"
