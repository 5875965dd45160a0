"""What the tables of the state machines hold, as frozen objects.

Decides nothing but how a name is found (spec/disclosure-states.md, section Tables). Reading the
data file, and whether it is whole, is for `tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from steelyard.kernel.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject

Force = Literal["shall", "should"]
Scope = Literal["self", "others", "each", "proposer", "case"]


@dataclass(frozen=True, slots=True)
class State:
    """A state: its name in code, the letter of the formal model, what it says."""

    id: str
    letter: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of a machine: where an event leads, and what its author tells the others."""

    source: str
    event: str
    target: str
    emits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """One state machine.

    Attributes:
        scope: What has a state of its own: participant, case, target or payload.
        source: Where the table comes from, by its id.
        final: States in which nothing more needs to happen.
        events: What each event says, by its name.
        table: Transition by state and event; a pair that is absent is forbidden.
    """

    id: str
    title: str
    scope: str
    source: str
    initial: str
    final: tuple[str, ...]
    states: tuple[State, ...]
    events: Mapping[str, str]
    table: Mapping[tuple[str, str], Transition]

    def state(self, name: str) -> State:
        """The state of that name.

        Raises:
            UnknownName: there is none.
        """
        for state in self.states:
            if state.id == name:
                return state
        known = ", ".join(state.id for state in self.states)
        raise UnknownName(f"{self.id} has no state {name!r}", hint=f"known: {known}")

    def require_event(self, name: str) -> None:
        """Refuse a name that is no event of this machine.

        Raises:
            UnknownName: there is none.
        """
        if name not in self.events:
            hint = f"known: {', '.join(self.events)}"
            raise UnknownName(f"{self.id} has no event {name!r}", hint=hint)


@dataclass(frozen=True, slots=True)
class Guard:
    """What must hold of a machine before an event of another one."""

    id: str
    machine: str
    events: tuple[str, ...]
    needs: str
    of: Scope
    states: tuple[str, ...]
    force: Force
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Consequence:
    """What an event of one machine, out of certain states, brings about in another."""

    id: str
    machine: str
    event: str
    source_states: tuple[str, ...]
    moves: str
    of: Scope
    when: tuple[str, ...]
    by: str
    force: Force
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a message does to whom it reaches, in which states, and what is answered.

    Attributes:
        when: States by machine; RM is the receiver's, PEC the sender's.
        moves: Machine, event and whose event it is; empty when nothing moves.
        reply: Messages that are sent back.
        error: Whether the message should not have come.
    """

    messages: tuple[str, ...]
    when: Mapping[str, tuple[str, ...]]
    moves: tuple[str, str, str] | tuple[()]
    reply: tuple[str, ...]
    error: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A kind of message, and the model that it speaks of."""

    id: str
    name: str
    model: str


@dataclass(frozen=True, slots=True)
class Causality:
    """In which order the six facts of a case can arise.

    Attributes:
        precedes: Pairs of which the first always comes first.
        follows_at_once: (after, without, follows): once `after` has happened without `without`,
            `follows` is the next event.
        desiderata: Pairs whose first had better come first.
    """

    precedes: tuple[tuple[str, str], ...]
    follows_at_once: tuple[tuple[str, str, str], ...]
    desiderata: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything the data file says.

    Attributes:
        least_signatories: How many must consent for an embargo to be an agreement.
        open_weight_deployers: How many deployers attest a mitigation of open weights.
        lowering_approvals: How many roles, of as many organizations, lower a hazard tier.
        agreement: What follows from how many consent, by the name of the rule.
        digest: SHA-256 of the canonical JSON of `content`.
    """

    id: str
    version: str
    least_signatories: int
    open_weight_deployers: int
    lowering_approvals: int
    sources: Mapping[str, str]
    messages: Mapping[str, Message]
    machines: Mapping[str, Machine]
    guards: tuple[Guard, ...]
    consequences: tuple[Consequence, ...]
    agreement: Mapping[str, str]
    replies: tuple[Reply, ...]
    causality: Causality
    digest: str
    content: JsonObject

    def machine(self, name: str) -> Machine:
        """The machine of that name.

        Raises:
            UnknownName: there is none.
        """
        if name not in self.machines:
            hint = f"known: {', '.join(self.machines)}"
            raise UnknownName(f"no state machine {name!r}", hint=hint)
        return self.machines[name]
