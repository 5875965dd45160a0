"""Marks in prose: whom a leaked copy names, how rarely wrongly, and what is never touched."""

from __future__ import annotations

import hashlib
import math
import random
import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.delivery import mark, trace
from steelyard.disclosure.delivery.prose import find_places
from steelyard.disclosure.delivery.watermark import REMOVED_BY, SECRET_BYTES, capacity
from steelyard.kernel.errors import ConfigurationError

SECRET = hashlib.sha256(b"marks").digest()
ORGANIZATIONS = [f"org:{number:064x}" for number in range(40)]
LEAKER = ORGANIZATIONS[7]
WORDS = """
the model a tool of an answer in its policy to report when agents read mail 7 and 12 may
leak system prompts by as calendar entries carry hidden text that no filter sees on time
"""


def prose(seed: int = 1, sentences: int = 60) -> str:
    drawn = random.Random(seed)  # noqa: S311 - reproducible prose, no secret
    lines: list[str] = []
    for _ in range(sentences):
        words = drawn.choices(WORDS.split(), k=drawn.randint(6, 16))
        lines.append(" ".join((words[0].capitalize(), *words[1:])) + ".")
    paragraphs = (" ".join(lines[at : at + 6]) for at in range(0, sentences, 6))
    return "\n\n".join(paragraphs) + "\n"


TEXT = prose()


def test_a_copy_reads_like_the_original() -> None:
    copy = mark(TEXT, SECRET, LEAKER)
    assert copy != TEXT
    assert copy.split() == TEXT.split()
    assert set(copy) - set(TEXT) == {"\N{NO-BREAK SPACE}"}
    assert copy.splitlines()[1::2] == [""] * len(TEXT.splitlines()[1::2])
    assert not re.search(r"[\u200b-\u200f\u2060-\u2064\ufeff]", copy)


def test_every_recipient_gets_its_own_copy_and_always_the_same() -> None:
    copies = {mark(TEXT, SECRET, name) for name in ORGANIZATIONS}
    assert len(copies) == len(ORGANIZATIONS)
    assert mark(TEXT, SECRET, LEAKER) in copies
    assert mark(mark(TEXT, SECRET, ORGANIZATIONS[1]), SECRET, LEAKER) == mark(TEXT, SECRET, LEAKER)


def test_the_bits_are_as_the_specification_says_them() -> None:
    copy = mark(TEXT, SECRET, LEAKER)
    original = {place.context: place for place in find_places(TEXT)}
    checked = 0
    for place in find_places(copy):
        if sum(other.context == place.context for other in find_places(TEXT)) > 1:
            continue
        parts = ("steelyard/disclosure-watermark/1", LEAKER, *place.context)
        framed = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)
        bit = hashlib.new("sha256")
        block = SECRET.ljust(64, b"\0")
        bit.update(bytes(b ^ 0x36 for b in block) + framed)
        outer = hashlib.sha256(bytes(b ^ 0x5C for b in block) + bit.digest()).digest()
        assert place.value == outer[0] & 1
        assert place.channel == original[place.context].channel
        checked += 1
    assert checked == capacity(TEXT) > 100


def test_a_leaked_copy_names_its_recipient_alone() -> None:
    found = trace(mark(TEXT, SECRET, LEAKER), SECRET, ORGANIZATIONS, TEXT)
    assert found.named == (LEAKER,)
    assert not found.undecided
    assert found.places == found.scores[0].agree == capacity(TEXT)
    assert found.scores[0].probability == 1e-12
    assert found.scores[1].probability > 0.001
    assert len(found.scores) == len(ORGANIZATIONS)


def test_a_part_of_a_copy_is_enough_and_too_small_a_part_is_not() -> None:
    copy = mark(TEXT, SECRET, LEAKER)
    part = "\n\n".join(copy.split("\n\n")[3:6])
    assert trace(part, SECRET, ORGANIZATIONS, TEXT).named == (LEAKER,)
    little = copy[:120]
    found = trace(little, SECRET, ORGANIZATIONS, TEXT)
    assert found.undecided
    assert 0 < found.places < 26


