"""Where a case stands: its participants' states and its own, and what can never be.

Decides which combined states are impossible (spec/disclosure-states.md, section Combined
states). How a case moves is for `rules`; payloads and targets have machines of their own that
stand apart, as the hazard of a payload outlives every embargo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_FORCE = ("active", "revise")
"""States of EM with terms in force."""
TALKS = ("proposed", "revise")
"""States of EM with terms on the table."""
_HAS_ACCEPTED = ("accepted", "deferred", "closed")


@dataclass(frozen=True, slots=True)
class Participant:
    """One participant of a case and its own states.

    Attributes:
        vfd: State of its fix path; empty for who makes no fix.
        open_weights: Whether anybody may hold the weights that it would have to mitigate.
    """

    name: str
    organization: str
    rm: str = "start"
    pec: str = "no_embargo"
    vfd: str = ""
    open_weights: bool = False

    def state(self, machine: str) -> str:
        """Its state of RM, PEC or VFD; empty where it has none."""
        return {"RM": self.rm, "PEC": self.pec, "VFD": self.vfd}[machine]

    def moved(self, machine: str, state: str) -> Participant:
        """The same participant with one state changed."""
        if machine == "RM":
            return replace(self, rm=state)
        return replace(self, pec=state) if machine == "PEC" else replace(self, vfd=state)


@dataclass(frozen=True, slots=True)
class Case:
    """A case: its participants, its embargo, and what the world knows.

    Attributes:
        proposer: Who put the terms on the table that are being talked about; empty when none are.
    """

    participants: tuple[Participant, ...]
    em: str = "none"
    pxa: str = "pxa"
    proposer: str = ""

    def participant(self, name: str) -> Participant:
        """The participant of that name.

        Raises:
            UnknownName: there is none.
        """
        for participant in self.participants:
            if participant.name == name:
                return participant
        known = ", ".join(participant.name for participant in self.participants)
        raise UnknownName(f"no participant {name!r} in this case", hint=f"known: {known}")

    def state(self, machine: str) -> str:
        """The state of EM or PXA."""
        return {"EM": self.em, "PXA": self.pxa}[machine]

    def moved(self, machine: str, state: str, name: str = "") -> Case:
        """The same case with one state changed, of a participant where one is named."""
        if machine == "EM":
            return replace(self, em=state)
        if machine == "PXA":
            return replace(self, pxa=state)
        changed = (
            item.moved(machine, state) if item.name == name else item for item in self.participants
        )
        return replace(self, participants=tuple(changed))

    def signatories(self) -> tuple[str, ...]:
        """Names of those who consent to the embargo in force or on the table."""
        return tuple(item.name for item in self.participants if item.pec == "signatory")


def finder(name: str, organization: str) -> Participant:
    """A finder: it begins where it has accepted its own report."""
    return Participant(name, organization, rm="accepted")


def vendor(name: str, organization: str, *, open_weights: bool = False) -> Participant:
    """A developer who would have to make the fix, and does not know of the report yet."""
    return Participant(name, organization, vfd="vfd", open_weights=open_weights)


def observer(name: str, organization: str) -> Participant:
    """Somebody who makes no fix: a coordinator, a deployer, a regulator."""
    return Participant(name, organization)


def impossible(case: Case) -> tuple[str, ...]:
    """Why this combined state can never be at rest, one sentence each; empty where it can."""
    return (*_world_and_embargo(case), *_consents(case), *_participants(case))


def _world_and_embargo(case: Case) -> Iterator[str]:
    if case.em in IN_FORCE and {"P", "X"} & set(case.pxa):
        yield f"EM {case.em} although {case.pxa}: publication shall end the embargo"
    if case.em in TALKS and case.pxa != "pxa":
        yield f"EM {case.em} although {case.pxa}: nothing is negotiated any more"
    if "X" in case.pxa and "P" not in case.pxa:
        yield f"PXA {case.pxa}: a public exploit makes the flaw public"
    if bool(case.proposer) != (case.em in TALKS):
        yield f"EM {case.em} with proposer {case.proposer!r}"


def _consents(case: Case) -> Iterator[str]:
    least, count = load_tables().least_signatories, len(case.signatories())
    if case.em in IN_FORCE and count < least:
        yield f"EM {case.em} with {count} signatories: fewer than {least} are no agreement"
    for item in case.participants:
        if case.em in {"none", "exited"} and item.pec in {"invited", "signatory"}:
            yield f"{item.name}: PEC {item.pec} although EM {case.em}"
        if case.em == "proposed" and item.pec == "signatory" and item.name != case.proposer:
            yield f"{item.name}: PEC signatory before the terms of {case.proposer} are accepted"


def _participants(case: Case) -> Iterator[str]:
    for item in case.participants:
        if item.vfd in {"VFd", "VFD"} and item.rm not in _HAS_ACCEPTED:
            yield f"{item.name}: VFD {item.vfd} although RM {item.rm}: no fix before acceptance"
        if item.vfd == "vfd" and item.rm != "start":
            yield f"{item.name}: VFD vfd although RM {item.rm}: who has the report is aware"
        if item.vfd == "vfd" and "P" in case.pxa:
            yield f"{item.name}: VFD vfd although {case.pxa}: what the public knows, it knows"
