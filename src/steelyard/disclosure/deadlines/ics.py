"""Deadlines as an iCalendar file (RFC 5545), for the calendars that people already watch.

Decides the form only: one event at the act-by instant of each deadline, an alarm before it,
what is unconfirmed marked in the title (spec/disclosure-deadlines.md, section Calendar file).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel import format_instant, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from steelyard.disclosure.deadlines.engine import Board, Deadline
    from steelyard.disclosure.deadlines.periods import Period

_MOST_OCTETS = 75
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def calendar_file(board: Board) -> bytes:
    """The calendar file: UTF-8, CRLF, lines of at most 75 octets.

    Deadlines that wait have no date and are left out. The same deadline keeps its UID, so that
    importing a newer file moves it.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Steelyard//Disclosure deadlines//EN",
        "CALSCALE:GREGORIAN",
    ]
    for item in board.deadlines:
        if item.period is not None:
            lines += _event(item, item.period, board)
    lines.append("END:VCALENDAR")
    return b"".join(piece for line in lines for piece in _folded(line))


def title(item: Deadline) -> str:
    """The title of a deadline, with its status and what is in doubt about it."""
    marks = ["UNCONFIRMED"] if item.doubtful else []
    marks += ["APPLIES ONLY IF"] if item.unstated else []
    prefix = "".join(f"[{mark}] " for mark in marks)
    count = f" no. {item.occurrence}" if item.rule.repeats_until else ""
    return f"{prefix}{item.rule.title}{count}: {item.status}"


def _event(item: Deadline, ends: Period, board: Board) -> Iterator[str]:
    name = f"{board.subject}\n{item.key}"
    yield "BEGIN:VEVENT"
    yield f"UID:{sha256_hex(name.encode())}@steelyard"
    yield f"DTSTAMP:{_stamp(board.at)}"
    yield f"DTSTART:{_stamp(ends.act_by)}"
    yield f"SUMMARY:{_text(title(item))}"
    yield f"DESCRIPTION:{_text(_description(item, ends, board))}"
    yield "CATEGORIES:DEADLINE"
    yield "TRANSP:TRANSPARENT"
    if item.status == "open":
        yield from _alarm(item, board)
    yield "END:VEVENT"


def _alarm(item: Deadline, board: Board) -> Iterator[str]:
    yield "BEGIN:VALARM"
    yield "ACTION:DISPLAY"
    yield f"DESCRIPTION:{_text(title(item))}"
    yield f"TRIGGER:-PT{board.rulebook.reminder_hours[item.rule.duration.unit]}H"
    yield "END:VALARM"


def _description(item: Deadline, ends: Period, board: Board) -> str:
    lines = [
        f"{item.rule.artefact} to {item.rule.recipient}",
        f"case {board.subject}",
        f"expires {format_instant(ends.expires)}, counted in {item.zone}",
        f"{item.rule.duration.text}; {item.rule.citation}",
    ]
    if item.doubtful:
        lines.append("UNCONFIRMED: check the act before relying on this")
    if item.unstated:
        lines.append(f"applies only if: {', '.join(item.unstated)}")
    if not item.holidays_given:
        lines.append("public holidays were not declared")
    return "\n".join(lines)


def _stamp(instant: datetime) -> str:
    return format_instant(instant).replace("-", "").replace(":", "")


def _text(value: str) -> str:
    """A TEXT value (section 3.3.11) without control characters."""
    kept = "".join(each if each == "\n" or each.isprintable() else " " for each in value)
    return kept.translate(_ESCAPES)


def _folded(line: str) -> Iterator[bytes]:
    """A content line in octets, folded between characters (section 3.1)."""
    piece = b""
    for octets in (character.encode() for character in line):
        if len(piece) + len(octets) > _MOST_OCTETS:
            yield piece + b"\r\n"
            piece = b" "
        piece += octets
    yield piece + b"\r\n"
