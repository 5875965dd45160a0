"""The embargo: terms on the table, consent to them, and their end.

Decides which terms an answer is to (spec/disclosure-case.md, section Embargo): every answer
names the terms, so that none is taken as consent to others that came in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.case.view import Terms
from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.kernel import exact_instant

if TYPE_CHECKING:
    from steelyard.disclosure.case.acts.step import Step


def propose(step: Step) -> None:
    """Put terms, or other terms, on the table."""
    terms = Terms(
        digest=step.event.digest,
        by=step.author,
        until=exact_instant(step.body["until"]),
        text=step.body["text"],
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
