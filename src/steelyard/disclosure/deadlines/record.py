"""What earlier answers said, so that no clock set back and no later fact un-misses a deadline.

Decides what of an answer is kept, and how the next answer is held to it
(spec/disclosure-deadlines.md, section Record): the latest instant ever asked about, when each
deadline was first seen as missed, and the earliest instant said of each event and of each first
report that starts another period. Pure: a record in, a record out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from steelyard.disclosure.deadlines.engine import (
    Deadline,
    evaluate,
    unstated_conditions,
    untrue_conditions,
)
from steelyard.disclosure.deadlines.facts import submitted
from steelyard.kernel import JsonObject, format_instant, parse_instant, parse_json_object
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, UsageError
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from steelyard.disclosure.deadlines.engine import Board
    from steelyard.disclosure.deadlines.facts import Facts
    from steelyard.disclosure.deadlines.rules import Rulebook

SCHEMA = "steelyard/disclosure-deadline-record/1"


@dataclass(frozen=True, slots=True)
class Record:
    """What was answered so far.

    Attributes:
        latest: The latest instant asked about.
        missed: When each deadline was first seen as missed, by its key.
        events: When each event was said to have happened, the earliest that was ever said; the
            same of first reports, as `submitted:RULE`.
    """

    subject: str
    latest: datetime
    missed: Mapping[str, datetime]
    events: Mapping[str, datetime]

    def to_json(self) -> JsonObject:
        """The record as it is kept."""
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "latest": format_instant(self.latest),
            "missed": {name: format_instant(at) for name, at in sorted(self.missed.items())},
            "events": {name: format_instant(at) for name, at in sorted(self.events.items())},
        }


def read_record(data: bytes, *, where: str) -> Record:
    """Read a record as `to_json` gives it.

    Raises:
        MalformedEvidence: no JSON, or against its schema.
    """
    content = parse_json_object(data, where=where)
    try:
        check_schema(content, "disclosure-deadline-record", where=where)
        raw = cast("dict[str, Any]", content)
        return Record(
            raw["subject"],
            parse_instant(raw["latest"]),
            MappingProxyType(_instants(raw["missed"])),
            MappingProxyType(_instants(raw["events"])),
        )
    except (ConfigurationError, UsageError) as error:
        raise MalformedEvidence(error.message, where=where, hint=error.hint) from error


def _instants(rows: dict[str, str]) -> dict[str, datetime]:
    return {name: parse_instant(text) for name, text in rows.items()}


def settle(
    book: Rulebook, facts: Facts, at: datetime, record: Record | None = None
) -> tuple[Board, Record]:
    """The deadlines of a case, held to what was answered before, and the record to keep.

    The instant asked about is never before the latest one on record, and what begins a period
    never later than it was said before. What was seen as missed is missed, unless a report
    turns up that was sent in time, or a condition of the rule is stated not to hold.

    Raises:
        UsageError: the record is of another case.
        ConfigurationError: as for `evaluate`.
    """
    if record is None:
        board = evaluate(book, facts, at)
        return board, _next(board, facts, None)
    if record.subject != facts.subject:
        message = f"the record is of {record.subject!r}, the facts are of {facts.subject!r}"
        raise UsageError(message, where="--record")
    board = evaluate(book, replace(facts, recorded=record.events), max(at, record.latest))
    held = (*(_held(item, record) for item in board.deadlines), *_lost(board, facts, record))
    warnings = (*board.warnings, *_warnings(board, facts, at, record))
    board = replace(board, deadlines=held, warnings=warnings)
    return board, _next(board, facts, record)


def _held(item: Deadline, record: Record) -> Deadline:
    if item.key in record.missed and item.status in {"open", "waiting"}:
        return replace(item, status="missed")
    return item


def _lost(board: Board, facts: Facts, record: Record) -> Iterator[Deadline]:
    """Missed deadlines that the facts no longer give, though their rules still apply."""
    shown = {item.key for item in board.deadlines}
    for rule in board.rulebook.rules:
        if untrue_conditions(rule, facts):
            continue
        for key in sorted(record.missed.keys() - shown):
            name, _, occurrence = key.rpartition("#")
            if name == f"{rule.id}@{rule.version}" and occurrence.isdecimal():
                unstated = unstated_conditions(rule, facts)
                doubt = board.rulebook.doubt(rule)
                yield Deadline(rule, int(occurrence), unstated, doubt, "missed")


def _warnings(board: Board, facts: Facts, at: datetime, record: Record) -> Iterator[str]:
    if at < record.latest:
        was = format_instant(record.latest)
        yield f"the record was asked about {was} already, later than {format_instant(at)}"
    said = _said(board, facts)
    for name, before in record.events.items():
        now = said.get(name)
        if now is None or now > before:
            since = f"now {format_instant(now)}" if now else "now not at all"
            yield f"event {name} was dated {format_instant(before)} before, {since}"
    shown = {item.key: item for item in board.deadlines}
    for key, since in record.missed.items():
        if key not in shown:
            yield f"{key} was seen as missed at {format_instant(since)}, and is no longer due"
        elif shown[key].status == "met":
            yield f"{key} was seen as missed at {format_instant(since)}; its report came to light"


def _next(board: Board, facts: Facts, record: Record | None) -> Record:
    missed = dict(record.missed) if record else {}
    for item in board.deadlines:
        if item.status == "missed" and not item.unstated:
            missed.setdefault(item.key, board.at)
    events = dict(record.events) if record else {}
    for name, at in _said(board, facts).items():
        events[name] = min(at, events.get(name, at))
    return Record(facts.subject, board.at, MappingProxyType(missed), MappingProxyType(events))


def _said(board: Board, facts: Facts) -> dict[str, datetime]:
    """What the facts say of events, and of first reports that start another period."""
    said = dict(facts.events)
    for name in {name for rule in board.rulebook.rules for name in rule.follows}:
        first = facts.first_submission((name,), board.at)
        if first is not None:
            said[submitted(name)] = first
    return said
