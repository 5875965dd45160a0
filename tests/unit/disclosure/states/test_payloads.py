"""Hazard tiers and silence: what falls only with agreement, what never looks like an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.states import load_tables
from steelyard.disclosure.states.payloads import Approval, distinct_approvals, move_payload
from steelyard.disclosure.states.silence import shown
from steelyard.kernel.errors import NotSatisfied, UnknownName, UsageError

BOTH = (Approval("coordinator", "cedar"), Approval("developer", "birch"))
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def test_two_roles_of_two_organizations_lower_a_tier_step_by_step() -> None:
    tiers = ["h3"]
    while tiers[-1] != "h0":
        tiers.append(move_payload(tiers[-1], "lower", BOTH))
    assert tiers == ["h3", "h2", "h1", "h0"]


@pytest.mark.parametrize(
    "approvals",
    [
        (),
        (Approval("coordinator", "cedar"),),
        (Approval("coordinator", "cedar"), Approval("coordinator", "cedar")),
        (Approval("coordinator", "cedar"), Approval("developer", "cedar")),
        (Approval("developer", "cedar"), Approval("developer", "birch")),
    ],
)
def test_fewer_do_not(approvals: tuple[Approval, ...]) -> None:
    with pytest.raises(NotSatisfied) as refused:
        move_payload("h3", "lower", approvals)
    found = 1 if approvals else 0
    assert str(refused.value) == (
        f"HM: lowering h3 needs 2 roles of 2 organizations, found {found}"
    )
    assert refused.value.hint == "have another role of another organization approve"


def test_raising_needs_nobody_and_what_is_public_stays_public() -> None:
    assert move_payload("h1", "raise_to_h3") == "h3"
    for event in ("raise_to_h2", "raise_to_h3", "lower"):
        with pytest.raises(NotSatisfied, match=r"^'\w+' is forbidden in state 'h0' of HM"):
            move_payload("h0", event, BOTH)


@given(st.lists(st.builds(Approval, st.sampled_from("abcd"), st.sampled_from("wxyz")), max_size=7))
def test_distinct_approvals_are_the_largest_set_without_a_shared_hat(
    approvals: list[Approval],
) -> None:
    best = max(
        size
        for size in range(len(approvals) + 1)
        for chosen in combinations(approvals, size)
        if len({a.role for a in chosen}) == len({a.organization for a in chosen}) == size
    )
    assert distinct_approvals(approvals) == best


@pytest.mark.parametrize(
    ("state", "age", "kind", "text"),
    [
        ("unknown", timedelta(days=9, hours=3), "not asked", "unknown (not asked, 9 d 3 h)"),
        ("notified", timedelta(hours=30), "silent", "notified (silent, 1 d 6 h)"),
        ("acked", timedelta(hours=5), "not checked", "acked (not checked, 5 h)"),
        ("retest", timedelta(minutes=59), "not checked", "retest (not checked, 0 h)"),
        ("running", timedelta(days=1), "checking", "running (checking, 1 d 0 h)"),
        ("not_affected", timedelta(days=1), "answered", "not affected"),
        ("affected", timedelta(0), "answered", "affected"),
        ("notified", timedelta(days=-3), "silent", "notified (silent, 0 h)"),
    ],
)
def test_silence_is_shown_as_silence(state: str, age: timedelta, kind: str, text: str) -> None:
    found = shown(state, NOW - age, NOW)
    assert (found.kind, found.text) == (kind, text)
    assert found.age_seconds == max(0, age.total_seconds())


def test_silent_and_not_checked_never_look_alike() -> None:
    texts = {
        state.id: shown(state.id, NOW - timedelta(days=2), NOW).text
        for state in load_tables().machine("AM").states
    }
    assert len(set(texts.values())) == len(texts)
    answered = {name for name, text in texts.items() if "(" not in text}
    assert answered == {
        "affected", "not_affected", "undetermined", "mitigating", "verified", "risk_accepted"
    }  # fmt: skip


def test_bad_states_and_instants_are_refused() -> None:
    with pytest.raises(UnknownName, match=r"^AM has no state 'maybe'$"):
        shown("maybe", NOW, NOW)
    with pytest.raises(UsageError, match=r"^an instant needs a time zone$"):
        shown("acked", NOW.replace(tzinfo=None), NOW)
