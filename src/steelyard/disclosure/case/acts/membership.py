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
from steelyard.disclosure.states.standing import IN_FORCE, Participant, finder, observer, vendor
from steelyard.kernel import exact_instant

if TYPE_CHECKING:
    from collections.abc import Collection

    from steelyard.disclosure.case.acts.step import Step

_MAKES_FIXES = frozenset({"developer", "open-weight-developer"})


def participant(organization: str, roles: Collection[str], *, open_weights: bool) -> Participant:
    """How an organization of these roles begins in the state machines."""
    if "reporter" in roles:
        return finder(organization, organization)
    if _MAKES_FIXES & set(roles):
        return vendor(organization, organization, open_weights=open_weights)
    return observer(organization, organization)


def invite(step: Step) -> None:
    """Take an organization in; if an embargo is in force, ask it for consent."""
    card = card_from_json(step.body["card"])
    name, roles = card.organization, frozenset(step.body["roles"])
    if name in step.view.members:
        raise step.refuse(f"{card.name} is, or was, in this case")
    if len(step.view.members) >= PARTICIPANT_LIMIT:
        raise step.refuse(f"a case has at most {PARTICIPANT_LIMIT} organizations")
    if step.body["open_weights"] and "open-weight-developer" not in roles:
        raise step.refuse("open weights are those of an open-weight developer")
    answer_by = exact_instant(step.body["answer_by"])
    if answer_by <= step.at:
        raise step.refuse("the time to answer is over before it begins")
    step.view = step.view.with_member(name, Member(card, roles, step.at, answer_by))
    added = participant(name, roles, open_weights=step.body["open_weights"])
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
    """The author takes no further part; its consent ends with it."""
    if step.author == step.view.host:
        raise step.refuse("the host cannot leave", "transfer the case first")
    if step.view.states.participant(step.author).pec == "signatory":
        step.move("PEC", "withdraw")
    step.view = step.view.with_member(step.author, replace(step.member, left=True))
