"""Which deadlines a case has, when each ends, and whether it was met.

Decides everything from the rules, the facts and one instant (spec/disclosure-deadlines.md,
sections Status and Repeats): no clock is read, and asking twice gives the same answer. What an
earlier answer said is for `record`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from steelyard.disclosure.deadlines.periods import Counting, period
from steelyard.kernel import format_instant
from steelyard.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

    from steelyard.disclosure.deadlines.facts import Facts
    from steelyard.disclosure.deadlines.periods import Period
    from steelyard.disclosure.deadlines.rules import Rule, Rulebook

Status = Literal["waiting", "open", "met", "late", "missed"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """One report that is due, was due, or will be once something happens.

    Attributes:
        occurrence: 1, and more where reports repeat.
        unstated: Conditions on which it depends that nobody stated; empty where it applies.
        doubtful: Whether the rule or its way of counting is unconfirmed.
        started: When the period began; None while waiting.
        period: Where it ends; None while waiting.
        zone: The zone in which it is counted; None while waiting.
        submitted: When the report was sent; None while it was not.
        holidays_given: Whether public holidays were declared where they would count.
    """

    rule: Rule
    occurrence: int
    unstated: tuple[str, ...]
    doubtful: bool
    status: Status
    started: datetime | None = None
    period: Period | None = None
    zone: tzinfo | None = None
    submitted: datetime | None = None
    holidays_given: bool = True

    @property
    def key(self) -> str:
        """What this deadline is called in a record."""
        return f"{self.rule.id}@{self.rule.version}#{self.occurrence}"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A rule that gives this case no deadline, and why."""

    rule: Rule
    reason: str


@dataclass(frozen=True, slots=True)
class Board:
    """All deadlines of a case at an instant.

    Attributes:
        deadlines: Those that ran out or will first, then those that wait.
        warnings: What in the facts does not fit the instant.
    """

    subject: str
    at: datetime
    rulebook: Rulebook
    deadlines: tuple[Deadline, ...]
    set_aside: tuple[SetAside, ...]
    warnings: tuple[str, ...]

    @property
    def failed(self) -> tuple[Deadline, ...]:
        """Deadlines that certainly apply and were missed, or met too late."""
        return tuple(
            item
            for item in self.deadlines
            if item.status in {"missed", "late"} and not item.unstated
        )


def evaluate(book: Rulebook, facts: Facts, at: datetime) -> Board:
    """The deadlines of a case at an instant.

    Raises:
        ConfigurationError: a period has begun whose calendar has no zone.
    """
    found: list[Deadline] = []
    aside: list[SetAside] = []
    for rule in book.rules:
        reason = _reason_against(book, rule, facts, at)
        if reason:
            aside.append(SetAside(rule, reason))
        else:
            found.extend(_deadlines(book, rule, facts, at))
    found.sort(key=lambda item: (item.period is None, item.period and item.period.act_by))
    warnings = tuple(_warnings(facts, at))
    return Board(facts.subject, at, book, tuple(found), tuple(aside), warnings)


def start_of(rule: Rule, facts: Facts, at: datetime) -> datetime | None:
    """When the rule's period begins, or None while what starts it has not happened."""
    started = (
        facts.first_submission(rule.follows, at)
        if rule.follows
        else facts.began(rule.trigger_event)
    )
    if started is None or not rule.after_event:
        return started
    after = facts.began(rule.after_event)
    return max(started, after) if after else None


def _reason_against(book: Rulebook, rule: Rule, facts: Facts, at: datetime) -> str:
    """Why a rule gives no deadline, or nothing where it does or may."""
    if untrue := untrue_conditions(rule, facts):
        return f"not so: {', '.join(untrue)}"
    started = start_of(rule, facts, at)
    if started is None and unstated_conditions(rule, facts):
        unstated = ", ".join(unstated_conditions(rule, facts))
        return f"nothing has started it, and nobody stated: {unstated}"
    if started is not None:
        day = started.astimezone(_zone(book, rule, facts)).date()
        if day < rule.in_force:
            return f"not in force before {rule.in_force.isoformat()}"
    return ""


