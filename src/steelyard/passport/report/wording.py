"""How numbers, dates and other values read in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from steelyard.kernel import parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

_NBSP = "\u00a0"
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
ELICITATION_LABELS = {
    "E0": "E0, the model as it is",
    "E1": "E1, the goal stated to the model",
    "E2": "E2, tools, hints and several attempts",
    "E3": "E3, fine-tuned or without trained refusals",
    "unknown": "not declared",
}


@dataclass(frozen=True, slots=True)
class Level:
    """A level as it is printed: number, name and, where known, meaning."""

    number: int
    name: str
    meaning: str


def percent(rate: float, digits: int | None = None) -> str:
    """A rate as a percentage with two figures or so, e.g. 0.0314 as `3.1 %`."""
    value = 100 * rate
    if digits is None:
        near_end = 99 < abs(value) < 100  # noqa: PLR2004 - never round 99.6 % up to certainty
        digits = 2 if abs(value) < 1 else 1 if abs(value) < 10 or near_end else 0  # noqa: PLR2004
        digits = 0 if abs(value - round(value)) < 1e-9 else digits  # noqa: PLR2004
    text = f"{value:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return f"{text.replace('-', chr(0x2212))}{_NBSP}%"


def duration(minutes: float, digits: int | None = None) -> str:
    """Minutes of work in words, e.g. 0.5 as `30 s`, 90 as `1.5 h`, 10080 as `168 h`."""
    if minutes < 1:
        value, unit = minutes * 60, "s"
    elif minutes < 60:  # noqa: PLR2004 - minutes in an hour
        value, unit = minutes, "min"
    else:
        value, unit = minutes / 60, "h"
    if digits is None:
        digits = 0 if value >= 10 or abs(value - round(value)) < 1e-6 else 1  # noqa: PLR2004
    return f"{value:,.{digits}f}{_NBSP}{unit}"


def quantity(value: float, unit: str, digits: int | None = None) -> str:
    """A number in an indicator's unit as text; `log2_minutes` is turned into a duration."""
    if unit == "rate":
        return percent(value, digits)
    return duration(2.0 ** min(max(value, -60.0), 60.0), digits)


def distinct_quantities(first: float, second: float, unit: str) -> tuple[str, str]:
    """Two numbers with enough digits that they read differently, unless they are equal."""
    texts = quantity(first, unit), quantity(second, unit)
    for digits in range(1, 7):
        if first == second or _reading(texts[0]) != _reading(texts[1]):
            break
        texts = quantity(first, unit, digits), quantity(second, unit, digits)
    return texts


def _reading(text: str) -> tuple[float, str]:
    number, unit = text.replace(",", "").replace("\u2212", "-").split(_NBSP)
    return float(number), unit


def day(instant: str | None) -> str:
    """`2026-05-30T12:00:00Z` as `30 May 2026`; nothing as `not stated`."""
    if not instant:
        return "not stated"
    moment = parse_instant(instant)
    return f"{moment.day}{_NBSP}{_MONTHS[moment.month - 1]} {moment.year}"


def plain(value: object) -> str:
    """Any JSON value in one line of text, keys in order of their names."""
    if value is None or value in ("", {}, []):
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        items = cast("dict[str, object]", value)
        return ", ".join(f"{words(key)} {plain(items[key])}" for key in sorted(items))
    if isinstance(value, list):
        return ", ".join(plain(entry) for entry in cast("list[object]", value))
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def words(identifier: str) -> str:
    """An identifier with blanks between its words."""
    return identifier.replace("_", " ").replace("-", " ")


def capitalized(text: str) -> str:
    """`text` with a capital first letter, the rest as it stands."""
    return text[:1].upper() + text[1:]


def listed(items: Sequence[object]) -> str:
    """`1`, `1 and 2`, or `1, 2 and 3`."""
    words = [str(item) for item in items]
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
