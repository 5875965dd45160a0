"""Orders in which the six facts of a case can arise, derived from three causal rules.

Decides which orders are possible, how often chance produces each, and how often chance puts
the first fact of a desideratum first (spec/disclosure-states.md, section Histories). Chance:
each next event is as likely as any other that may come next (Householder and Spring,
CMU/SEI-2021-SR-021, section 4). Knows no state machine; that the tables of VFD and PXA give
the same graph is a test.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import pairwise, permutations
from typing import TYPE_CHECKING

from steelyard.disclosure.states.tables import load_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

FACTS = "VFDPXA"


@cache
def causal_orders() -> frozenset[str]:
    """Orders in which no effect comes before its cause: V before F before D. There are 120."""
    pairs = load_tables().causality.precedes
    return frozenset(
        order
        for order in map("".join, permutations(FACTS))
        if all(order.index(cause) < order.index(effect) for cause, effect in pairs)
    )


@cache
def histories() -> frozenset[str]:
    """Causal orders in which what must follow at once does. There are 70."""
    return frozenset(order for order in causal_orders() if _follows_at_once(order))


def _follows_at_once(order: str) -> bool:
    for after, without, follows in load_tables().causality.follows_at_once:
        place = order.index(after)
        if without not in order[:place] and order[place + 1 : place + 2] != follows:
            return False
    return True


def possible_next(prefix: str) -> tuple[str, ...]:
    """Facts that can come next after those that came, in that order."""
    found = {order[len(prefix)] for order in histories() if order.startswith(prefix)}
    return tuple(fact for fact in FACTS if fact in found)


@cache
def chance_of_histories() -> Mapping[str, Fraction]:
    """How often chance produces each history; the shares sum to one."""
    shares = {"": Fraction(1)}
    for _ in FACTS:
        shares = {
            prefix + fact: share / len(possible_next(prefix))
            for prefix, share in shares.items()
            for fact in possible_next(prefix)
        }
    return shares


def graph() -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """States and edges that the histories pass through: 32 and 58."""
    states, edges = set[str](), set[tuple[str, str]]()
    for order in histories():
        path = [_state(order[:length]) for length in range(len(FACTS) + 1)]
        states.update(path)
        edges.update(pairwise(path))
    return frozenset(states), frozenset(edges)


def _state(prefix: str) -> str:
    return "".join(fact if fact in prefix else fact.lower() for fact in FACTS)


def desiderata() -> tuple[tuple[str, str], ...]:
    """The twelve pairs whose first fact had better come first."""
    return load_tables().causality.desiderata


@cache
def chance_of_desideratum(first: str, second: str) -> Fraction:
    """How often chance puts `first` before `second`."""
    return sum(
        (
            share
            for order, share in chance_of_histories().items()
            if order.index(first) < order.index(second)
        ),
        Fraction(0),
    )
