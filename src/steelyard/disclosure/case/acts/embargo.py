"""The embargo: terms on the table, consent to them, and their end.

Decides which terms an answer is to (spec/disclosure-case.md, section Embargo): every answer
names the terms, so that none is taken as consent to others that came in between.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from steelyard.disclosure.case.view import Terms
from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.kernel import exact_instant, format_instant

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.disclosure.case.acts.step import Step
    from steelyard.disclosure.case.view import View


def propose(step: Step) -> None:
    """Put terms, or other terms, on the table."""
    terms = Terms(
        digest=step.event.digest,
        by=step.author,
        until=exact_instant(step.body["until"]),
        text=step.body["text"],
        proposed=step.at,
    )
    if terms.until <= step.at:
        raise step.refuse("the embargo would end before it begins")
    step.move("EM", "propose")
    step.set(table=terms)


def accept(step: Step) -> None:
    """Consent to the terms on the table, which puts them in force, or to those in force."""
    table = step.view.table
    if _is_on_table(step):
        step.move("EM", "accept")
        step.set(terms=table)
    else:
        _require_in_force(step)
        step.move("PEC", "accept")


def reject(step: Step) -> None:
    """Make the terms on the table fall, for everybody."""
    if not _is_on_table(step):
        raise step.refuse(
            "these terms are not on the table",
            "decline, to take back or refuse consent for yourself alone",
        )
    step.move("EM", "reject")


def decline(step: Step) -> None:
    """Refuse consent or take it back, for the author alone.

    While terms are in force, consent is to those: who does not want others rejects them.
    """
    if step.view.states.em != "proposed" or not _is_on_table(step):
        _require_in_force(step)
    signatory = step.view.states.participant(step.author).pec == "signatory"
    step.move("PEC", "withdraw" if signatory else "decline")


def lapse(step: Step) -> None:
    """End an invitation that nobody answered in time; silence is no consent."""
    name = step.body["organization"]
    member, standing = step.view.member(name), step.view.states.participant(name)
    if standing.pec != "invited":
        raise step.refuse(f"{member.card.name} has no invitation that could lapse")
    until = answer_until(step.view, name)
    if not step.is_over(until):
        raise step.refuse(f"{member.card.name} may answer until {format_instant(until)}")
    step.move("PEC", "lapse", actor=name)


def answer_until(view: View, organization: str) -> datetime:
    """Until when an organization may answer what it was asked last."""
    member = view.member(organization)
    asked = [item.proposed for item in (view.table, view.terms) if item is not None]
    latest = max((member.joined, *asked))
    return max(member.answer_by or latest, latest + timedelta(days=view.policy.rsvp_days))


def terminate(step: Step) -> None:
    """End the embargo; before its time only with a reason."""
    terms = step.view.terms
    early = terms is not None and not step.is_over(terms.until)
    if early and not step.body["reason"].strip():
        raise step.refuse("an embargo ends before its time with a reason")
    step.move("EM", "terminate")


def _is_on_table(step: Step) -> bool:
    table = step.view.table
    return table is not None and table.digest == step.body["terms"]


def _require_in_force(step: Step) -> None:
    terms, named = step.view.terms, step.body["terms"]
    if terms is None or step.view.states.em not in IN_FORCE or terms.digest != named:
        table = step.view.table.digest[:16] if step.view.table else "none"
        force = terms.digest[:16] if terms and step.view.states.em in IN_FORCE else "none"
        raise step.refuse(
            f"terms {named[:16]} are neither on the table ({table}) nor in force ({force})",
            "read the case again, then answer the terms that stand now",
        )
