"""Instants and spans of time, in words.

Decides how time is written: UTC with the zone named, to the minute, beside how far away it is.
The machine-readable form lets the script on the page add the reader's own time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from steelyard.kernel import format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_DAYS_ALONE: Final = 14
ZONES: Final = (
    "America/Los_Angeles", "America/New_York", "Europe/London", "Europe/Brussels",
    "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip
"""Where participants of a case may sit; the embargo page names its end in each."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as a page writes it.

    Attributes:
        iso: For the attribute `datetime`.
        text: UTC, to the minute.
        relative: `in 3 d 4 h` or `2 h ago`.
        is_past: Whether it is over, or is now.
    """

    iso: str
    text: str
    relative: str
    is_past: bool


def moment(at: datetime, now: datetime) -> Moment:
    """An instant as seen from another one."""
    is_past = at <= now
    span = span_words(abs(now - at))
    relative = f"{span} ago" if is_past else f"in {span}"
    if span == "0 min":
        relative = "now"
    text = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Moment(format_instant(at), text, relative, is_past)


def span_words(span: timedelta) -> str:
    """A span in its two largest units, one of them where the smaller tells nothing."""
    seconds = max(0, int(span.total_seconds()))
    days, hours = seconds // _DAY, seconds % _DAY // _HOUR
    if days >= _DAYS_ALONE or (days and not hours):
        return f"{days} d"
    if days:
        return f"{days} d {hours} h"
    minutes = seconds % _HOUR // _MINUTE
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def elsewhere(at: datetime, zones: Sequence[str] = ZONES) -> tuple[tuple[str, str], ...]:
    """The same instant on the clocks of some zones: place, and day and hour there."""
    return tuple(
        (
            name.partition("/")[2].replace("_", " "),
            f"{at.astimezone(ZoneInfo(name)):%a %d %b %Y, %H:%M %Z}",
        )
        for name in zones
    )
