"""Patterns: as Python's `re` where both speak, and linear where that one is not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.reproducer.linear_regex import TEXT_LIMIT, LinearPattern, escape
from steelyard.kernel.errors import MalformedEvidence

ATOMS = ["a", "b", "c", ".", "[ab]", "[^a]", r"\w", r"\d", r"\s", r"\b", r"\B", "^", "[a-c1]"]


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"]))
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        repeated.map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


PATTERNS = st.recursive(st.sampled_from(ATOMS), joined, max_leaves=8)


@given(PATTERNS, st.text("abc1 \n", max_size=12))
@settings(max_examples=400)
def test_a_pattern_finds_what_python_finds(pattern: str, text: str) -> None:
    try:
        ours = LinearPattern(pattern)
    except MalformedEvidence:
        return
    if not text and r"\B" in pattern:
        return  # before version 3.14 Python finds no place inside the empty text
    assert ours.found_in(text) == bool(re.search(pattern, text, re.ASCII))


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^code$", "code", True),
        (r"^code$", "code\n", False),
        (r"a{2,3}b", "ab", False),
        (r"x|", "anything", True),
        (r"\.\[\]", ".[]", True),
        (r"[\]\-a]", "-", True),
        (r"[^\d]", "7", False),
    ],
)
def test_single_patterns(pattern: str, text: str, *, found: bool) -> None:
    assert LinearPattern(pattern).found_in(text) is found


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (r"(a)\1", "after 5 characters: no escape '1'"),
        (r"(?=a)", "after 2 characters: the only group with '?' is (?:...)"),
        (r"(?P<n>a)", "after 2 characters: the only group with '?' is (?:...)"),
        (r"(?i)a", "after 2 characters: the only group with '?' is (?:...)"),
        (r"a**", "after 2 characters: a repetition of a repetition"),
        (r"a{65}", "after 5 characters: a count goes upward and to at most 64"),
        (r"a{3,2}", "after 6 characters: a count goes upward and to at most 64"),
        (r"a{x}", "after 2 characters: a count is {m}, {m,} or {m,n}"),
        (r"(a", "after 2 characters: a group is not closed"),
        (r"a)", "after 1 characters: ')' closes nothing"),
        (r"[]", "after 2 characters: an empty set"),
        (r"[b-a]", "after 4 characters: a range goes from one character up to another"),
        (r"[[:alpha:]]", "after 2 characters: '[' must be escaped in a set"),
        (r"[\W]", "after 3 characters: a negated class in a set"),
        (r"^*", "after 2 characters: a place without width cannot repeat"),
        ("*", "after 1 characters: '*' must be escaped here"),
        ("a\\", "after 2 characters: ends too early"),
        ("(" * 17 + "a" + ")" * 17, "after 17 characters: groups nest deeper than 16"),
    ],
)
def test_what_is_outside_the_language_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(MalformedEvidence) as refusal:
        LinearPattern(pattern, where="scorer")
    assert str(refusal.value) == f"scorer: pattern, {problem}"
    assert refusal.value.hint == "patterns have no back references, look-around or flags"


@pytest.mark.parametrize("pattern", ["", "a" * 257])
def test_a_pattern_has_a_length(pattern: str) -> None:
    with pytest.raises(MalformedEvidence, match=f"1 to 256 characters, found {len(pattern)}"):
        LinearPattern(pattern)


def test_nested_counts_are_refused_before_they_are_built() -> None:
    with pytest.raises(MalformedEvidence, match="the pattern needs 262144 states, at most 400"):
        LinearPattern("(((a{64}){64}){64})")


HOSTILE = ["(a*)*c", "(a|aa)+$", "(a|a?)+c", "(.*)*(.*)*x", "(a|b)*a(a|b){40}c"]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_work_grows_with_the_length_and_no_faster(pattern: str) -> None:
    """States visited per character never exceed the states that there are."""
    work: list[int] = []
    for length in (1_000, 2_000, 4_000):
        hostile = LinearPattern(pattern)
        assert not hostile.found_in("ab" * (length // 2) + "d")
        assert hostile.work <= (length + 2) * 400
        work.append(hostile.work)
    assert work[2] <= 2.2 * max(work[1], 200)


def test_a_text_beyond_the_limit_is_no_answer() -> None:
    pattern = LinearPattern("b")
    assert not pattern.found_in("a" * TEXT_LIMIT)
    with pytest.raises(MalformedEvidence, match="at most 65536 characters, found 65537"):
        pattern.found_in("a" * (TEXT_LIMIT + 1))


@given(st.text(max_size=30).filter(lambda text: 0 < len(escape(text)) <= 256))
@settings(max_examples=200)
def test_an_escaped_text_finds_itself_and_nothing_shorter(text: str) -> None:
    pattern = LinearPattern(escape(text))
    assert pattern.found_in(f"<{text}>")
    assert not pattern.found_in(text[:-1])


def test_case_is_ignored_on_both_sides() -> None:
    assert LinearPattern("[a-c]ODE", ignore_case=True).found_in("the Code")
    assert not LinearPattern("[^c]ode", ignore_case=True).found_in("Code")
    assert not LinearPattern("CODE").found_in("code")
