"""Every combined state that a finder and a vendor can reach, one by one."""

from __future__ import annotations

import pytest

from steelyard.disclosure.states import load_tables
from steelyard.disclosure.states.rules import Act, apply
from steelyard.disclosure.states.standing import Case, finder, impossible, vendor
from steelyard.kernel.errors import NotSatisfied

TABLES = load_tables()
ACTS = [
    Act(machine, event, name)
    for machine in ("RM", "EM", "PEC", "VFD", "PXA")
    for event in TABLES.machine(machine).events
    for name in ("finder", "vendor")
]


def next_cases(case: Case) -> set[Case]:
    found = set[Case]()
    for act in ACTS:
        try:
            found.add(apply(case, act).case)
        except NotSatisfied:
            continue
    return found


@pytest.fixture(scope="module")
def graph() -> dict[Case, set[Case]]:
    """Each reachable case with those that one act leads to."""
    start = Case((finder("finder", "alder"), vendor("vendor", "birch")))
    found: dict[Case, set[Case]] = {}
    waiting = [start]
    while waiting:
        case = waiting.pop()
        if case not in found:
            found[case] = next_cases(case)
            waiting += found[case]
    return found


def test_as_many_states_are_reached_as_the_rules_allow(graph: dict[Case, set[Case]]) -> None:
    # Without rules across machines there would be 7 * 7 * 5 * 5 * 4 * 5 * 8 = 196,000.
    assert len(graph) == 3060


def test_none_of_them_is_impossible(graph: dict[Case, set[Case]]) -> None:
    assert {case for case in graph if impossible(case)} == set()


def test_out_of_every_embargo_and_every_talk_one_act_leads(graph: dict[Case, set[Case]]) -> None:
    for case, following in graph.items():
        closed = all(item.rm == "closed" for item in case.participants)
        if case.em in {"proposed", "active", "revise"}:
            assert any(after.em in {"none", "exited"} for after in following) or closed


def test_every_state_of_every_machine_of_a_case_is_met(graph: dict[Case, set[Case]]) -> None:
    vendors = [case.participant("vendor") for case in graph]
    met = {
        "RM": {item.rm for item in vendors},
        "PEC": {item.pec for item in vendors},
        "VFD": {item.vfd for item in vendors},
        "EM": {case.em for case in graph},
        # An exploit before publication never rests.
        "PXA": {case.pxa for case in graph} | {"pXa", "pXA"},
    }
    for name, states in met.items():
        assert states == {state.id for state in TABLES.machine(name).states}


def test_nothing_public_is_ever_forgotten_and_no_ended_embargo_returns(
    graph: dict[Case, set[Case]],
) -> None:
    for case, following in graph.items():
        known = {letter for letter in case.pxa if letter.isupper()}
        for after in following:
            assert known <= set(after.pxa)
            assert case.em != "exited" or after.em == "exited"
