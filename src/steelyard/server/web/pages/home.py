"""The page of the morning: what needs attention today, and all cases in a table.

Decides nothing but its groups; what belongs into one is for `agenda`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.server.web import addresses
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.pages import agenda
from steelyard.server.web.pages.cases.head import Party, naming
from steelyard.server.web.words import (
    EMBARGO,
    REPORT,
    UNVERIFIED,
    count_words,
    role_words,
    world_words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.view import View
    from steelyard.disclosure.deadlines.engine import Board
    from steelyard.disclosure.delivery.outbox import Outgoing
    from steelyard.server.storage.cases import CaseRow as StoredCase
    from steelyard.server.web.pages.agenda import Item


@dataclass(frozen=True, slots=True)
class Received:
    """A report that came in through the form and waits for an answer."""

    number: str
    title: str
    received: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Items of a kind."""

    title: str
    id: str
    items: tuple[Item, ...]
    nothing: str

    @property
    def late(self) -> int:
        """How many of them are late."""
        return sum(item.is_late for item in self.items)


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in the list."""

    title: str
    address: str
    short: str
    own: str
    host: Party
    report: str
    embargo: str
    until: Moment | None
    world: str
    members: int
    silent: int
    ordered: Moment


@dataclass(frozen=True, slots=True)
class UnverifiedRow:
    """A case in the list that does not verify."""

    title: str
    address: str
    short: str
    told: str


@dataclass(frozen=True, slots=True)
class HomePage:
    """Template `home`.

    Attributes:
        attention: How many items there are, for `Context.attention` of every page.
    """

    title: str
    day: str
    groups: tuple[Group, ...]
    cases: tuple[CaseRow, ...]
    unverified: tuple[UnverifiedRow, ...]
    attention: int


@dataclass(frozen=True, slots=True)
class CasesPage:
    """Template `cases`."""

    title: str
    cases: tuple[CaseRow, ...]
    unverified: tuple[UnverifiedRow, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What a node holds, as far as the morning needs it.

    Attributes:
        views: Its cases.
        boards: Deadlines by case id; the key is empty for facts that are of no case.
        outgoing: Parcels that wait or are dead; delivered ones do not matter.
        reports: Reports that wait for an answer.
        refused: How many parcels of others were refused since somebody looked.
        unverified: Cases whose rows were changed.
    """

    views: Sequence[View]
    boards: Mapping[str, Board]
    outgoing: Sequence[Outgoing] = ()
    reports: Sequence[Received] = ()
    refused: int = 0
    unverified: Sequence[StoredCase] = ()


def present(held: Held, me: str, now: datetime) -> HomePage:
    """The page of the morning for `home.html`.

    Args:
        held: Cases and all else that may ask for attention.
        me: Id of the reader's organization.
        now: The instant of the page.
    """
    views, titles = held.views, {view.case: view.title for view in held.views}
    rows = (
        ("Answer", "answer", [i for v in views for i in agenda.to_answer(v, me, now)],
         "Nobody waits for your word."),
        ("New reports", "reports", [_report(item, now) for item in held.reports],
         "No report waits for an answer."),
        ("Ends soon", "ends", [i for v in views for i in agenda.ending(v, now)],
         "No embargo ends within two weeks."),
        ("Deadlines", "deadlines",
         [i for k, b in held.boards.items() for i in agenda.due(b, k, titles.get(k, ""), now)],
         "No deadline runs."),
        ("Silence", "silence", [i for v in views for i in agenda.silent(v, me, now)],
         "Everybody who was asked has answered, or still has time."),
        ("Delivery", "delivery", _delivery(held), "Everything was delivered, or is on its way."),
    )  # fmt: skip
    groups = tuple(Group(title, key, agenda.in_order(items), no) for title, key, items, no in rows)
    broken = tuple(
        agenda.Item("Restore it from a backup: it cannot be verified", row.title, row.address)
        for row in _unverified_rows(held.unverified)
    )
    if broken:
        groups = (Group("Changed in the database", "unverified", broken, ""), *groups)
    return HomePage(
        title="Today",
        day=f"{now:%A %d %B %Y}",
        groups=groups,
        cases=case_rows(views, me, now),
        unverified=_unverified_rows(held.unverified),
        attention=sum(len(group.items) for group in groups),
    )


def present_cases(
    views: Sequence[View], me: str, now: datetime, unverified: Sequence[StoredCase] = ()
) -> CasesPage:
    """All cases for `cases.html`, the last to move first."""
    return CasesPage("Cases", case_rows(views, me, now), _unverified_rows(unverified))


def case_rows(views: Sequence[View], me: str, now: datetime) -> tuple[CaseRow, ...]:
    """Cases as rows of a table, the last to move first."""
    return tuple(
        _row(view, me, now) for view in sorted(views, key=lambda v: v.ordered, reverse=True)
    )


def _row(view: View, me: str, now: datetime) -> CaseRow:
    own, states = view.members.get(me), view.states
    in_force = view.terms is not None and states.em in IN_FORCE
    state = next((item for item in states.participants if item.name == me), None)
    return CaseRow(
        title=view.title,
        address=addresses.case(view.case),
        short=view.case[:12],
        own=role_words(own.roles) if own else "",
        host=naming(view)(view.host),
        report=REPORT[state.rm] if state else "",
        embargo=EMBARGO[states.em],
        until=moment(view.terms.until, now) if in_force and view.terms else None,
        world=world_words(states.pxa),
        members=len(view.present_members()),
        silent=len({t.organization for t in view.targets.values() if t.state == "notified"}),
        ordered=moment(view.ordered, now),
    )


def _unverified_rows(found: Sequence[StoredCase]) -> tuple[UnverifiedRow, ...]:
    return tuple(
        UnverifiedRow(row.title, addresses.case(row.id), row.id[:12], UNVERIFIED) for row in found
    )


def _report(item: Received, now: datetime) -> agenda.Item:
    where = f"{addresses.REPORTS}/{item.number}"
    return agenda.Item(item.title, "", where, moment(item.received, now))


def _delivery(held: Held) -> list[agenda.Item]:
    dead = [item for item in held.outgoing if item.state == "dead"]
    items: list[agenda.Item] = []
    if dead:
        where = len({item.destination for item in dead})
        verb = "was" if len(dead) == 1 else "were"
        text = (
            f"{count_words(len(dead), 'parcel')} for {count_words(where, 'organization')} "
            f"{verb} given up"
        )
        items.append(agenda.Item(text, "", f"{addresses.OUTBOX}#dead", is_late=True))
    if held.refused:
        verb = "was" if held.refused == 1 else "were"
        text = f"{count_words(held.refused, 'parcel')} of others {verb} refused"
        items.append(agenda.Item(text, "", f"{addresses.OUTBOX}#refused"))
    return items
