"""The rule: what raises a level, what never does, and what a blocked vector names."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from steelyard.kernel import days_after
from steelyard.weights.posture.levels import Evidence, Posture, SubjectName, decide, fresh_until

from .posture_scenes import AT, CATALOGUE, SUBJECTS, everything

LATER = AT + timedelta(hours=1)
CAP = CATALOGUE.software_cap
CONTROLS = [control.id for control in CATALOGUE.controls]


def decided(evidence: list[Evidence], subjects: tuple[SubjectName, ...] = SUBJECTS) -> Posture:
    return decide(CATALOGUE, subjects, evidence, LATER)


@st.composite
def anything(draw: st.DrawFn) -> list[Evidence]:
    """Evidence for any level, a little of it missing, failing, unknown, old or from tomorrow.

    A little, because nearly every fault leaves no level at all, and then nothing could be raised.
    """
    found = everything(draw(st.integers(1, 5)))
    for place in draw(st.sets(st.integers(0, len(found) - 1), max_size=3)):
        change = draw(st.sampled_from(["gone", "fails", "unknown", "old", "new"]))
        found[place] = {
            "gone": lambda item: replace(item, expires=AT),
            "fails": lambda item: replace(item, outcome="not_satisfied"),
            "unknown": lambda item: replace(item, outcome="unknown"),
            "old": lambda item: replace(item, collected=days_after(AT, -500)),
            "new": lambda item: replace(item, collected=days_after(AT, 2)),
        }[change](found[place])
    return found


def test_what_the_properties_are_about_reaches_every_level() -> None:
    seen = {find(anything(), lambda e, n=n: decided(e).level == n) is not None for n in range(4)}
    assert seen == {True}


@pytest.mark.parametrize("level", [1, 2, 3])
def test_everything_up_to_a_level_gives_that_level(level: int) -> None:
    posture = decided(everything(level))
    assert posture.level == level
    assert posture.framework == "rand"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_each_control_of_a_vector_in_reach_is_needed(level: int) -> None:
    whole = everything(level)
    for item in whole:
        control = CATALOGUE.control(item.control)
        vectors = [v for v in CATALOGUE.vectors if v.id in control.vectors and v.counts_at(level)]
        posture = decided([other for other in whole if other is not item])
        assert (posture.level < level) == bool(vectors), item.control


def test_no_evidence_gives_no_level() -> None:
    posture = decided([])
    assert posture.level == 0
    assert posture.expires is None
    assert {state.status for state in posture.controls} == {"unassessed"}


@settings(max_examples=60)
@given(anything(), st.integers(0, 10_000), st.sampled_from(CONTROLS))
def test_taking_evidence_away_never_raises(
    evidence: list[Evidence], index: int, control: str
) -> None:
    level = decided(evidence).level
    # Only what satisfies: without what was seen to fail, a level may be reached.
    kept = [i for i in evidence if i.control != control or i.outcome != "satisfied"]
    assert decided(kept).level <= level
    satisfying = [item for item in evidence if item.outcome == "satisfied"]
    if satisfying:
        gone = satisfying[index % len(satisfying)]
        assert decided([item for item in evidence if item is not gone]).level <= level


@settings(max_examples=60)
@given(anything(), st.sampled_from(CONTROLS), st.sampled_from(["automated", "attested"]))
def test_adding_something_that_fails_never_raises(
    evidence: list[Evidence], control: str, evidence_class: str
) -> None:
    level = decided(evidence).level
    row = next(item for item in everything(5) if item.control == control)
    failing = replace(row, outcome="not_satisfied", evidence_class=evidence_class)
    after = decided([*evidence, failing])
    assert after.level <= level
    state = next(state for state in after.controls if state.control.id == control)
    if fresh_until(CATALOGUE.control(control), failing) > LATER:
        assert state.status == "not_satisfied"


@settings(max_examples=60)
@given(anything(), st.integers(0, 10_000), st.sampled_from(["ahead", "expired"]))
def test_what_has_expired_or_lies_ahead_equals_what_is_missing(
    evidence: list[Evidence], index: int, when: str
) -> None:
    if not evidence:
        evidence = everything(1)
    gone = evidence[index % len(evidence)]
    dead = replace(gone, expires=LATER)
    if when == "ahead":
        dead = replace(gone, collected=days_after(LATER, 1))
    rest = [item for item in evidence if item is not gone]
    first, second = decided([*rest, dead]), decided(rest)
    assert first.level == second.level
    assert [s.coverage for s in first.vectors] == [s.coverage for s in second.vectors]
    assert [s.status for s in first.controls] == [s.status for s in second.controls]


@settings(max_examples=40)
@given(anything(), st.randoms(use_true_random=False))
def test_order_does_not_matter(evidence: list[Evidence], random: object) -> None:
    shuffled = list(evidence)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decided(shuffled) == decided(evidence)


@settings(max_examples=60)
@given(anything(), st.sampled_from(["automated", "attested", "external"]))
def test_the_cap_holds_for_every_input(evidence: list[Evidence], evidence_class: str) -> None:
    recast = [replace(item, evidence_class=evidence_class) for item in evidence]
    for posture in (decided(evidence), decided(recast), decided([*everything(5), *recast])):
        assert posture.level <= posture.cap == CAP
        assert max(level for state in posture.vectors for level in state.coverage) == CAP


@settings(max_examples=60)
@given(anything())
def test_each_blocked_vector_names_what_is_missing(evidence: list[Evidence]) -> None:
    posture = decided(evidence)
    for state in posture.vectors:
        if "blocked" in state.coverage.values():
            assert state.missing
            assert all(reasons and all(reasons) for reasons in state.missing.values())
        else:
            assert not state.missing


def test_a_level_lasts_as_long_as_the_first_evidence_below_it() -> None:
    posture = decided(everything(1))
    ends = [fresh_until(CATALOGUE.control(i.control), i) for i in everything(1)]
    assert posture.expires == min(ends)
    # The access log counts for seven days, the least of level 1.
    assert posture.expires == days_after(AT, 7)


def test_every_host_in_scope_has_to_be_seen() -> None:
    two = (*SUBJECTS, SubjectName("host", "host:beta"))
    posture = decided(everything(1), two)
    assert posture.level == 0
    swap = next(s for s in posture.controls if s.control.id == "swap-protection")
    assert swap.missing == ("host:beta: no evidence (needs automated or attested or external)",)


def test_without_a_repository_nothing_is_known_of_it() -> None:
    only_host = tuple(s for s in SUBJECTS if s.kind != "repository")
    posture = decided(everything(3), only_host)
    state = next(s for s in posture.controls if s.control.id == "tracked-secrets")
    assert (posture.level, state.missing) == (0, ("no repository is in scope",))


def test_somebodys_word_does_not_replace_what_only_a_collector_may_say() -> None:
    evidence = [
        replace(item, evidence_class="attested") if item.control == "weights-permissions" else item
        for item in everything(1)
    ]
    state = next(s for s in decided(evidence).controls if s.control.id == "weights-permissions")
    assert state.status == "unassessed"
    assert state.missing == ("host:alpha: attested evidence does not count (needs automated)",)


def of_swap(evidence: list[Evidence]) -> str:
    """The state of a control about a host, with these observations of it in any order."""
    rest = [item for item in everything(1) if item.control != "swap-protection"]
    states = {
        next(s.status for s in decided(found).controls if s.control.id == "swap-protection")
        for found in ([*rest, *evidence], [*reversed(evidence), *rest])
    }
    assert len(states) == 1
    return states.pop()


def test_of_two_looks_the_newest_decides_and_seeing_nothing_is_a_look() -> None:
    seen = next(item for item in everything(1) if item.control == "swap-protection")
    earlier = days_after(AT, -2)
    blind = replace(seen, outcome="unknown")
    assert of_swap([seen]) == "satisfied"
    assert of_swap([seen, blind]) == "unassessed"
    assert of_swap([replace(seen, collected=earlier), blind]) == "unassessed"
    assert of_swap([seen, replace(blind, collected=earlier)]) == "satisfied"
    # One that has ended, or lies ahead, is none.
    assert of_swap([replace(seen, collected=earlier), replace(blind, expires=AT)]) == "satisfied"
    assert of_swap([seen, replace(blind, collected=days_after(LATER, 1))]) == "satisfied"
    # Somebody's word stands for what nobody could see, and never for what was seen to fail.
    word = replace(seen, evidence_class="attested")
    assert of_swap([seen, blind, word]) == "satisfied"
    failing = replace(seen, outcome="not_satisfied", collected=earlier)
    assert of_swap([seen, failing, word]) == "not_satisfied"


@settings(max_examples=60)
@given(anything(), st.sampled_from(CONTROLS))
def test_adding_a_newer_look_that_saw_nothing_never_raises(
    evidence: list[Evidence], control: str
) -> None:
    row = next(item for item in everything(5) if item.control == control)
    blind = replace(row, outcome="unknown", evidence_class="automated", collected=LATER)
    assert decided([*evidence, blind]).level <= decided(evidence).level


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_look_that_saw_it_fail_counts_until_it_ends_whatever_came_later(level: int) -> None:
    whole = everything(level)
    for item in whole:
        failing = replace(item, outcome="not_satisfied", collected=days_after(AT, -1))
        state = next(s for s in decided([*whole, failing]).controls if s.control.id == item.control)
        assert state.status == "not_satisfied", item.control


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_control_that_fails_blocks_the_level_that_demands_it(level: int) -> None:
    whole = everything(level)
    for item in whole:
        failing = replace(item, outcome="not_satisfied")
        posture = decided([failing if other is item else other for other in whole])
        assert posture.level < CATALOGUE.control(item.control).level, item.control
