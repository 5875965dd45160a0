"""Why an act is not offered now, before anybody fills in a form for nothing.

Decides from roles, tables and what stands in the case. It spares a reader a form that would be
refused; the rules of the case refuse all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.acts.affected import ANSWERED
from steelyard.disclosure.case.acts.publication import withheld_by
from steelyard.disclosure.case.permissions import load_kinds, require_permission
from steelyard.disclosure.states import allowed_events, load_tables
from steelyard.disclosure.states.rules import Act, refused_by
from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.web.words import REPORT, isolated, role_words, world_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from steelyard.disclosure.case.view import Terms, View


def refusal(view: View, me: str, kind: str, now: datetime) -> str:
    """Why an organization cannot do this now; empty where it may try."""
    member = view.members.get(me)
    if member is None or member.left:
        return "your organization is not in this case"
    if not is_permitted(view, me, kind):
        allowed = role_words(load_kinds()[kind].by)
        return f"this is for {allowed}; your organization is {role_words(member.roles)}"
    check = _CHECKS.get(kind)
    return check(view, me, now) if check else ""


def is_permitted(view: View, me: str, kind: str) -> bool:
    """Whether the roles of an organization allow it to do this at all."""
    member = view.members.get(me)
    try:
        require_permission(kind, member.roles if member else (), is_host=me == view.host)
    except NotSatisfied:
        return False
    return True


def judgements(view: View, me: str) -> tuple[str, ...]:
    """What an organization may say of the report now, as events of RM."""
    state = view.states.participant(me).rm
    events = allowed_events(load_tables().machine("RM"), state)
    return tuple(event for event in events if event not in {"receive", "forward"})


def fixes(view: View, me: str) -> tuple[str, ...]:
    """What an organization may say of its fix now, as events of VFD."""
    state = view.states.participant(me).vfd
    if not state:
        return ()
    return tuple(e for e in allowed_events(load_tables().machine("VFD"), state) if e != "V")


def world_events(view: View) -> tuple[str, ...]:
    """What may be said of the world now, as events of PXA."""
    return tuple(allowed_events(load_tables().machine("PXA"), view.states.pxa))


def open_terms(view: View, me: str) -> tuple[Terms, ...]:
    """Terms that an organization can consent to: on the table, or in force without it."""
    found: list[Terms] = []
    if view.table is not None and view.states.proposer != me:
        found.append(view.table)
    consents = view.states.participant(me).pec == "signatory"
    if view.terms is not None and view.states.em in IN_FORCE and not consents:
        found.append(view.terms)
    return tuple(found)


def standing_terms(view: View) -> tuple[Terms, ...]:
    """Terms that consent can be refused to: on the table, in force, or both."""
    force = view.terms if view.states.em in IN_FORCE else None
    return tuple(terms for terms in (view.table, force) if terms is not None)


def readable(view: View, me: str) -> tuple[str, ...]:
    """Payloads of whose hazard an organization may speak."""
    return tuple(
        name for name, item in view.payloads.items() if me == item.author or me in item.recipients
    )


def _judge(view: View, me: str, _now: datetime) -> str:
    state = REPORT[view.states.participant(me).rm]
    return "" if judgements(view, me) else f"your organization {state}"


def sendable(view: View, me: str) -> tuple[str, ...]:
    """Payloads that an organization may send on as the report."""
    return tuple(name for name in readable(view, me) if not view.payloads[name].finding)


def _report(view: View, me: str, _now: datetime) -> str:
    if not sendable(view, me):
        return "you can read no payload of this case"
    others = set(view.present_members()) - {me}
    return "" if others else "nobody else is in the case: invite somebody first"


def _fix(view: View, me: str, _now: datetime) -> str:
    attesters = view.attested.get(me, frozenset[str]())
    events = fixes(view, me)
    if not events:
        return "there is no step of a fix to state now"
    reasons = [refused_by(view.states, Act("VFD", event, me, attesters)) for event in events]
    return next((reason.text for reason in reasons if reason is not None), "")


def _world(view: View, _me: str, _now: datetime) -> str:
    return (
        "" if world_events(view) else f"the world knows everything: {world_words(view.states.pxa)}"
    )


def _propose(view: View, me: str, _now: datetime) -> str:
    if "propose" not in allowed_events(load_tables().machine("EM"), view.states.em):
        return "the embargo has ended, and a case has one"
    advice = refused_by(view.states, Act("EM", "propose", me))
    return advice.text if advice else ""


def _accept(view: View, me: str, _now: datetime) -> str:
    if open_terms(view, me):
        return ""
    if view.table is not None:
        return "you proposed the terms on the table"
    return "you consent to the terms in force" if standing_terms(view) else "there are no terms"


def _reject(view: View, _me: str, _now: datetime) -> str:
    return "" if view.table else "no terms are on the table"


def _decline(view: View, me: str, _now: datetime) -> str:
    if not standing_terms(view):
        return "there are no terms"
    return "you decline already" if view.states.participant(me).pec == "declined" else ""


def _terminate(view: View, _me: str, _now: datetime) -> str:
    return "" if view.states.em in IN_FORCE else "no embargo is in force"


def _progress(view: View, me: str, _now: datetime) -> str:
    named = any(owner == me and handle for owner, handle in view.targets)
    return "" if named else "your organization has named no target"


def answered_targets(view: View, me: str) -> tuple[str, ...]:
    """Handles of an organization's targets whose latest answer stands."""
    own = (item for item in view.targets.values() if item.organization == me)
    return tuple(sorted(item.handle for item in own if item.state == ANSWERED))


