"""Deadlines in words and as a document.

Decides the form only. What is unconfirmed, and what depends on a condition that nobody stated,
is marked on its own line in every form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.deadlines.ics import title
from steelyard.kernel import JsonObject, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from steelyard.disclosure.deadlines.engine import Board, Deadline

SCHEMA = "steelyard/disclosure-deadlines/1"


def lines(board: Board) -> Iterator[str]:
    """The deadlines for people, those with a date first, and the rules that give none."""
    yield f"{board.subject} at {format_instant(board.at)}"
    for item in board.deadlines:
        yield title(item)
        if item.period is not None:
            yield f"  act by   {_both(item.period.act_by, item)}"
            yield f"  expires  {_both(item.period.expires, item)}{_extension(item)}"
        elif item.status == "waiting":
            yield f"  waits for {item.rule.trigger_event}"
        if item.submitted is not None:
            yield f"  sent     {_both(item.submitted, item)}"
        if item.unstated:
            yield f"  applies only if: {', '.join(item.unstated)}"
        yield f"  {item.rule.artefact} to {item.rule.recipient}"
        yield f"  {item.rule.duration.text}; {item.rule.citation} ({item.rule.id})"
    for row in board.set_aside:
        yield f"{row.rule.title}: set aside"
        yield f"  {row.reason} ({row.rule.id})"


def _both(instant: datetime, item: Deadline) -> str:
    local = instant.astimezone(item.zone)
    return f"{format_instant(instant)}  {local:%a %Y-%m-%d %H:%M:%S %Z} {item.zone}"


def _extension(item: Deadline) -> str:
    days = item.period.extended_days if item.period else 0
    return f"  (+{days} d: weekend or holiday)" if days else ""


def board_document(board: Board) -> JsonObject:
    """The deadlines as spec/disclosure-deadlines.schema.json has them."""
    book = board.rulebook
    return {
        "schema": SCHEMA,
        "subject": board.subject,
        "at": format_instant(board.at),
        "rules": {"id": book.id, "version": book.version, "digest": book.digest},
        "deadlines": [_row(item, board) for item in board.deadlines],
        "set_aside": [{"rule": row.rule.id, "reason": row.reason} for row in board.set_aside],
        "warnings": list(board.warnings),
    }


def _row(item: Deadline, board: Board) -> JsonObject:
    rule, ends = item.rule, item.period
    return {
        "key": item.key,
        "rule": rule.id,
        "version": rule.version,
        "occurrence": item.occurrence,
        "title": rule.title,
        "status": item.status,
        "applies": "unknown" if item.unstated else "yes",
        "unstated": list(item.unstated),
        "confidence": rule.confidence,
        "counting_confidence": board.rulebook.calendars[rule.calendar].confidence,
        "trigger_event": rule.trigger_event,
        "started": _text(item.started),
        "act_by": _text(ends.act_by if ends else None),
        "expires": _text(ends.expires if ends else None),
        "extended_days": ends.extended_days if ends else 0,
        "zone": str(item.zone) if item.zone else None,
        "holidays_given": item.holidays_given,
        "submitted": _text(item.submitted),
        "duration": {"count": rule.duration.count, "unit": rule.duration.unit},
        "calendar": rule.calendar,
        "recipient": rule.recipient,
        "artefact": rule.artefact,
        "citation": rule.citation,
        "note": rule.note,
    }


def _text(instant: datetime | None) -> str | None:
    return format_instant(instant) if instant else None
