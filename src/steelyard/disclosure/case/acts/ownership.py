"""Another host for a case whose host has fallen silent.

Decides when enough participants agree on who orders the case from which entry on
(spec/disclosure-case.md, section Ownership): the one who is to be the host, the reporter, and
more than half of those who consent to the embargo, or of all others where nobody does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steelyard.disclosure.case.acts.step import Step
    from steelyard.disclosure.case.view import View


def transfer(step: Step) -> None:
    """Agree that `to` goes on from this very entry; the quorum's last word makes it the host.

    Nobody is made the host unasked: its own word is part of every quorum.
    """
    view, to = step.view, step.body["to"]
    point = (to, step.body["size"], step.body["head"])
    view.member(to)
    if to == view.host:
        raise step.refuse(f"{view.named(to)} is the host")
    if point not in view.moving:
        _require_point(step, point)
    agreed = view.moving.get(point, frozenset[str]()) | {step.author}
    if to in agreed and _is_quorum(view, agreed):
        step.set(host=to, moving={})
    else:
        step.set(moving={point: agreed})


def _require_point(step: Step, point: tuple[str, int, str]) -> None:
    view = step.view
    if (view.size, view.head) != point[1:]:
        raise step.refuse(
            f"the case stands at entry {view.size}, not at {point[1]}",
            "agree on the longest prefix that participants have cosigned",
        )
    silent = min(step.at, step.event.at) - view.ordered
    if step.author != view.host and silent < timedelta(days=view.policy.silent_days):
        raise step.refuse(
            f"the host is silent for {silent.days} days, need {view.policy.silent_days}",
            "a host may hand a case over itself at any time",
        )


def _is_quorum(view: View, agreed: frozenset[str]) -> bool:
    if view.host in agreed:
        return True
    reporters = set(view.with_role("reporter")) - {view.host}
    voters = set(view.states.signatories()) - {view.host}
    if not voters:
        voters = set(view.present_members()) - {view.host}
    heard = not reporters or bool(reporters & agreed)
    return heard and 2 * len(voters & agreed) > len(voters)