def _status(view: View, me: str, _now: datetime) -> str:
    return "" if answered_targets(view, me) else "no target of your organization has answered"


def _approve(view: View, me: str, _now: datetime) -> str:
    if me in view.publication.approved:
        return "your organization agrees with the draft that stands"
    return _needs_draft(view, me, _now)


def _needs_draft(view: View, _me: str, _now: datetime) -> str:
    if view.publication.published is not None:
        return "the advisory is public"
    return "" if view.publication.advisory else "there is no draft"


def _publish(view: View, me: str, now: datetime) -> str:
    missing = withheld_by(view, lambda instant: instant <= now)
    names = ", ".join(isolated(name) for name in missing)
    withheld = f"an embargo is in force, and these have not agreed: {names}" if missing else ""
    return _needs_draft(view, me, now) or withheld


def _draft(view: View, _me: str, _now: datetime) -> str:
    return "the advisory is public" if view.publication.published is not None else ""


def _ruling(view: View, me: str, _now: datetime) -> str:
    waiting = [d for d in view.publication.dissents if d.upheld is None and d.author != me]
    return "" if waiting else "no dissent of others waits for a ruling"


def _hazard(view: View, me: str, _now: datetime) -> str:
    return "" if readable(view, me) else "you can read no payload of this case"


def _leave(view: View, me: str, _now: datetime) -> str:
    return "the host cannot leave; transfer the case first" if me == view.host else ""


def _transfer(view: View, me: str, now: datetime) -> str:
    silent = (now - view.ordered).days
    if me == view.host or view.moving or silent >= view.policy.silent_days:
        return ""
    host = isolated(view.named(view.host))
    return f"{host} is silent for {silent} days, need {view.policy.silent_days}"


_CHECKS: Final[Mapping[str, Callable[[View, str, datetime], str]]] = {
    "judge": _judge,
    "report": _report,
    "fix": _fix,
    "world": _world,
    "propose": _propose,
    "accept": _accept,
    "reject": _reject,
    "decline": _decline,
    "terminate": _terminate,
    "progress": _progress,
    "status": _status,
    "draft": _draft,
    "approve": _approve,
    "dissent": _needs_draft,
    "ruling": _ruling,
    "publish": _publish,
    "hazard": _hazard,
    "leave": _leave,
    "transfer": _transfer,
}
