"""Counts never show fewer than three, nor what one more answer was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.reproducer.counts import count_verdicts
from steelyard.disclosure.reproducer.verdict import Verdict

A, N, U = Verdict.AFFECTED, Verdict.NOT_AFFECTED, Verdict.UNDETERMINED
VERDICTS = st.lists(st.sampled_from([A, N, U]), max_size=30)


def shown(*verdicts: Verdict) -> tuple[int, list[int | None]]:
    found = count_verdicts(verdicts)
    return found.answers, [found.by_verdict[verdict] for verdict in (A, N, U)]


def test_two_answers_show_nothing() -> None:
    assert shown(A, A) == (0, [0, 0, 0])


def test_three_of_a_kind_show() -> None:
    assert shown(A, A, A) == (3, [3, 0, 0])


def test_the_fourth_answer_waits_for_two_more() -> None:
    assert shown(A, A, A, N) == shown(A, A, A, U) == shown(A, A, A)


def test_small_counts_are_hidden() -> None:
    assert shown(A, A, N) == (3, [None, None, 0])


def test_one_hidden_count_takes_a_second_with_it() -> None:
    """Else the total less the others would be the hidden one."""
    assert shown(A, N, N, N, N, N) == (6, [None, None, 0])


@given(VERDICTS)
def test_no_shown_count_is_one_or_two_and_no_hidden_one_follows(verdicts: list[Verdict]) -> None:
    found = count_verdicts(verdicts)
    counts = list(found.by_verdict.values())
    assert found.answers % 3 == 0
    assert not {1, 2} & set(counts)
    assert counts.count(None) != 1
    hidden = found.answers - sum(n for n in counts if n is not None)
    assert not counts.count(None) or hidden >= 3


@given(VERDICTS, st.sampled_from([A, N, U]))
def test_one_more_answer_changes_nothing_unless_two_others_came_too(
    verdicts: list[Verdict], last: Verdict
) -> None:
    before = count_verdicts(verdicts)
    after = count_verdicts([*verdicts, last])
    assert before == after or after.answers == before.answers + 3
