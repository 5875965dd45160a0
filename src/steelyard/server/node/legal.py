"""Deadlines of a case: from what was entered of it, and from what stands in it.

Decides which entries of a case start a legal period by themselves: the first word of attacks,
and the first fix of this organization that is ready. Everything else somebody enters. What was
answered is kept, so that no restart and no clock set back un-misses a deadline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.deadlines import Facts, load_rules, read_facts, settle
from steelyard.disclosure.deadlines.facts import find_zone
from steelyard.disclosure.deadlines.record import read_record
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.storage import facts as rows
from steelyard.server.storage.facts import FactsRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, tzinfo

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain, View
    from steelyard.disclosure.deadlines import Board, Record
    from steelyard.server.node.node import Node

FACTS_LIMIT: Final = 20_000
_SUBJECT: Final = 16
_ATTACKS: Final = "exploitation-aware"
_FIXED: Final = "corrective-measure-available"
_MEMBER_STATE: Final = "eu-member-state"
_BRUSSELS: Final = "Europe/Brussels"


@dataclass(frozen=True, slots=True)
class Entering:
    """Facts of a case that were read, and may be kept."""

    case: str
    text: str
    facts: Facts


def board(node: Node, connection: Connection, case: str) -> Board:
    """The deadlines of a case, held to what was answered before.

    Raises:
        UnknownName: no such case here.
    """
    return _settled(node, connection, case)[0]


def boards(node: Node, connection: Connection, views: Iterable[View]) -> dict[str, Board]:
    """The deadlines of several cases, by id."""
    return {view.case: board(node, connection, view.case) for view in views}


def followed(node: Node, connection: Connection, case: str) -> Board | None:
    """The same, kept on record; None where nobody entered what applies.

    Raises:
        UnknownName: no such case here.
    """
    kept = rows.find(connection, case)
    if not kept.facts:
        return None
    found, record = _settled(node, connection, case)
    written = _written(record)
    if written != kept.record:
        rows.keep_record(connection, case, written)
    return found


def read_entered(case: str, text: str) -> Entering:
    """Read facts of a case, before the writer is asked to keep them.

    Raises:
        NotSatisfied: facts of another case, or too long.
        ConfigurationError: no facts that the rules know.
    """
    if len(text) > FACTS_LIMIT:
        raise NotSatisfied(f"facts have at most {FACTS_LIMIT:,} characters")
    found = read_facts(text, load_rules(), where="facts")
    if found.subject != subject(case):
        raise NotSatisfied(f"these are facts of {found.subject}", hint=f"subject: {subject(case)}")
    return Entering(case, text, found)


def enter(node: Node, connection: Connection, entering: Entering) -> None:
    """Keep facts of a case.

    Raises:
        UnknownName: no such case here.
    """
    case, kept = entering.case, rows.find(connection, entering.case)
    _, record = _settle(node, connection, case, entering.facts, kept.record)
    rows.keep(connection, case, FactsRow(entering.text, _written(record)))


def entered(connection: Connection, case: str) -> str:
    """Facts of a case as they were entered; a beginning where none were."""
    return rows.find(connection, case).facts or (
        f"schema: steelyard/disclosure-facts/1\nsubject: {subject(case)}\nconditions: {{}}\n"
        "events:\n"
    )


def subject(case: str) -> str:
    """What the facts of a case call it."""
    return f"case-{case[:_SUBJECT]}"


def _settled(node: Node, connection: Connection, case: str) -> tuple[Board, Record]:
    kept = rows.find(connection, case)
    facts = read_facts(kept.facts, load_rules(), where="facts") if kept.facts else _nothing(case)
    return _settle(node, connection, case, facts, kept.record)


def _settle(
    node: Node, connection: Connection, case: str, facts: Facts, answered: str
) -> tuple[Board, Record]:
    events = _said(node.chains.get(connection, case), node.organization)
    for name, at in facts.events.items():
        events[name] = min(at, events.get(name, at))
    record = read_record(answered.encode(), where="record") if answered else None
    zones = MappingProxyType({**_zones(), **facts.zones})
    told = replace(facts, events=MappingProxyType(events), zones=zones)
    return settle(load_rules(), told, node.now(), record)


def _written(record: Record) -> str:
    return canonical_json(record.to_json()).decode()


def _nothing(case: str) -> Facts:
    return Facts(subject(case), {}, {}, {}, {}, {})


def _zones() -> dict[str, tzinfo]:
    """Zones of all calendars, where no Member State was named as of Brussels."""
    names = {name: row.zone for name, row in load_rules().calendars.items() if row.zone}
    names.setdefault(_MEMBER_STATE, _BRUSSELS)
    return {name: find_zone(zone, where="facts") for name, zone in names.items()}


def _said(chain: Chain, own: str) -> dict[str, datetime]:
    """Events of the rules that entries of the case amount to."""
    found: dict[str, datetime] = {}
    for item in chain.ordered:
        event = item.event
        if event.kind == "world" and event.body["event"] == "A":
            found.setdefault(_ATTACKS, item.entry.ordered)
        elif event.kind == "fix" and event.author == own and event.body["event"] == "F":
            found.setdefault(_FIXED, item.entry.ordered)
    return found