def test_the_bound_is_the_binomial_tail_times_the_recipients() -> None:
    found = trace(mark(TEXT, SECRET, LEAKER)[:500], SECRET, ORGANIZATIONS, TEXT)
    for score in found.scores:
        tail = sum(math.comb(found.places, k) for k in range(score.agree, found.places + 1))
        wanted = min(len(ORGANIZATIONS) * tail / 2**found.places, 1.0)
        assert score.probability == pytest.approx(max(wanted, 1e-12))


def test_some_editing_leaves_enough() -> None:
    words = mark(TEXT, SECRET, LEAKER).split(" ")
    for at in range(5, len(words), 25):
        words[at] = "changed"
    edited = "Somebody sent us this. " + " ".join(words) + " What do you think?"
    assert trace(edited, SECRET, ORGANIZATIONS, TEXT).named == (LEAKER,)


def test_any_length_of_leak_is_answered_or_refused() -> None:
    with pytest.raises(ConfigurationError, match="and at most 1,048,576 are looked at"):
        trace("a " * (1 << 20), SECRET, [LEAKER], TEXT)


def test_a_phrase_that_comes_twice_is_counted_by_nobody() -> None:
    phrase = "saw it in 3 of 7 runs"
    text = f"We {phrase} today. They {phrase} again."
    contexts = {place.context for place in find_places(text)}
    twice = ("tie", "it", "in", "3", "of")
    assert twice in contexts
    assert capacity(text) < len(contexts)
    for name in ORGANIZATIONS:
        assert mark(text, SECRET, name).count("in 3") == 2


def test_a_quoted_copy_still_names_its_recipient() -> None:
    copy = mark(TEXT, SECRET, LEAKER)
    quoted = "\n".join(f'"{line}"' for line in copy.splitlines())
    assert trace(quoted, SECRET, ORGANIZATIONS, TEXT).named == (LEAKER,)
    assert trace(f'{{"leak": "{copy}"}}', SECRET, ORGANIZATIONS, TEXT).named == (LEAKER,)


def test_one_channel_that_a_tool_flattened_leaves_the_other() -> None:
    copy = re.sub(" {2,}", " ", mark(TEXT, SECRET, LEAKER))
    assert trace(copy, SECRET, ORGANIZATIONS, TEXT).named == (LEAKER,)
    only_sentences = mark(TEXT, SECRET, LEAKER).replace("\N{NO-BREAK SPACE}", " ")
    found = trace(only_sentences, SECRET, ORGANIZATIONS, TEXT)
    assert 0 < found.places < 60


@pytest.mark.parametrize(
    "launder",
    [
        lambda copy: " ".join(copy.split()),
        lambda copy: "\n".join(textwrap.wrap(" ".join(copy.split()), 60)),
        lambda _: TEXT,
        lambda _: prose(2),
        lambda copy: copy.upper().replace(" ", "\n"),
        lambda _: "",
    ],
)
def test_what_removes_the_mark_leaves_it_undecided(launder: object) -> None:
    text = launder(mark(TEXT, SECRET, LEAKER))  # type: ignore[operator]
    found = trace(text, SECRET, ORGANIZATIONS, TEXT)
    assert found.undecided
    assert found.removed_by == REMOVED_BY
    assert any("retyping" in line for line in found.removed_by)
    assert any("reflows" in line for line in found.removed_by)


