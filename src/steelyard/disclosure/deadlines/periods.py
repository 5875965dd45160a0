"""When a period ends: hours, days, weeks, months and working days in a time zone.

Decides two instants for a period that begins with an event (spec/disclosure-deadlines.md,
section Periods; Regulation (EEC, Euratom) No 1182/71, Articles 2 and 3): the strictest reading
to act by, and the end as the calendar of the rule counts it. Zones and holidays are arguments;
no list of holidays ships with this code.
"""

from __future__ import annotations

import calendar as gregorian
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import tzinfo

Unit = Literal["hours", "working_days", "days", "weeks", "months"]

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_SATURDAY: Final = 5
_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Duration:
    """A period as a rule states it; `count` is at least 1."""

    count: int
    unit: Unit

    @property
    def text(self) -> str:
        """The period in words, e.g. `14 days`, `1 month`."""
        unit = self.unit.replace("_", " ")
        return f"{self.count} {unit if self.count > 1 else unit.removesuffix('s')}"


@dataclass(frozen=True, slots=True)
class Counting:
    """How a calendar counts.

    Attributes:
        zone: Where its days begin and end.
        holidays: Public holidays that were declared; Saturday and Sunday need not be.
        next_full_hour: Whether the hour of the event is left out of a period in hours.
        rolls: Whether a last day that is no working day moves to the next one.
        least_working_days: How many working days a period of two days or more contains at least.
    """

    zone: tzinfo
    holidays: AbstractSet[date] = frozenset()
    next_full_hour: bool = False
    rolls: bool = False
    least_working_days: int = 0

    def is_working_day(self, day: date) -> bool:
        """Whether a day is neither Saturday, Sunday nor a declared holiday."""
        return day.weekday() < _SATURDAY and day not in self.holidays


@dataclass(frozen=True, slots=True)
class Period:
    """Where a period ends.

    Attributes:
        act_by: The strictest reading: the same time on the nominal last day, or the elapsed
            hours, without any extension. Never after `expires`.
        expires: The instant at which the period is over. What is done at it is late.
        extended_days: Days that were added because the nominal last day was not enough.
    """

    act_by: datetime
    expires: datetime
    extended_days: int = 0


def period(start: datetime, duration: Duration, counting: Counting) -> Period:
    """The end of a period that begins with an event at `start`.

    Args:
        start: Instant of the event, with zone.
        duration: Length of the period.
        counting: The calendar's way of counting.
    """
    instant = start.astimezone(UTC)
    if duration.unit == "hours":
        hours = duration.count * _HOUR
        begin = _next_hour(instant, counting.zone) if counting.next_full_hour else instant
        return Period(instant + hours, begin + hours)
    local = instant.astimezone(counting.zone)
    nominal = _nominal_day(local.date(), duration, counting)
    last = _extended(local.date(), nominal, duration, counting)
    act_by = _earliest(nominal, local.time(), counting.zone)
    return Period(act_by, day_start(last + _DAY, counting.zone), (last - nominal).days)


def day_start(day: date, zone: tzinfo) -> datetime:
    """The instant at which a local day begins, in UTC.

    Where the clock skips midnight, the day begins at the skip; where it repeats it, at the
    first one (PEP 495, fold 0).
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _next_hour(instant: datetime, zone: tzinfo) -> datetime:
    local = instant.astimezone(zone)
    past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return instant - past + _HOUR


def _nominal_day(day: date, duration: Duration, counting: Counting) -> date:
    if duration.unit == "months":
        return add_months(day, duration.count)
    if duration.unit == "working_days":
        for _ in range(duration.count):
            day = _next_working_day(day + _DAY, counting)
        return day
    return day + duration.count * (7 if duration.unit == "weeks" else 1) * _DAY


def add_months(day: date, months: int) -> date:
    """The same date some months later, or the last day of that month where it has none."""
    index = day.year * _MONTHS + day.month - 1 + months
    year, month = index // _MONTHS, index % _MONTHS + 1
    return date(year, month, min(day.day, gregorian.monthrange(year, month)[1]))


def _next_working_day(day: date, counting: Counting) -> date:
    while not counting.is_working_day(day):
        day += _DAY
    return day


def _extended(first: date, last: date, duration: Duration, counting: Counting) -> date:
    """The last day once weekends, holidays and the least number of working days count."""
    if counting.rolls:
        last = _next_working_day(last, counting)
    if duration.unit == "working_days" or duration == Duration(1, "days"):
        return last
    while _working_days(first, last, counting) < counting.least_working_days:
        last = _next_working_day(last + _DAY, counting)
    return last


def _working_days(first: date, last: date, counting: Counting) -> int:
    """Working days after `first` up to and with `last`, counted no further than needed."""
    found, day = 0, first
    while day < last and found < counting.least_working_days:
        day += _DAY
        found += counting.is_working_day(day)
    return found


def _earliest(day: date, wall: time, zone: tzinfo) -> datetime:
    """The earlier of the instants that a wall time can mean on a day."""
    times = (datetime.combine(day, wall.replace(fold=fold), tzinfo=zone) for fold in (0, 1))
    return min(moment.astimezone(UTC) for moment in times)
