"""Deadlines of laws and codes: what is late, what runs, what waits, and a month at a glance.

Decides how a deadline is arranged and marked; when it ends and whether it was met is decided by
`disclosure.deadlines`. The page of one case and that of all cases are the same.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date
from typing import TYPE_CHECKING, Final

from steelyard.server.web import addresses
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.pages.cases.head import CaseHead, case_head
from steelyard.server.web.words import UNVERIFIED, isolated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.view import View
    from steelyard.disclosure.deadlines.engine import Board, Deadline
    from steelyard.server.storage.cases import CaseRow

_GROUPS: Final = (
    ("missed", "Missed"),
    ("open", "Running"),
    ("waiting", "Waiting for what starts them"),
    ("late", "Met too late"),
    ("met", "Met"),
)
_SHAPES: Final = {
    "missed": "failed",
    "open": "checking",
    "waiting": "not-asked",
    "late": "undetermined",
    "met": "done",
}


@dataclass(frozen=True, slots=True)
class DeadlineRow:
    """A deadline.

    Attributes:
        act_by: The strictest reading of the period; None while nothing has started it.
        expires: Its end as the calendar of the rule counts it, where that is another instant.
        zone: In which it is counted.
        doubts: Why it may not hold as it stands here, a sentence each.
    """

    id: str
    title: str
    case: str
    address: str
    status: str
    shape: str
    act_by: Moment | None
    expires: Moment | None
    local: str
    submitted: Moment | None
    artefact: str
    recipient: str
    duration: str
    citation: str
    waits_for: str
    doubts: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the month; number 0 stands for a day of another month.

    Attributes:
        marks: Id, title and shape of each deadline to act by on that day.
    """

    number: int
    iso: str
    is_today: bool
    marks: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Month:
    """A month in weeks from Monday, days in UTC."""

    title: str
    weeks: tuple[tuple[Day, ...], ...]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DeadlinesPage:
    """Template `deadlines`.

    Attributes:
        head: Of the case; None on the page of all cases.
        groups: Title, status and rows, the most urgent first; empty ones are left out.
        set_aside: Title of a rule, its case, and why it gives no deadline.
        calendar_file: Address of the file for calendars.
    """

    title: str
    head: CaseHead | None
    groups: tuple[tuple[str, str, tuple[DeadlineRow, ...]], ...]
    month: Month
    set_aside: tuple[tuple[str, str, str], ...]
    warnings: tuple[str, ...]
    calendar_file: str
    rules: str


def present(
    boards: Mapping[str, Board],
    now: datetime,
    month: str = "",
    *,
    case: tuple[View, str] | None = None,
    unverified: Sequence[CaseRow] = (),
) -> DeadlinesPage:
    """Deadlines for `deadlines.html`.

    Args:
        boards: What `deadlines.settle` returned, by case id; the key is empty for facts that
            belong to no case.
        now: The instant of the page.
        month: The month to show, as `2026-11` from the address; empty for this one.
        case: The view and the reader's organization, for the page of one case.
        unverified: Cases whose deadlines nobody knows, as their rows were changed.
    """
    rows = [
        (_row(item, board, key, now), item)
        for key, board in boards.items()
        for item in board.deadlines
    ]
    shown = _month(month, now)
    base = addresses.case(case[0].case, "deadlines") if case else addresses.DEADLINES
    groups = tuple(
        (title, status, tuple(row for row, _ in rows if row.status == status))
        for status, title in _GROUPS
    )
    books = {board.rulebook.version for board in boards.values()}
    return DeadlinesPage(
        title=f"{case[0].title}: deadlines" if case else "Deadlines",
        head=case_head(case[0], case[1], now, "deadlines") if case else None,
        groups=tuple(group for group in groups if group[2]),
        month=_grid(shown, rows, now, base),
        set_aside=tuple(
            (row.rule.title, board.subject, row.reason)
            for board in boards.values()
            for row in board.set_aside
        ),
        warnings=(
            *(f"{isolated(row.title)} ({row.id[:12]}) {UNVERIFIED}" for row in unverified),
            *(text for board in boards.values() for text in board.warnings),
        ),
        calendar_file=f"{base}.ics",
        rules=", ".join(sorted(books)),
    )


def _row(item: Deadline, board: Board, key: str, now: datetime) -> DeadlineRow:
    ends, rule = item.period, item.rule
    count = f" no. {item.occurrence}" if rule.repeats_until else ""
    other_end = ends is not None and ends.expires != ends.act_by
    return DeadlineRow(
        id=_anchor(key, item),
        title=f"{rule.title}{count}",
        case=board.subject,
        address=addresses.case(key, "deadlines") if key else "",
        status=item.status,
        shape=_SHAPES[item.status],
        act_by=moment(ends.act_by, now) if ends else None,
        expires=moment(ends.expires, now) if ends and other_end else None,
        local=f"{ends.act_by.astimezone(item.zone):%a %d %b %H:%M %Z}" if ends else "",
        submitted=moment(item.submitted, now) if item.submitted else None,
        artefact=rule.artefact,
        recipient=rule.recipient,
        duration=rule.duration.text,
        citation=rule.citation,
        waits_for=_waits_for(item, board) if item.status == "waiting" else "",
        doubts=tuple(_doubts(item, board)),
        note=rule.note,
    )


def _anchor(key: str, item: Deadline) -> str:
    return f"d-{key[:8]}-{item.rule.id}-{item.occurrence}"


def _waits_for(item: Deadline, board: Board) -> str:
    events = board.rulebook.events
    if item.rule.follows:
        return "the report before it is sent"
    return events.get(item.rule.trigger_event, item.rule.trigger_event)


def _doubts(item: Deadline, board: Board) -> list[str]:
    book = board.rulebook
    found = [f"applies only if: {book.conditions.get(name, name)}" for name in item.unstated]
    if item.doubtful:
        found.append("unconfirmed: check the act before relying on this")
    if not item.holidays_given:
        found.append("public holidays were not declared")
    return found


def _month(text: str, now: datetime) -> date:
    """The first day of the month asked for, or of this one."""
    year, _, month = text.partition("-")
    this = now.astimezone(UTC).date().replace(day=1)
    if not (text.isascii() and year.isdigit() and month.isdigit() and len(text) == len("2026-11")):
        return this
    number, index = int(year), int(month)
    is_month = 1 <= index <= 12 and date.min.year < number < date.max.year  # noqa: PLR2004 - months
    return date(number, index, 1) if is_month else this


def _grid(
    first: date, rows: Sequence[tuple[DeadlineRow, Deadline]], now: datetime, base: str
) -> Month:
    marks: dict[date, list[tuple[str, str, str]]] = {}
    for row, item in rows:
        if item.period is not None:
            day = item.period.act_by.astimezone(UTC).date()
            marks.setdefault(day, []).append((row.id, row.title, row.shape))
    today = now.astimezone(UTC).date()
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    return Month(
        title=f"{first:%B %Y}",
        weeks=tuple(
            tuple(
                Day(
                    number=day.day if day.month == first.month else 0,
                    iso=day.isoformat(),
                    is_today=day == today,
                    marks=tuple(marks.get(day, ())) if day.month == first.month else (),
                )
                for day in week
            )
            for week in weeks
        ),
        before=addresses.with_query(base, month=_beside(first, -1)),
        after=addresses.with_query(base, month=_beside(first, 1)),
    )


def _beside(first: date, step: int) -> str:
    months = first.year * 12 + first.month - 1 + step
    return f"{months // 12:04}-{months % 12 + 1:02}"
