"""Reporting deadlines of a case: what its events say, with what people entered beside them.

Decides which facts follow from a case; what they start is for `disclosure.deadlines`. What was
answered is kept, so that no restart and no clock set back un-misses a deadline.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from steelyard.disclosure.deadlines import load_rules, read_facts, settle
from steelyard.disclosure.deadlines.record import read_record
from steelyard.kernel import canonical_json
from steelyard.server.storage import notices as rows

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain
    from steelyard.disclosure.deadlines import Board, Facts
    from steelyard.server.node.node import Node


def enter_facts(node: Node, connection: Connection, case: str, text: str) -> None:
    """Keep facts of a case that follow from none of its events, as a facts file says them.

    Raises:
        UnknownName: no such case here.
        ConfigurationError: against the schema, or naming what no rule knows.
    """
    node.chains.get(connection, case)
    read_facts(text, load_rules(), where="facts")
    _, record = rows.deadlines(connection, case)
    rows.set_deadlines(connection, case, text, record)


def board(node: Node, connection: Connection, chain: Chain) -> Board | None:
    """The deadlines of a case now, kept on record; None where nobody entered what applies.

    Raises:
        ConfigurationError: a period has begun whose calendar has no zone.
    """
    text, kept = rows.deadlines(connection, chain.case)
    if not text:
        return None
    facts = _with_case(read_facts(text, load_rules(), where="facts"), chain)
    before = read_record(kept.encode(), where="record") if kept else None
    found, record = settle(load_rules(), facts, node.now(), before)
    after = canonical_json(record.to_json()).decode()
    if after != kept:
        rows.set_deadlines(connection, chain.case, text, after)
    return found


def _with_case(entered: Facts, chain: Chain) -> Facts:
    """What was entered, and what the events of the case tell: the earlier instant counts."""
    events = dict(entered.events)
    for name, at in _told(chain):
        events[name] = min(at, events.get(name, at))
    return replace(entered, subject=chain.case, events=MappingProxyType(events))


def _told(chain: Chain) -> list[tuple[str, datetime]]:
    """Attacks that the case states are exploitation; a fix that is ready is a measure."""
    found: list[tuple[str, datetime]] = []
    for item in chain.ordered:
        event, at = item.event, item.entry.ordered
        if event.kind == "world" and event.body["event"] == "A":
            found.append(("exploitation-aware", at))
        elif event.kind == "fix" and event.body["event"] == "F":
            found.append(("corrective-measure-available", at))
    return found
