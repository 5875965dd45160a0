"""The rules of deadlines, read from one data file and frozen.

Decides whether the packaged file is whole: every condition, event, calendar and rule that is
named exists (spec/disclosure-deadlines.md, section Rules). What a rule means for a case is for
`engine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from steelyard.disclosure.deadlines.periods import Duration
from steelyard.kernel import JsonObject, digest_json, parse_yaml
from steelyard.kernel.errors import ConfigurationError
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

Confidence = Literal["confirmed", "unconfirmed"]
SUBMITTED = "submitted:"


@dataclass(frozen=True, slots=True)
class Calendar:
    """How a rule counts time.

    Attributes:
        zone: Name of the zone where it is always the same; else the facts must name it.
        hours: exact, or next-full-hour where the hour of the event does not count.
        rolls: Whether a last day that is no working day moves to the next one.
    """

    id: str
    title: str
    zone: str
    hours: Literal["exact", "next-full-hour"]
    rolls: bool
    least_working_days: int
    confidence: Confidence
    citation: str
    note: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One deadline.

    Attributes:
        applies_if: Conditions that must all hold.
        trigger_event: The event that starts the period, or `submitted:` and rules whose first
            submission does.
        after_event: The period starts no earlier than this event; empty for none.
        repeats_until: The event that ends a chain of reports; empty for a single report.
        in_force: The first day on which the event counts.
    """

    id: str
    version: int
    title: str
    applies_if: tuple[str, ...]
    trigger_event: str
    after_event: str
    repeats_until: str
    duration: Duration
    calendar: str
    recipient: str
    artefact: str
    citation: str
    in_force: date
    confidence: Confidence
    note: str

    @property
    def follows(self) -> tuple[str, ...]:
        """Rules whose submission starts this one; empty where an event does."""
        name = self.trigger_event
        return tuple(name[len(SUBMITTED) :].split("|")) if name.startswith(SUBMITTED) else ()


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Every rule, and what they speak of.

    Attributes:
        reminder_hours: How long before the act-by instant a calendar reminds, by unit.
        conditions, events: What each means, by its name.
        digest: SHA-256 of the canonical JSON of the file.
    """

    id: str
    version: str
    reminder_hours: Mapping[str, int]
    calendars: Mapping[str, Calendar]
    conditions: Mapping[str, str]
    events: Mapping[str, str]
    rules: tuple[Rule, ...]
    digest: str

    def doubt(self, rule: Rule) -> bool:
        """Whether the rule, or how its calendar counts, is unconfirmed."""
        return "unconfirmed" in {rule.confidence, self.calendars[rule.calendar].confidence}


@cache
def load_rules() -> Rulebook:
    """The rules that ship with this package."""
    entry = files("steelyard.disclosure.deadlines") / "data" / "rules.yaml"
    return read_rules(entry.read_text("utf-8"), where=str(entry))


def read_rules(text: str, *, where: str) -> Rulebook:
    """Read rules from strict YAML.

    Raises:
        ConfigurationError: not strict YAML, against its schema, or naming what is not there.
    """
    content = parse_yaml(text, where=where)
    check_schema(content, "disclosure-deadline-rules", where=where)
    book = _rulebook(content, where)
    for problem in _problems(book):
        raise ConfigurationError(problem, where=where)
    return book


def _rulebook(content: JsonObject, where: str) -> Rulebook:
    raw = cast("dict[str, Any]", content)
    return Rulebook(
        id=raw["id"],
        version=raw["version"],
        reminder_hours=MappingProxyType(raw["reminder_hours"]),
        calendars=MappingProxyType({row["id"]: _calendar(row) for row in raw["calendars"]}),
        conditions=MappingProxyType({row["id"]: row["text"] for row in raw["conditions"]}),
        events=MappingProxyType({row["id"]: row["text"] for row in raw["events"]}),
        rules=tuple(_rule(row, where) for row in raw["rules"]),
        digest=digest_json(content),
    )


def _calendar(row: dict[str, Any]) -> Calendar:
    kept = {key: value for key, value in row.items() if key not in {"zone", "days"}}
    return Calendar(zone=row.get("zone", ""), **kept)


def _rule(row: dict[str, Any], where: str) -> Rule:
    optional = {name: row.get(name, "") for name in ("after_event", "repeats_until", "note")}
    kept = {key: value for key, value in row.items() if key not in optional}
    kept["applies_if"] = tuple(row["applies_if"]["all"])
    kept["duration"] = Duration(**row["duration"])
    kept["in_force"] = read_day(row["in_force"], where=f"{where} {row['id']}")
    return Rule(**kept, **optional)


def read_day(text: str, *, where: str) -> date:
    """A date as 2026-01-31.

    Raises:
        ConfigurationError: no such day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{text[:20]!r} is no date", where=where) from error


def _problems(book: Rulebook) -> Iterator[str]:
    """What in the rules leads nowhere, one sentence each."""
    ids = [rule.id for rule in book.rules]
    yield from (f"rule {name} stands there twice" for name in sorted({*ids}) if ids.count(name) > 1)
    for rule in book.rules:
        yield from _unknown(rule, "calendar", (rule.calendar,), book.calendars)
        yield from _unknown(rule, "condition", rule.applies_if, book.conditions)
        named = tuple(filter(None, (rule.after_event, rule.repeats_until)))
        yield from _unknown(rule, "event", named, book.events)
        if rule.follows:
            yield from _unknown(rule, "rule", rule.follows, ids)
        else:
            yield from _unknown(rule, "event", (rule.trigger_event,), book.events)


def _unknown(
    rule: Rule, what: str, names: Collection[str], known: Collection[str]
) -> Iterator[str]:
    yield from (f"{rule.id}: no {what} {name}" for name in names if name not in known)
