"""The advisory on its way out, disagreement with it, and what skips all that.

Decides when an advisory may become public (spec/disclosure-case.md, section Publication).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.disclosure.case.acts.payloads import register
from steelyard.disclosure.case.view import Dissent, Emergency
from steelyard.disclosure.states.standing import IN_FORCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from steelyard.disclosure.case.acts.step import Step
    from steelyard.disclosure.case.view import View

_DISSENT_LIMIT = 4
_EMERGENCY_LIMIT = 4


def draft(step: Step) -> None:
    """A draft that everybody is asked about; agreement with an earlier one is void."""
    if step.view.publication.published is not None:
        raise step.refuse("the advisory is public")
    before = step.view.publication
    if before.advisory == step.body["advisory"]:
        raise step.refuse("this draft stands")
    payload = register(step, step.body["object"])
    step.set(
        publication=replace(
            before,
            advisory=step.body["advisory"],
            object=payload.id,
            approved=frozenset({step.author}),
        )
    )


def approve(step: Step) -> None:
    """Agree with the draft that stands."""
    _require_current(step)
    before = step.view.publication
    step.set(publication=replace(before, approved=before.approved | {step.author}))


def dissent(step: Step) -> None:
    """Disagree with the draft that stands; what is said is published beside it."""
    _require_current(step)
    before = step.view.publication
    if sum(item.author == step.author for item in before.dissents) >= _DISSENT_LIMIT:
        raise step.refuse(f"an organization dissents at most {_DISSENT_LIMIT} times in a case")
    added = Dissent(step.event.digest, step.author, step.body["text"])
    step.set(
        publication=replace(
            before,
            dissents=(*before.dissents, added),
            approved=before.approved - {step.author},
        )
    )


def ruling(step: Step) -> None:
    """Decide a dissent of somebody else; it stays published, with the ruling."""
    before = step.view.publication
    found = [item for item in before.dissents if item.digest == step.body["dissent"]]
    if not found:
        raise step.refuse("no such dissent in this case")
    if found[0].author == step.author:
        raise step.refuse("nobody decides a dissent of their own")
    if found[0].upheld is not None:
        raise step.refuse("this dissent is decided")
    decided = replace(found[0], upheld=step.body["upheld"], ruling=step.body["text"])
    rest = tuple(decided if item is found[0] else item for item in before.dissents)
    step.set(publication=replace(before, dissents=rest))


def publish(step: Step) -> None:
    """Make the advisory public: with everybody's consent, or when the embargo is over."""
    _require_current(step)
    before = step.view.publication
    if before.published is not None:
        raise step.refuse("the advisory is public")
    _require_release(step)
    if "P" not in step.view.states.pxa:
        step.move("PXA", "P")
    step.set(
        publication=replace(
            step.view.publication,
            published=step.at,
            publisher=step.author,
            references=tuple(step.body["references"]),
        )
    )


def emergency(step: Step) -> None:
    """Tell everybody minimal facts at once, and which authorities were told without consent."""
    if sum(item.author == step.author for item in step.view.emergencies) >= _EMERGENCY_LIMIT:
        raise step.refuse(f"an organization has at most {_EMERGENCY_LIMIT} emergencies in a case")
    added = Emergency(step.author, step.at, step.body["facts"], tuple(step.body["told"]))
    step.set(emergencies=(*step.view.emergencies, added))


def withheld_by(view: View, is_over: Callable[[datetime], bool]) -> list[str]:
    """Names of signatories who have to agree before the draft that stands may become public.

    An embargo in force is over with its time, by policy, or with every signatory's consent.

    Args:
        view: Where the case stands.
        is_over: Whether an instant has passed.
    """
    if view.states.em not in IN_FORCE:
        return []
    if view.policy.publish_by_default and view.terms is not None and is_over(view.terms.until):
        return []
    return sorted(map(view.named, set(view.states.signatories()) - view.publication.approved))


def _require_current(step: Step) -> None:
    current = step.view.publication.advisory
    if not current or current != step.body["advisory"]:
        found = current[:16] or "none"
        raise step.refuse(f"the draft that stands is {found}, not {step.body['advisory'][:16]}")


def _require_release(step: Step) -> None:
    missing = withheld_by(step.view, step.is_over)
    if missing:
        raise step.refuse(
            f"an embargo is in force, and these signatories have not agreed: {', '.join(missing)}",
            "wait for its end, or for their consent",
        )
