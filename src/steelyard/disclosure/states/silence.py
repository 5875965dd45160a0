"""How an affectedness is shown, so that silence never looks like an answer.

Decides the words and the age for one target (spec/disclosure-states.md, section Silence). The
age is of the state: a target nobody was asked about grows as old as one that does not answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

Kind = Literal["not asked", "silent", "not checked", "checking", "answered"]

_KINDS: dict[str, Kind] = {
    "unknown": "not asked",
    "notified": "silent",
    "acked": "not checked",
    "retest": "not checked",
    "running": "checking",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a board shows of one target.

    Attributes:
        age_seconds: Time since the state was entered.
    """

    state: str
    kind: Kind
    age_seconds: int

    @property
    def text(self) -> str:
        """The words, with the age where there is no answer."""
        days, hours = divmod(self.age_seconds // 3600, 24)
        age = f"{days} d {hours} h" if days else f"{hours} h"
        words = self.state.replace("_", " ")
        return words if self.kind == "answered" else f"{words} ({self.kind}, {age})"


def shown(state: str, since: datetime, now: datetime) -> Shown:
    """What to show of a target in a state of AM since an instant.

    Raises:
        UnknownName: no such state.
        UsageError: an instant without zone.
    """
    load_tables().machine("AM").state(state)
    if since.tzinfo is None or now.tzinfo is None:
        raise UsageError("an instant needs a time zone")
    # A clock set back makes nothing younger than new.
    age = max(0, int((now - since).total_seconds()))
    return Shown(state, _KINDS.get(state, "answered"), age)
