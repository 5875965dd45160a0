"""Aware UTC instants. Rules receive them as arguments; only `cli` asks the clock.

Text form is RFC 3339 with a literal Z and whole seconds: 2026-01-31T12:00:00Z.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from steelyard.kernel.errors import MalformedEvidence, UsageError

__all__ = [
    "EARLIEST_YEAR",
    "LATEST_YEAR",
    "days_after",
    "exact_instant",
    "format_instant",
    "parse_instant",
    "utc_now",
]


EARLIEST_YEAR, LATEST_YEAR = 1970, 9000
"""Leaves room for any review period without leaving the calendar."""


def utc_now() -> datetime:
    """The current instant, truncated to whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def format_instant(instant: datetime) -> str:
    """Write an aware instant as RFC 3339 UTC with whole seconds.

    Raises:
        ValueError: `instant` carries no time zone.
    """
    if instant.tzinfo is None:
        message = "an instant needs a time zone"
        raise ValueError(message)
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(text: str, *, where: str = "") -> datetime:
    """Read an RFC 3339 instant with zone, or a bare date (taken as 00:00 UTC).

    Raises:
        UsageError: neither form.
    """
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text)
            instant = datetime(day.year, day.month, day.day, tzinfo=UTC)
        else:
            instant = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise _bad_instant(text, where) from error
    if instant.tzinfo is None or not EARLIEST_YEAR <= instant.year <= LATEST_YEAR:
        raise _bad_instant(text, where)
    return instant.astimezone(UTC)


def exact_instant(text: str, *, where: str = "") -> datetime:
    """Read an instant that somebody else wrote, in the one form that `format_instant` gives it.

    Raises:
        MalformedEvidence: no instant, or another spelling of one.
    """
    try:
        instant = parse_instant(text, where=where)
    except UsageError as error:
        raise MalformedEvidence(error.message, where=where) from error
    if format_instant(instant) != text:
        raise MalformedEvidence(f"{text!r:.60} is another spelling of an instant", where=where)
    return instant


def days_after(instant: datetime, days: int) -> datetime:
    """`instant` plus whole days of 24 hours."""
    return instant + timedelta(days=days)


def _bad_instant(text: object, where: str) -> UsageError:
    message = f"{str(text)[:60]!r} is no date"
    return UsageError(message, where=where, hint="write 2026-01-31 or 2026-01-31T12:00:00Z")
