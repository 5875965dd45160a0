"""What is known of a case: events, reports that were sent, conditions, zones, holidays.

Decides whether a facts file speaks of things that the rules know (spec/disclosure-deadlines.md,
section Facts). A condition that is not stated is unknown, never false. Names of zones are
looked up in the time zone database of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from steelyard.disclosure.deadlines.rules import read_day
from steelyard.kernel import parse_instant, parse_yaml
from steelyard.kernel.errors import ConfigurationError, UsageError
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import date, datetime, tzinfo

    from steelyard.disclosure.deadlines.rules import Rulebook

_LIMIT: Final = 64 * 1024
"""Characters of a file of facts; reading much more takes too long."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One case as far as deadlines need it.

    Attributes:
        events: First instant of each event, by its name. A later record of the same event does
            not start a period anew.
        submissions: Instants at which a report was sent, by rule, in order.
        conditions: What holds and what does not; what is absent is unknown.
        zones: Zone by calendar, where the calendar has none of its own.
        holidays: Declared public holidays by calendar.
        recorded: Earliest instant that was said before, of an event, or of the first report
            under a rule as `submitted:RULE`. What begins a period begins no later.
    """

    subject: str
    events: Mapping[str, datetime]
    submissions: Mapping[str, tuple[datetime, ...]]
    conditions: Mapping[str, bool]
    zones: Mapping[str, tzinfo]
    holidays: Mapping[str, frozenset[date]]
    recorded: Mapping[str, datetime] = field(default_factory=dict[str, "datetime"])

    def began(self, event: str) -> datetime | None:
        """The earliest instant that was ever said of an event."""
        said = (rows[event] for rows in (self.events, self.recorded) if event in rows)
        return min(said, default=None)

    def first_submission(self, rules: Iterable[str], until: datetime) -> datetime | None:
        """When the first report under any of the rules was sent, not after an instant."""
        names = tuple(rules)
        sent = [at for name in names for at in self.submissions.get(name, ()) if at <= until]
        keys = [submitted(name) for name in names]
        sent += [self.recorded[key] for key in keys if key in self.recorded]
        return min(sent, default=None)


def submitted(rule: str) -> str:
    """The name that the first report under a rule has among recorded instants."""
    return f"submitted:{rule}"


def read_facts(text: str, book: Rulebook, *, where: str) -> Facts:
    """Read facts from strict YAML.

    Raises:
        ConfigurationError: not strict YAML, too long, against its schema, or naming what no rule
            knows.
    """
    if len(text) > _LIMIT:
        message = f"facts have at most {_LIMIT} characters, found {len(text)}"
        raise ConfigurationError(message, where=where)
    content = parse_yaml(text, where=where)
    check_schema(content, "disclosure-facts", where=where)
    raw = cast("dict[str, Any]", content)
    _require_known("event", [row["event"] for row in raw["events"]], book.events, where)
    _require_known("condition", raw.get("conditions", {}), book.conditions, where)
    submissions = raw.get("submissions", [])
    sent = [name for row in submissions for name in row["rules"]]
    _require_known("rule", sent, [rule.id for rule in book.rules], where)
    for name in ("zones", "holidays"):
        _require_known("calendar", raw.get(name, {}), book.calendars, where)
    return Facts(
        subject=raw["subject"],
        events=MappingProxyType(_events(raw["events"], where)),
        submissions=MappingProxyType(_submissions(submissions, where)),
        conditions=MappingProxyType(raw.get("conditions", {})),
        zones=MappingProxyType(_zones(raw.get("zones", {}), book, where)),
        holidays=MappingProxyType(_holidays(raw.get("holidays", {}), where)),
    )


def _require_known(what: str, names: Iterable[str], known: Collection[str], where: str) -> None:
    for name in names:
        if name not in known:
            hint = f"known: {', '.join(known)}"
            raise ConfigurationError(f"no {what} {name!r} in the rules", where=where, hint=hint)


def _events(rows: list[dict[str, str]], where: str) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for row in rows:
        at = _instant(row["at"], f"{where} {row['event']}")
        found[row["event"]] = min(at, found.get(row["event"], at))
    return found


def _submissions(rows: list[dict[str, Any]], where: str) -> dict[str, tuple[datetime, ...]]:
    found: dict[str, list[datetime]] = {}
    for row in rows:
        for name in row["rules"]:
            found.setdefault(name, []).append(_instant(row["at"], f"{where} {name}"))
    return {name: tuple(sorted(instants)) for name, instants in found.items()}


def _instant(text: str, where: str) -> datetime:
    """An instant with zone; a bare date would leave open when on that day.

    Raises:
        ConfigurationError: no instant.
    """
    hint = "write 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00"
    if "T" not in text:
        raise ConfigurationError(f"{text[:40]!r} names no time of day", where=where, hint=hint)
    try:
        return parse_instant(text, where=where)
    except UsageError as error:
        raise ConfigurationError(error.message, where=where, hint=hint) from error


def _zones(rows: dict[str, str], book: Rulebook, where: str) -> dict[str, tzinfo]:
    fixed = {name: row.zone for name, row in book.calendars.items() if row.zone}
    for name in rows:
        if name in fixed:
            message = f"calendar {name} is always in {fixed[name]}"
            raise ConfigurationError(message, where=where)
    return {name: find_zone(zone, where=where) for name, zone in (fixed | rows).items()}


def find_zone(name: str, *, where: str) -> tzinfo:
    """The zone of that name in the time zone database.

    Raises:
        ConfigurationError: there is none, or the machine has no database.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        hint = "a name as Europe/Brussels; without a database, install the package tzdata"
        raise ConfigurationError(f"no time zone {name[:60]!r}", where=where, hint=hint) from error


def _holidays(rows: dict[str, list[str]], where: str) -> dict[str, frozenset[date]]:
    return {
        name: frozenset(read_day(day, where=f"{where} holidays") for day in days)
        for name, days in rows.items()
    }
