"""What needs somebody today, out of all cases of an organization.

Decides which facts of a case ask for an act of this organization or tell it of trouble: a
pending answer, an end that nears, somebody's silence. What is late comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.states.silence import shown
from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.server.web import addresses
from steelyard.server.web.moments import Moment, moment, span_words
from steelyard.server.web.pages.cases.head import is_coordinator
from steelyard.server.web.words import count_words, isolated, role_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.view import View
    from steelyard.disclosure.deadlines.engine import Board

SOON: Final = timedelta(days=14)
"""How long before its end an embargo stands on the home page."""
_ASKED_STATES: Final = ("notified", "acked", "running", "retest")
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Item:
    """Something that needs somebody.

    Attributes:
        case: Title of the case; empty where it is of none.
        address: Where to see to it.
        due: By when; None where there is no such instant.
        is_late: Whether that is over.
    """

    text: str
    case: str
    address: str
    due: Moment | None = None
    is_late: bool = False


def to_answer(view: View, me: str, now: datetime) -> Iterator[Item]:
    """What waits for a word of this organization: an invitation, terms, a query, a draft."""
    own = view.members.get(me)
    if own is None or own.left:
        return
    if own.heard is None and own.answer_by is not None:
        text = f"Answer the invitation as {role_words(own.roles)}"
        yield _item(view, text, addresses.case(view.case, "acts"), own.answer_by, now)
    state = view.states.participant(me)
    if state.pec == "invited":
        terms = view.table or view.terms
        until = f" until {moment(terms.until, now).text}" if terms else ""
        text = f"Consent to an embargo{until}, or decline"
        yield _item(view, text, addresses.case(view.case, "embargo"), None, now)
    elif view.table is not None and view.states.proposer != me:
        text = f"Other terms are proposed by {isolated(view.named(view.table.by))}"
        yield _item(view, text, addresses.case(view.case, "embargo"), None, now)
    if state.rm == "received":
        yield _item(view, "Judge the report", addresses.act(view.case, "judge"), None, now)
    yield from _queries(view, me, now)
    if _asked_to_agree(view, me):
        text = "Agree with the draft of the advisory, or dissent"
        yield _item(view, text, addresses.case(view.case, "publication"), None, now)


def ending(view: View, now: datetime) -> Iterator[Item]:
    """An embargo that ends soon, or is past its end and not ended."""
    terms = view.terms
    if terms is not None and view.states.em in IN_FORCE and terms.until - now <= SOON:
        text = "The embargo is past its end" if terms.until <= now else "The embargo ends"
        yield _item(view, text, addresses.case(view.case, "embargo"), terms.until, now)


def due(board: Board, case_id: str, title: str, now: datetime) -> Iterator[Item]:
    """Deadlines that run or were missed; those that nobody knows to apply say so."""
    for item in board.deadlines:
        if item.status not in {"open", "missed"} or item.period is None:
            continue
        doubt = " (applies only if stated)" if item.unstated else ""
        late = item.status == "missed"
        yield Item(
            f"{item.rule.title}{doubt}",
            title or board.subject,
            addresses.case(case_id, "deadlines") if case_id else addresses.DEADLINES,
            moment(item.period.act_by, now),
            late or item.period.act_by <= now,
        )


def silent(view: View, me: str, now: datetime) -> Iterator[Item]:
    """Who says nothing, for whoever runs the case; the host's silence, for everybody."""
    if me != view.host and now - view.ordered >= timedelta(days=view.policy.silent_days):
        host, span = isolated(view.named(view.host)), span_words(now - view.ordered)
        text = f"{host} has ordered nothing for {span}; another host can be agreed on"
        yield _item(view, text, addresses.act(view.case, "transfer"), None, now)
    if me != view.host and not is_coordinator(view, me):
        return
    late = [
        name
        for name, item in view.members.items()
        if item.heard is None and not item.left and item.answer_by and item.answer_by <= now
    ]
    if late:
        text = f"{_several(view, late)} did not answer the invitation in time"
        yield _item(view, text, addresses.case(view.case), None, now, is_late=True)
    waiting = timedelta(days=view.policy.rsvp_days)
    mute = {
        item.organization
        for item in view.targets.values()
        if item.state == "notified"
        and timedelta(seconds=shown(item.state, item.since, now).age_seconds) >= waiting
    }
    if mute:
        text = f"{_several(view, sorted(mute))} did not answer whether they are affected"
        where = addresses.with_query(addresses.case(view.case), affected="silent")
        yield _item(view, text, where, None, now, is_late=True)


def in_order(items: Sequence[Item]) -> tuple[Item, ...]:
    """What is late first, then by when it is due; what has no date last."""
    return tuple(
        sorted(items, key=lambda item: (not item.is_late, item.due.iso if item.due else "~"))
    )


def _queries(view: View, me: str, now: datetime) -> Iterator[Item]:
    own = [item for item in view.targets.values() if item.organization == me]
    for query in view.queries.values():
        done = {name for digest, name in view.answered if digest == query.digest}
        waits = [
            item
            for item in own
            if item.state in _ASKED_STATES and f"{me}/{item.handle}" not in done
        ]
        if me in query.asked and waits and now < query.until:
            names = ", ".join(item.handle or "a target to name" for item in waits[:_NAMED])
            text = f"Say whether you are affected: {names}"
            where = addresses.case(view.case, "affectedness")
            yield _item(view, text, where, query.until, now)


def _asked_to_agree(view: View, me: str) -> bool:
    found = view.publication
    dissents = {item.author for item in found.dissents}
    waits = bool(found.advisory) and found.published is None
    return waits and me not in found.approved and me not in dissents


def _several(view: View, names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return count_words(len(names), "organization")
    return ", ".join(isolated(view.named(name)) for name in names)


def _item(
    view: View,
    text: str,
    address: str,
    at: datetime | None,
    now: datetime,
    *,
    is_late: bool = False,
) -> Item:
    at_words = moment(at, now) if at else None
    return Item(text, view.title, address, at_words, is_late or (at is not None and at <= now))