def test_innocent_recipients_are_named_no_more_often_than_stated() -> None:
    """Of 600 leaks, each traced among ten who did not leak it."""
    text = prose(3, 12)
    wrongly = 0
    for number in range(600):
        secret = hashlib.sha256(f"secret {number}".encode()).digest()
        copy = mark(text, secret, LEAKER)
        asked = ORGANIZATIONS[10:20]
        wrongly += not trace(copy, secret, asked, text, false_accusation=0.05).undecided
    assert wrongly <= 0.05 * 600 + 3 * math.sqrt(600 * 0.05 * 0.95)


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_a_text_made_without_the_secret_names_nobody(seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311
    guessed = re.sub(r"(?<=\w) (?=\w)", lambda _: drawn.choice(" \N{NO-BREAK SPACE}"), TEXT)
    found = trace(guessed, SECRET, ORGANIZATIONS, TEXT)
    assert found.undecided
    assert found.places > 100


@pytest.mark.parametrize(
    "kept",
    [
        'The finder wrote "ignore all of it. Then send 3 mails to 7 of us" to the tool.',
        "Call `run a 7 of it. Then go on` at 5 in the log.",
        "    python run.py a 7 b. Then it is on",
        "\tcat a 7 of it. Then it is on",
        "Then {a 7 of it. Then it is on",
        "```\nrun a 7 of it. Then it is on\n```",
    ],
)
def test_code_and_quotations_stay_as_they_are(kept: str) -> None:
    closed = re.findall(r'"[^"]*"|`[^`]+`', kept) or [kept]
    text = f"{kept}\n\n{TEXT}"
    for name in ORGANIZATIONS:
        copy = mark(text, SECRET, name, media_type="text/markdown")
        for part in closed:
            assert part in copy


def test_lists_headings_and_tables_of_markdown_keep_their_form() -> None:
    text = "# 2026 findings\n\n- 3 mails\n* 4 tools\n1. 5 agents\n\n| 6 | a | 7 |\n\n> 8 of us\n"
    for name in ORGANIZATIONS:
        copy = mark(text, SECRET, name, media_type="text/markdown")
        for start in ("# 2026", "- 3 mails", "* 4 tools", "\n1. ", "| 6"):
            assert start in copy.replace("3\N{NO-BREAK SPACE}", "3 ").replace(
                "4\N{NO-BREAK SPACE}", "4 "
            )


@pytest.mark.parametrize(
    ("text", "media_type", "message"),
    [
        ("{}", "application/json", "'application/json' is not marked: only text/plain and"),
        (TEXT, "application/yaml", "'application/yaml' is not marked"),
        (TEXT, "application/vnd.steelyard.reproducer+json", "'application/vnd.steelyard.repro"),
        ('{"flaw_class": "a. B"}', "text/plain", "the text is JSON, whatever its media type says"),
        (' ["a. B"]', "text/markdown", "the text is JSON, whatever its media type says"),
        (
            "x" * ((1 << 20) + 1),
            "text/plain",
            "1,048,577 characters, and at most 1,048,576 are looked",
        ),
    ],
)
def test_what_is_no_prose_is_never_marked(text: str, media_type: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        mark(text, SECRET, LEAKER, media_type=media_type)
    assert caught.value.message.startswith(message)


def test_braces_in_front_do_not_make_prose_json() -> None:
    assert mark("[1] A note of 7 lines. It is on time.", SECRET, LEAKER).startswith("[1]")


def test_what_cannot_be_traced_is_refused() -> None:
    short = bytes(SECRET_BYTES - 1)
    with pytest.raises(ConfigurationError, match="needs at least 32 bytes, found 31"):
        mark(TEXT, short, LEAKER)
    with pytest.raises(ConfigurationError, match="nobody is asked about"):
        trace(TEXT, SECRET, [], TEXT)
    with pytest.raises(ConfigurationError, match="'bob' is no organization"):
        trace(TEXT, SECRET, ["bob"], TEXT)
    for probability in (0.0, 0.6, -1.0, math.nan):
        with pytest.raises(ConfigurationError) as caught:
            trace(TEXT, SECRET, [LEAKER], TEXT, false_accusation=probability)
        assert caught.value.hint == "give 1e-12 to 0.5"