def untrue_conditions(rule: Rule, facts: Facts) -> tuple[str, ...]:
    """Conditions of a rule that were stated not to hold."""
    return tuple(name for name in rule.applies_if if facts.conditions.get(name) is False)


def unstated_conditions(rule: Rule, facts: Facts) -> tuple[str, ...]:
    """Conditions of a rule that nobody stated."""
    return tuple(name for name in rule.applies_if if name not in facts.conditions)


def _zone(book: Rulebook, rule: Rule, facts: Facts) -> tzinfo:
    if rule.calendar in facts.zones:
        return facts.zones[rule.calendar]
    title = book.calendars[rule.calendar].title
    message = f"{rule.id} needs the zone of calendar {rule.calendar} ({title})"
    hint = f"add to the facts: zones: {{{rule.calendar}: Europe/Brussels}}, with your own zone"
    raise ConfigurationError(message, where=facts.subject, hint=hint)


def _deadlines(book: Rulebook, rule: Rule, facts: Facts, at: datetime) -> Iterator[Deadline]:
    started = start_of(rule, facts, at)
    sent = [instant for instant in facts.submissions.get(rule.id, ()) if instant <= at]
    if started is None:
        # What was sent before it was due needs no waiting.
        unstated, doubtful = unstated_conditions(rule, facts), book.doubt(rule)
        first = sent[0] if sent else None
        status: Status = "met" if sent else "waiting"
        yield Deadline(rule, 1, unstated, doubtful, status, submitted=first)
        return
    if not rule.repeats_until:
        yield _deadline(book, rule, facts, (started, sent[0] if sent else None, 1), at)
        return
    occurrence = 1
    for occurrence, instant in enumerate((s for s in sent if s > started), start=2):
        yield _deadline(book, rule, facts, (started, instant, occurrence - 1), at)
        started = instant
    due = _deadline(book, rule, facts, (started, None, occurrence), at)
    ended = facts.events.get(rule.repeats_until)
    if ended is None or ended > at or (due.period is not None and ended >= due.period.expires):
        yield due


def _deadline(
    book: Rulebook,
    rule: Rule,
    facts: Facts,
    times: tuple[datetime, datetime | None, int],
    at: datetime,
) -> Deadline:
    """A deadline from when it began, when its report was sent, and which one it is."""
    started, sent, occurrence = times
    counting = _counting(book, rule, facts)
    ends = period(started, rule.duration, counting)
    return Deadline(
        rule=rule,
        occurrence=occurrence,
        unstated=unstated_conditions(rule, facts),
        doubtful=book.doubt(rule),
        status=_status(ends, sent, at),
        started=started,
        period=ends,
        zone=counting.zone,
        submitted=sent,
        holidays_given=bool(counting.holidays) or not counting.rolls,
    )


def _counting(book: Rulebook, rule: Rule, facts: Facts) -> Counting:
    calendar = book.calendars[rule.calendar]
    return Counting(
        zone=_zone(book, rule, facts),
        holidays=facts.holidays.get(rule.calendar, frozenset()),
        next_full_hour=calendar.hours == "next-full-hour",
        rolls=calendar.rolls,
        least_working_days=calendar.least_working_days,
    )


def _status(ends: Period, sent: datetime | None, at: datetime) -> Status:
    """What is done at the instant at which a period ends is late."""
    if sent is not None:
        return "met" if sent < ends.expires else "late"
    return "open" if at < ends.expires else "missed"


def _warnings(facts: Facts, at: datetime) -> Iterator[str]:
    for name, instant in facts.events.items():
        if instant > at:
            yield f"event {name} is dated {format_instant(instant)}, after the instant asked about"
    for name, instants in facts.submissions.items():
        for instant in instants:
            if instant > at:
                when = format_instant(instant)
                yield f"report under {name} is dated {when}, after the instant asked about"
