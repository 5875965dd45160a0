"""The 70 histories, their chances, and the graph that two ways of deriving it agree on."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, permutations

import pytest

from steelyard.disclosure.states import case_states, load_tables
from steelyard.disclosure.states.histories import (
    causal_orders,
    chance_of_desideratum,
    chance_of_histories,
    desiderata,
    graph,
    histories,
    possible_next,
)
from steelyard.kernel.errors import NotSatisfied, UnknownName

# Householder and Spring, CMU/SEI-2021-SR-021, as exact fractions.
PUBLISHED = {
    "VP": Fraction(1, 3), "FP": Fraction(1, 9), "DP": Fraction(1, 27),
    "VX": Fraction(2, 3), "FX": Fraction(1, 3), "DX": Fraction(1, 6),
    "VA": Fraction(3, 4), "FA": Fraction(3, 8), "DA": Fraction(3, 16),
    "PX": Fraction(1, 2), "PA": Fraction(2, 3), "XA": Fraction(1, 2),
}  # fmt: skip


def by_the_book(order: str) -> bool:
    """The rules as the paper states them for whole histories, not as our data does."""
    place = order.index
    return (
        place("V") < place("F") < place("D")
        and (place("P") < place("X") or place("P") == place("X") + 1)
        and (place("V") < place("P") or place("V") == place("P") + 1)
    )


def test_causality_alone_gives_120_orders_and_what_follows_at_once_70() -> None:
    assert len(causal_orders()) == 120
    assert histories() == {
        order for order in map("".join, permutations("VFDPXA")) if by_the_book(order)
    }
    assert len(histories()) == 70


def test_histories_pass_through_32_states_and_58_edges() -> None:
    states, edges = graph()
    assert (len(states), len(edges)) == (32, 58)


def test_walking_the_tables_gives_the_derived_graph() -> None:
    assert case_states.walk() == graph()


def test_every_path_through_the_tables_is_a_history_and_every_history_a_path() -> None:
    paths = {"": "vfdpxa"}
    for _ in range(6):
        paths = {
            taken + event: there
            for taken, here in paths.items()
            for event, there in case_states.successors(here).items()
        }
    assert set(paths) == histories()
    assert set(paths.values()) == {"VFDPXA"}


@pytest.mark.parametrize("pair", PUBLISHED)
def test_chance_is_the_published_one(pair: str) -> None:
    found = chance_of_desideratum(*pair)
    assert found == PUBLISHED[pair]
    assert abs(float(found) - float(PUBLISHED[pair])) < 1e-12


def test_there_are_twelve_desiderata_and_chances_sum_to_one() -> None:
    assert {"".join(pair) for pair in desiderata()} == set(PUBLISHED)
    assert sum(chance_of_histories().values()) == 1
    assert set(chance_of_histories()) == histories()


def test_an_order_and_its_reverse_share_all_chance() -> None:
    for first, second in desiderata():
        assert chance_of_desideratum(first, second) + chance_of_desideratum(second, first) == 1


@pytest.mark.parametrize(
    ("prefix", "facts"),
    [
        ("", "VPXA"),
        ("P", "V"),
        ("X", "P"),
        ("XP", "V"),
        ("V", "FPXA"),
        ("VF", "DPXA"),
        ("A", "VPX"),
    ],
)
def test_what_can_come_next(prefix: str, facts: str) -> None:
    assert "".join(possible_next(prefix)) == facts


@pytest.mark.parametrize(
    ("state", "event", "message"),
    [
        ("vfdPxa", "A", "'A' is forbidden in state 'vfdPxa' of a case: V follows at once"),
        ("vfdpXa", "V", "'V' is forbidden in state 'vfdpXa' of a case: P follows at once"),
        ("vfdpxa", "F", "'F' is forbidden in state 'vfd' of VFD, which allows V"),
        ("VFDPXA", "P", "'P' is forbidden in state 'PXA' of PXA, which allows nothing"),
    ],
)
def test_an_impossible_event_says_why(state: str, event: str, message: str) -> None:
    with pytest.raises(NotSatisfied) as refused:
        case_states.next_state(state, event)
    assert str(refused.value) == message


@pytest.mark.parametrize("state", ["vFdpxa", "vfDpxa", "vfdpx", "", "VFDPXAA", "VFD"])
def test_no_state_of_a_case(state: str) -> None:
    with pytest.raises(UnknownName) as refused:
        case_states.split_state(state)
    assert str(refused.value) == f"{state!r} is no state of a case"
    assert refused.value.hint == "six letters, as in VFdpxa"


@pytest.mark.parametrize("event", ["v", "VF", "", "Z"])
def test_no_event_of_a_case(event: str) -> None:
    with pytest.raises(UnknownName, match=r"is no event of a case$"):
        case_states.next_state("vfdpxa", event)


def test_a_case_says_what_has_happened_and_what_must() -> None:
    assert case_states.happened("VFdPxa") == set("VFP")
    must = {state: case_states.required_next(state) for state in graph()[0]}
    assert {state for state, event in must.items() if event == "V"} == {
        state for state in must if state.startswith("v") and "P" in state
    }
    assert {state for state, event in must.items() if event == "P"} == {
        state for state in must if state[3] == "p" and state[4] == "X"
    }


def test_every_edge_adds_exactly_one_fact() -> None:
    for here, there in graph()[1]:
        assert sum(a != b for a, b in zip(here, there, strict=True)) == 1


def test_histories_follow_the_edges() -> None:
    edges = graph()[1]
    order = "PVXAFD"
    path = ["".join(f if f in order[:n] else f.lower() for f in "VFDPXA") for n in range(7)]
    assert set(pairwise(path)) <= edges
    assert load_tables().causality.precedes == (("V", "F"), ("F", "D"))
