"""One event under way: the view before it, and what it has brought about so far.

Decides nothing; carries a view through an act, and lets the state machines move
(spec/disclosure-case.md, section Order).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from steelyard.disclosure.states.rules import Act, Effect, apply
from steelyard.disclosure.states.standing import TALKS
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from steelyard.disclosure.case.event import Event
    from steelyard.disclosure.case.view import Member, View
    from steelyard.disclosure.states.rules import Advice, Outcome


@dataclass(slots=True)
class Step:
    """An event that is being applied.

    Attributes:
        at: When it was ordered, by the host's clock.
        effects: Machines that moved, in order.
        counted: What the author has brought into the case, by the name of the field of `Member`.
    """

    view: View
    event: Event
    at: datetime
    effects: list[Effect] = field(default_factory=list[Effect])
    advice: list[Advice] = field(default_factory=list["Advice"])
    counted: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def author(self) -> str:
        """Whose event it is."""
        return self.event.author

    @property
    def body(self) -> dict[str, Any]:
        """What it says; its shape was checked when it was opened."""
        return self.event.body

    @property
    def member(self) -> Member:
        """The author in this case."""
        return self.view.member(self.author)

    def is_over(self, instant: datetime) -> bool:
        """Whether an instant has passed by the host's clock and by the author's."""
        return min(self.at, self.event.at) >= instant

    def set(self, **changes: Any) -> None:  # noqa: ANN401 - fields of View
        """Change fields of the view."""
        self.view = self.view.changed(**changes)

    def move(
        self, machine: str, event: str, *, attesters: Collection[str] = (), actor: str = ""
    ) -> None:
        """Let a machine move, with everything that follows from it.

        Raises:
            NotSatisfied: the tables forbid it.
        """
        act = Act(machine, event, actor or self.author, frozenset(attesters))
        self.follow(apply(self.view.states, act))

    def follow(self, outcome: Outcome) -> None:
        """Take over what moved; terms that are no longer talked about leave the table."""
        self.effects += outcome.effects
        self.advice += outcome.advice
        table = self.view.table if outcome.case.em in TALKS else None
        self.set(states=outcome.case, table=table)

    def note(self, organization: str, handle: str, event: str, before: str, after: str) -> None:
        """Tell that a target moved, as far as everybody may see it."""
        owner = f"{organization}/{handle}"
        self.effects.append(Effect("AM", owner, event, before, after, ()))

    def refuse(self, message: str, hint: str = "") -> NotSatisfied:
        """The error that refuses this event; raise it."""
        return NotSatisfied(message, where=self.event.kind, hint=hint)
