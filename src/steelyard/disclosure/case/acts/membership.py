"""Who takes part: invitations, later cards, leaving.

Decides what brings an organization into a case or out of it (spec/disclosure-case.md, section
Membership).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.disclosure.case.bodies import PARTICIPANT_LIMIT
from steelyard.disclosure.case.organization import card_from_json, require_later
from steelyard.disclosure.case.view import Member
from steelyard.disclosure.states.standing import (
    IN_FORCE,
    TALKS,
    Participant,
    finder,
    observer,
    vendor,
)
from steelyard.kernel import exact_instant
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Collection

    from steelyard.disclosure.case.acts.step import Step
    from steelyard.disclosure.case.organization import Card

_MAKES_FIXES = frozenset({"developer", "open-weight-developer"})
_TRUSTED = frozenset({"coordinator", "adjudicator"})


def participant(organization: str, roles: Collection[str], *, open_weights: bool) -> Participant:
    """How an organization of these roles begins in the state machines.

    A developer that reports its own flaw has accepted the report and is aware of it.
    """
    if "reporter" in roles:
        found = finder(organization, organization)
        if not _MAKES_FIXES & set(roles):
            return found
        return replace(found, vfd="Vfd", open_weights=open_weights)
    if _MAKES_FIXES & set(roles):
        return vendor(organization, organization, open_weights=open_weights)
    return observer(organization, organization)


def claimed_roles(card: Card, roles: Collection[str], where: str) -> frozenset[str]:
    """Roles in a case, each of which the organization's own card names.

    Raises:
        NotSatisfied: with those that it does not name.
    """
    others = sorted(set(roles) - set(card.roles))
    if others:
        message = f"the card of {card.name} does not name {', '.join(others)}"
        raise NotSatisfied(message, where=where, hint="ask it for a later card, or for other roles")
    return frozenset(roles)


def invite(step: Step) -> None:
    """Take an organization in; if an embargo is in force, ask it for consent."""
    card = card_from_json(step.body["card"])
    name, roles = card.organization, claimed_roles(card, step.body["roles"], step.event.kind)
    if name in step.view.members:
        raise step.refuse(f"{card.name} is, or was, in this case")
    if len(step.view.members) >= PARTICIPANT_LIMIT:
        raise step.refuse(f"a case has at most {PARTICIPANT_LIMIT} organizations")
    if (
        roles & _TRUSTED
        and step.author != step.view.host
        and "coordinator" not in step.member.roles
    ):
        raise step.refuse("only the host or a coordinator invites a coordinator or an adjudicator")
    if step.body["open_weights"] and "open-weight-developer" not in roles:
        raise step.refuse("open weights are those of an open-weight developer")
    answer_by = exact_instant(step.body["answer_by"])
    if answer_by <= step.at:
        raise step.refuse("the time to answer is over before it begins")
    step.view = step.view.with_member(name, Member(card, roles, step.at, answer_by))
    added = participant(name, roles, open_weights=step.body["open_weights"])
    if added.vfd == "vfd" and "P" in step.view.states.pxa:
        # What the public knows, a vendor knows that comes later.
        added = replace(added, vfd="Vfd")
    states = replace(step.view.states, participants=(*step.view.states.participants, added))
    step.set(states=states)
    if states.em in IN_FORCE:
        step.move("PEC", "invite", actor=name)


def card(step: Step) -> None:
    """Put a later card of the author in the place of the one before."""
    new = card_from_json(step.body["card"])
    member = step.member
    require_later(member.card, new)
    step.view = step.view.with_member(step.author, replace(member, card=new))


def leave(step: Step) -> None:
    """The author takes no further part; its consent and the terms that it proposed end with it."""
    if step.author == step.view.host:
        raise step.refuse("the host cannot leave", "transfer the case first")
    consent = step.view.states.participant(step.author).pec
    if consent == "signatory":
        step.move("PEC", "withdraw")
    elif step.view.states.em in TALKS and step.view.states.proposer == step.author:
        # Without consent of its own, somebody may only have proposed other terms.
        step.move(*(("EM", "reject") if consent == "declined" else ("PEC", "decline")))
    step.view = step.view.with_member(step.author, replace(step.member, left=True))
