from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.kernel import (
    check_label,
    check_name,
    check_sha256,
    digest_file,
    digest_json,
    keyed_digest,
    sha256_hex,
)

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
parts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4)


def test_digest_of_nothing_is_the_published_one() -> None:
    assert sha256_hex(b"") == EMPTY


def test_json_is_digested_in_canonical_form() -> None:
    assert digest_json({"b": 1.0, "a": []}) == hashlib.sha256(b'{"a":[],"b":1}').hexdigest()


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_a_file_is_digested_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)
    assert digest_file(path) == hashlib.sha256(b"x" * size).hexdigest()


def test_a_keyed_digest_is_hmac_over_length_prefixed_parts() -> None:
    message = b"\0\0\0\4item\0\0\0\x0212"
    assert keyed_digest(b"key", "item", 12) == hmac.digest(b"key", message, "sha256")


@given(parts, parts)
def test_no_part_runs_into_the_next(one: list[str], other: list[str]) -> None:
    assert (keyed_digest(b"key", *one) == keyed_digest(b"key", *other)) == (one == other)


@pytest.mark.parametrize("name", ["a", "0", "pe1.fabrication", "2026.1", "a" * 128])
def test_names(name: str) -> None:
    assert check_name(name) is None


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "-a", "a.", "a/b", "é", "a\n", "a" * 129, None, 1]
)
def test_other_names_are_refused(name: object) -> None:
    with pytest.raises(
        ValueError, match=r" is no identifier \(a-z, 0-9, '_', '-', '\.'\)$"
    ) as caught:
        check_name(name)
    assert str(caught.value).startswith(repr(name)[:80])


@pytest.mark.parametrize("label", ["a", "gpt 4 (Ångström)", "x" * 512])
def test_labels(label: str) -> None:
    assert check_label(label) is None


@pytest.mark.parametrize("label", ["", "a\nb", "a\u2028b", "\x1b[31m", "x" * 513, None])
def test_other_labels_are_refused(label: object) -> None:
    with pytest.raises(ValueError, match=r" is no printable label of 1 to 512 characters$"):
        check_label(label)


def test_a_digest_is_64_lower_case_hex_digits() -> None:
    assert check_sha256(EMPTY) is None
    for wrong in (EMPTY.upper(), EMPTY[:-1], EMPTY + "0", "", None):
        with pytest.raises(ValueError, match=r" is no SHA-256 digest of 64 lower-case hex digits$"):
            check_sha256(wrong)
