"""Rules across machines: what one participant's act needs, and what it brings about.

Decides, from the guards and consequences of the data file, whether an act is allowed in a
case, which other machines move with it, which messages go out, and what is advised
(spec/disclosure-states.md, sections Guards, Consequences, Agreement). Pure: a case in, a case
out. What an incoming message does is for `answers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from steelyard.disclosure.states.machines import transition
from steelyard.disclosure.states.standing import IN_FORCE, TALKS
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.disclosure.states.model import Consequence, Guard, Scope
    from steelyard.disclosure.states.standing import Case


@dataclass(frozen=True, slots=True)
class Act:
    """What a participant does: an event of its own machine, or of one of the case's.

    Attributes:
        attesters: Organizations of deployers who attest that a mitigation of open weights is
            in place; only for D of such a developer.
    """

    machine: str
    event: str
    actor: str
    attesters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Effect:
    """One machine that moved.

    Attributes:
        owner: Whose machine; empty for the case's.
        emits: Messages that the move sends.
        rule: The consequence or agreement that moved it; empty for the act itself.
    """

    machine: str
    owner: str
    event: str
    before: str
    after: str
    emits: tuple[str, ...]
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a rule says should be, or should not have been, done."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case after an act, everything that moved in order, and what is advised."""

    case: Case
    effects: tuple[Effect, ...] = ()
    advice: tuple[Advice, ...] = ()

    @property
    def messages(self) -> tuple[str, ...]:
        """Messages that go out, in order."""
        return tuple(message for effect in self.effects for message in effect.emits)


@dataclass(slots=True)
class _Run:
    """One act under way."""

    case: Case
    actor: str
    effects: list[Effect] = field(default_factory=list[Effect])
    advice: list[Advice] = field(default_factory=list[Advice])

    def fire(self, machine: str, owner: str, event: str, rule: str = "") -> None:
        """Move one machine, then what follows from it."""
        before = state_of(self.case, machine, owner)
        step = transition(load_tables().machine(machine), before, event)
        self.case = self.case.moved(machine, step.target, owner)
        # The embargo's own message carries the consent that follows from it.
        emits = () if rule and machine == "PEC" else step.emits
        self.effects.append(Effect(machine, owner, event, before, step.target, emits, rule))
        if (machine, event) == ("EM", "propose"):
            self.case = replace(self.case, proposer=self.actor)
        for row in load_tables().consequences:
            if (row.machine, row.event) == (machine, event) and before in row.source_states:
                self._follow(row, owner)
        if machine == "EM" and self.case.em not in TALKS:
            self.case = replace(self.case, proposer="")

    def _follow(self, row: Consequence, owner: str) -> None:
        for name in _owners(self.case, row.of, owner or self.actor):
            if state_of(self.case, row.moves, name) not in row.when:
                continue
            if row.force == "should":
                self.advice.append(Advice(row.id, row.text))
            else:
                self.fire(row.moves, name, row.by, row.id)

    def agree(self, act: Act) -> None:
        """What follows from how many consent after the act."""
        left = act.machine == "PEC" and act.event in {"withdraw", "decline"}
        if left and self.case.proposer == act.actor:
            self.fire("EM", "", "reject", "proposer_leaves")
        too_few = len(self.case.signatories()) < load_tables().least_signatories
        if self.case.em in IN_FORCE and too_few:
            self.fire("EM", "", "terminate", "too_few")


def apply(case: Case, act: Act) -> Outcome:
    """The case after an act and everything that follows from it.

    Raises:
        NotSatisfied: the machine, a guard or the rules of agreement forbid the act.
        UnknownName: no such machine, event or participant.
    """
    tables = load_tables()
    owner = _owner(case, act)
    tables.machine(act.machine).require_event(act.event)
    refusal = refused_by(case, act)
    if refusal is not None:
        raise NotSatisfied(
            f"{act.actor}: {act.event!r} of {act.machine} is forbidden: {refusal.text}",
            where=refusal.rule,
        )
    run = _Run(case, act.actor)
    run.advice += [Advice(guard.id, guard.text) for guard in _broken(case, act, "should")]
    run.fire(act.machine, owner, act.event)
    run.agree(act)
    return Outcome(run.case, tuple(run.effects), tuple(run.advice))


def refused_by(case: Case, act: Act) -> Advice | None:
    """The first rule that forbids an act which its machine may allow, or None."""
    for guard in _broken(case, act, "shall"):
        return Advice(guard.id, guard.text)
    agreement = load_tables().agreement
    if (act.machine, act.event) == ("EM", "accept") and case.proposer == act.actor:
        return Advice("own_terms", agreement["own_terms"])
    if (act.machine, act.event) == ("VFD", "D"):
        return _open_weights(case, act)
    return None


def state_of(case: Case, machine: str, owner: str) -> str:
    """The state of a machine: a participant's where one is named, the case's otherwise."""
    return case.participant(owner).state(machine) if owner else case.state(machine)


def _owner(case: Case, act: Act) -> str:
    """Whose machine an act moves; empty for the case's.

    Raises:
        NotSatisfied: the machine is no part of a case, or the actor has no fix path.
    """
    actor = case.participant(act.actor)
    machine = load_tables().machine(act.machine)
    if machine.scope not in {"participant", "case"}:
        message = f"{act.machine} belongs to a {machine.scope}, not to a case"
        raise NotSatisfied(message, hint="payloads and targets move on their own")
    if machine.scope == "case":
        return ""
    if not actor.state(act.machine):
        raise NotSatisfied(f"{act.actor} has no {act.machine}: it makes no fix")
    return act.actor


def _owners(case: Case, of: Scope, actor: str) -> tuple[str, ...]:
    """Whose machines a consequence moves; only those who have one."""
    if of == "case":
        return ("",)
    if of == "self":
        return (actor,)
    if of == "proposer":
        return (case.proposer,)
    names = tuple(item.name for item in case.participants)
    if of == "each":
        return names
    return tuple(name for name in names if name not in {actor, case.proposer})


def _broken(case: Case, act: Act, force: str) -> Iterator[Guard]:
    """Guards of that force that an act breaks."""
    for guard in load_tables().guards:
        if guard.machine != act.machine or act.event not in guard.events or guard.force != force:
            continue
        states = [state_of(case, guard.needs, name) for name in _owners(case, guard.of, act.actor)]
        if any(state and state not in guard.states for state in states):
            yield guard


def _open_weights(case: Case, act: Act) -> Advice | None:
    actor = case.participant(act.actor)
    tables = load_tables()
    if not actor.open_weights:
        return None
    attesting = len(act.attesters - {actor.organization})
    if attesting >= tables.open_weight_deployers:
        return None
    found = f"{attesting} deployers of other organizations attest it"
    text = f"{tables.agreement['open_weights']}; {found}, need {tables.open_weight_deployers}"
    return Advice("open_weights", text)
