"""The state of a case as one word, `vfdpxa`: the fix path of a vendor and the world together.

Decides which single events can follow which of the 32 states, from the tables of VFD and PXA
and the two rules on what follows at once (spec/disclosure-states.md, section Case states;
Householder and Spring, CMU/SEI-2021-SR-021). Orders of events are for `histories`, which
derives the same graph without these tables.
"""

from __future__ import annotations

from steelyard.disclosure.states.machines import step
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel.errors import NotSatisfied, UnknownName

EVENTS = "VFDPXA"
_PATH = 3


def join_state(fix_path: str, world: str) -> str:
    """The state of six letters, e.g. VFd and Pxa give VFdPxa.

    Raises:
        UnknownName: either is no state of its machine.
    """
    tables = load_tables()
    return tables.machine("VFD").state(fix_path).id + tables.machine("PXA").state(world).id


def split_state(state: str) -> tuple[str, str]:
    """Fix path and world of a state of six letters.

    Raises:
        UnknownName: no state of a case.
    """
    try:
        join_state(state[:_PATH], state[_PATH:])
    except UnknownName as error:
        message = f"{state[:20]!r} is no state of a case"
        raise UnknownName(message, hint="six letters, as in VFdpxa") from error
    return state[:_PATH], state[_PATH:]


def happened(state: str) -> frozenset[str]:
    """The events that have happened in a state."""
    split_state(state)
    return frozenset(letter for letter in state if letter.isupper())


def required_next(state: str) -> str:
    """The event that must come next, or nothing where the state may last."""
    facts = happened(state)
    for after, without, follows in load_tables().causality.follows_at_once:
        if after in facts and without not in facts:
            return follows
    return ""


def next_state(state: str, event: str) -> str:
    """The state after one event.

    Raises:
        NotSatisfied: the tables forbid it, or another event must come first.
        UnknownName: no such state or event.
    """
    if event not in EVENTS or len(event) != 1:
        raise UnknownName(f"{event[:20]!r} is no event of a case", hint="one of V F D P X A")
    fix_path, world = split_state(state)
    required = required_next(state)
    if required not in {"", event}:
        message = f"{event!r} is forbidden in state {state!r} of a case: {required} follows at once"
        raise NotSatisfied(message, hint="steelyard disclose states PXA")
    tables = load_tables()
    if event in tables.machine("VFD").events:
        return step(tables.machine("VFD"), fix_path, event) + world
    return fix_path + step(tables.machine("PXA"), world, event)


def successors(state: str) -> dict[str, str]:
    """Every state that one event leads to, by the event."""
    found: dict[str, str] = {}
    for event in EVENTS:
        try:
            found[event] = next_state(state, event)
        except NotSatisfied:
            continue
    return found


def walk() -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """States and edges that the tables allow from `vfdpxa`."""
    start = join_state(load_tables().machine("VFD").initial, load_tables().machine("PXA").initial)
    states, edges, waiting = {start}, set[tuple[str, str]](), [start]
    while waiting:
        here = waiting.pop()
        for there in successors(here).values():
            edges.add((here, there))
            if there not in states:
                states.add(there)
                waiting.append(there)
    return frozenset(states), frozenset(edges)
