"""One step of any state machine: a state and an event give a state, or are refused.

Decides nothing but the table (spec/disclosure-states.md, section Steps). Whether other
machines allow the step, and what it brings about in them, is for `rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from steelyard.disclosure.states.model import Machine, Transition


def step(machine: Machine, state: str, event: str) -> str:
    """The state that an event leads to.

    Raises:
        NotSatisfied: the machine forbids the event in that state.
        UnknownName: no such state or event.
    """
    return transition(machine, state, event).target


def transition(machine: Machine, state: str, event: str) -> Transition:
    """The row of the table for a state and an event; errors as for `step`."""
    machine.state(state)
    machine.require_event(event)
    found = machine.table.get((state, event))
    if found is None:
        allowed = ", ".join(allowed_events(machine, state)) or "nothing"
        raise NotSatisfied(
            f"{event!r} is forbidden in state {state!r} of {machine.id}, which allows {allowed}",
            hint=f"steelyard disclose states {machine.id}",
        )
    return found


def allowed_events(machine: Machine, state: str) -> tuple[str, ...]:
    """Events that the machine allows in a state, in the order of the table's events.

    Raises:
        UnknownName: no such state.
    """
    machine.state(state)
    return tuple(event for event in machine.events if (state, event) in machine.table)
