"""Encrypted objects that a case knows of, their hazard tiers, and sealed notes.

Decides which object a case takes and how its tier moves (spec/disclosure-case.md, section
Payloads). What is inside is for those who can decrypt it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from steelyard.disclosure.case.view import Payload
from steelyard.disclosure.states.machines import step as machine_step
from steelyard.disclosure.states.payloads import Approval, distinct_approvals, move_payload
from steelyard.disclosure.states.tables import load_tables

if TYPE_CHECKING:
    from steelyard.disclosure.case.acts.step import Step

_OBJECT_LIMIT = 4096


def register(step: Step, reference: dict[str, Any]) -> Payload:
    """Take an object into the case.

    Raises:
        NotSatisfied: for somebody outside of the case, or an id that the case knows otherwise.
    """
    payload = Payload(
        id=reference["id"],
        media_type=reference["media_type"],
        size_bytes=reference["bytes"],
        tier=reference["tier"],
        recipients=tuple(reference["recipients"]),
        author=step.author,
    )
    for name in payload.recipients:
        step.view.member(name)
    known = step.view.payloads.get(payload.id)
    payload = _counted(step, payload) if known is None else _passed_on(step, known, payload)
    step.set(payloads=step.view.payloads.with_item(payload.id, payload))
    return payload


def require_readers(step: Step, payload: Payload) -> None:
    """Refuse a finding that others than coordinators, adjudicators and its author read."""
    allowed = {*step.view.with_role("coordinator", "adjudicator"), payload.author}
    for name in payload.recipients:
        if name not in allowed and not step.view.members[name].left:
            raise step.refuse("what was found is for coordinators alone")


def _counted(step: Step, payload: Payload) -> Payload:
    objects = step.member.objects
    if objects >= _OBJECT_LIMIT:
        raise step.refuse(f"an organization has at most {_OBJECT_LIMIT} objects in a case")
    step.counted["objects"] = objects + 1
    return payload


def _passed_on(step: Step, known: Payload, again: Payload) -> Payload:
    """An object that the case knows, for more readers."""
    if (known.media_type, known.size_bytes, known.tier) != (
        again.media_type,
        again.size_bytes,
        again.tier,
    ):
        raise step.refuse("this object is known under another description")
    if step.author != known.author and step.author not in known.recipients:
        raise step.refuse("only who can decrypt an object passes it on")
    wider = replace(known, recipients=tuple(dict.fromkeys((*known.recipients, *again.recipients))))
    if known.finding:
        require_readers(step, wider)
    return wider


def note(step: Step) -> None:
    """A sealed text to some of the participants."""
    register(step, step.body["object"])


def hazard(step: Step) -> None:
    """Raise a tier at once, or agree that it is lowered, which needs others as well."""
    known = step.view.payloads.get(step.body["object"])
    if known is None:
        raise step.refuse("no such object in this case")
    if step.author != known.author and step.author not in known.recipients:
        raise step.refuse("only who can decrypt an object speaks of its hazard")
    event, approvals = step.body["event"], known.approvals
    if event == "lower":
        approvals = frozenset(
            item for item in approvals if not step.view.members[item.organization].left
        ) | {Approval(role, step.author) for role in step.member.roles}
        if distinct_approvals(approvals) < load_tables().lowering_approvals:
            machine_step(load_tables().machine("HM"), known.tier, event)
            _put(step, replace(known, approvals=approvals))
            return
    tier = move_payload(known.tier, event, approvals)
    _put(step, replace(known, tier=tier, approvals=frozenset()))


def _put(step: Step, payload: Payload) -> None:
    step.set(payloads=step.view.payloads.with_item(payload.id, payload))
