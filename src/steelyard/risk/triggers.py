"""Triggers: changes after which a determination no longer speaks about the model.

Which changes count is data of the standard. Decides which of them hold, purely
from facts given as arguments; a fact that nobody gave fires nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from steelyard.risk.margins import Freeboard
    from steelyard.standard import Trigger

Fact = bool | float | str
Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class TriggerState:
    """A trigger, and whether it already holds."""

    trigger: Trigger
    fired: bool


def evaluate_triggers(
    triggers: Iterable[Trigger], facts: Facts, recorded: Facts
) -> tuple[TriggerState, ...]:
    """Hold every trigger against the facts.

    Args:
        triggers: From the framework.
        facts: What is known now, by name.
        recorded: What the determination was made of; `differs` and `reached` compare with it.
    """
    return tuple(TriggerState(t, _fired(t, facts, recorded)) for t in triggers)


def standing_triggers(
    triggers: Iterable[Trigger], boards: Sequence[Freeboard]
) -> tuple[TriggerState, ...]:
    """The triggers of a new determination, held against what it knows itself."""
    chances = [b.probability_of_crossing for b in boards if b.probability_of_crossing is not None]
    return evaluate_triggers(
        triggers, {"crossing_probability": max(chances)} if chances else {}, {}
    )


def _reached(instant: Fact, limit: Fact | None) -> bool:
    """Whether an instant is no earlier than another, both as `format_instant` writes them."""
    return limit is not None and str(instant) >= str(limit)


def _fired(trigger: Trigger, facts: Facts, recorded: Facts) -> bool:
    fact, before = facts.get(trigger.fact), recorded.get(trigger.fact)
    if fact is None:
        return False
    if trigger.test == "is_true":
        return fact is True
    if trigger.test in ("differs", "reached"):
        # What was not recorded cannot be shown to be the same.
        return fact != before if trigger.test == "differs" else _reached(fact, before)
    number, limit = float(fact), trigger.value if trigger.value is not None else 0.0
    return number >= limit if trigger.test == "at_least" else number > limit
