"""From a foreign score to an outcome, and from foreign text to a reason.

One threshold for all formats: a score of at least 0.5 shows the behaviour,
less shows its absence; the score is kept. What was not scored is missing
data, never zero. Which score is read is decided by each reader.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from steelyard.evidence.record import Outcome
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

SHOWN_FROM = 0.5

_REASON_LIMIT = 200
_SCALE_HINT = (
    "scores must lie in [0, 1]: divide percentages by 100, or choose another score with --metric"
)


def observed(score: float, *, where: str) -> JsonObject:
    """Outcome, score and reason of a scored sample.

    Raises:
        MalformedEvidence: NaN, infinite or outside [0, 1]; the value is named.
    """
    if not math.isfinite(score) or not 0.0 <= score <= 1.0:
        raise MalformedEvidence(
            f"score {score!r} is no number in [0, 1]", where=where, hint=_SCALE_HINT
        )
    outcome = Outcome.BEHAVIOUR if score >= SHOWN_FROM else Outcome.NO_BEHAVIOUR
    return {"outcome": outcome.value, "score": float(score), "reason": ""}


def missing(outcome: Outcome, reason: str) -> JsonObject:
    """Outcome, score and reason of a sample that shows neither behaviour nor its absence."""
    return {"outcome": outcome.value, "score": None, "reason": short_reason(reason)}


def as_number(value: object, *, where: str) -> float:
    """A JSON number or boolean as a float.

    Raises:
        MalformedEvidence: any other type; the value is named.
    """
    if not isinstance(value, bool | int | float):
        message = f"score {value!r:.80} is no number"
        raise MalformedEvidence(message, where=where, hint="choose a number with --metric")
    return float(value)


def short_reason(text: object) -> str:
    """Any text as one printable line of at most 200 characters, never empty."""
    line = " ".join(str(text).split())
    printable = "".join(c if c.isprintable() else "?" for c in line)
    return printable[:_REASON_LIMIT].rstrip() or "no reason given"


def optional_count(value: object) -> int | None:
    """A token count where the file has one; a negative or non-integer count is none."""
    return value if type(value) is int and value >= 0 else None


def optional_seconds(value: object) -> float | None:
    """Finite seconds of at least 0 where the file has them, else None."""
    if type(value) not in (int, float):
        return None
    seconds = float(cast("float", value))
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def text_field(table: object, name: str | None) -> str | None:
    """A label in a foreign object: text or a number as text, None if absent or other."""
    value = cast("JsonObject", table).get(name) if name and isinstance(table, dict) else None
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) in (int, float) else None
