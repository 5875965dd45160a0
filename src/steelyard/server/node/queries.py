"""Asking who is affected, answering, and what follows: sealed for the coordinator.

Decides which objects and events a question and an answer are made of (spec/disclosure-case.md,
section Affectedness); what they mean is decided by `disclosure.reproducer` and the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.case.findings import find, write_update
from steelyard.disclosure.case.organization import NAMES_MODELS
from steelyard.disclosure.reproducer.query import (
    Query,
    make_answer,
    open_query,
    sign_answer,
    sign_query,
)
from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import NotSatisfied, UnknownName
from steelyard.server.node import saying

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.attest import PublicKey
    from steelyard.disclosure.case import View
    from steelyard.disclosure.case.view import Query as StandingQuery
    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.disclosure.reproducer.query import Ran
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node
    from steelyard.server.node.saying import Said

_NONCE_BYTES = 16
_ENVELOPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Asking:
    """A question.

    Attributes:
        file: The reproducer, as its author wrote it.
        reproducer: The same, read.
        until: When it lapses.
        to: Organizations; empty for every developer and deployer of the case.
    """

    file: bytes
    reproducer: Reproducer
    level: str
    until: datetime
    tier: str
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was put."""

    query: str
    organizations: int


@dataclass(frozen=True, slots=True)
class Given:
    """What an answer is to.

    Attributes:
        query: Digest of the query; empty for the latest one that stands.
    """

    target: str
    query: str
    level: str


@dataclass(frozen=True, slots=True)
class Counted:
    """How many answered what, as far as it may be told.

    Attributes:
        query: Digest of the query.
        counts: As an event tells them.
    """

    case: str
    query: str
    counts: JsonObject


@dataclass(frozen=True, slots=True)
class Update:
    """A sealed step of a target; see `disclosure.case.findings.UPDATES`."""

    target: str
    event: str
    note: str = ""
    evidence: str | None = None


def ask(node: Node, connection: Connection, case: str, asking: Asking) -> Asked:
    """Send the reproducer to organizations, and ask them.

    Raises:
        NotSatisfied: nobody to ask, no time to answer, or the case's rules forbid it.
    """
    view, now = node.chains.get(connection, case).view, node.now()
    if asking.until <= now:
        raise NotSatisfied("the time to answer is over already", hint="choose a later instant")
    asked = asking.to or view.with_role(*NAMES_MODELS)
    to = tuple(name for name in asked if name != node.organization)
    if not to:
        raise NotSatisfied("nobody in the case could be affected", hint="invite developers")
    # As `read_reproducer` decides: JSON begins with a brace.
    is_json = asking.file.lstrip().startswith(b"{")
    media_type = "application/json" if is_json else "application/yaml"
    material = saying.Material(asking.file, media_type, asking.tier, to)
    reference = saying.put_object(node, connection, case, material)
    saying.say(node, connection, case, "note", {"object": reference, "about": None})
    nonce = node.random(_NONCE_BYTES).hex()
    query = Query(case, asking.reproducer.digest, asking.level, nonce, now, asking.until)
    envelope = parse_json_object(sign_query(query, node.identity.key))
    saying.say(node, connection, case, "query", {"query": envelope, "to": [*to]})
    return Asked(query.digest, len(to))


def answer(node: Node, connection: Connection, case: str, given: Given, ran: Ran) -> Said:
    """Answer a query from a run of one's own.

    Raises:
        Expired: the query has lapsed.
        ConfigurationError: a run of another reproducer, or more told than was asked.
        NotSatisfied: no such query, or the case's rules forbid it.
    """
    view = node.chains.get(connection, case).view
    standing = query_named(view, given.query)
    asked = open_query(standing.envelope, _coordinator_keys(view), now=node.now())
    made = make_answer(asked, ran, level=given.level, now=node.now())
    reference = _for_coordinators(
        node, connection, view, sign_answer(made, node.identity.key), _ENVELOPE
    )
    body: JsonObject = {"target": given.target, "query": standing.digest, "object": reference}
    return saying.say(node, connection, case, "answer", body)


def update(node: Node, connection: Connection, case: str, step: Update) -> Said:
    """Tell the coordinator a sealed step of a target that has answered.

    Raises:
        MalformedEvidence: no such step.
        NotSatisfied: the case's rules forbid it.
    """
    view = node.chains.get(connection, case).view
    plaintext = write_update(step.event, step.note, step.evidence)
    reference = _for_coordinators(node, connection, view, plaintext, "application/json")
    body: JsonObject = {"target": step.target, "object": reference}
    return saying.say(node, connection, case, "status", body)


def count_answers(node: Node, connection: Connection, case: str, query: str) -> Counted:
    """Open the answers to a query and count them, before the writer is asked to tell it.

    Args:
        node: The coordinator's.
        connection: To read.
        case: Its id.
        query: What its digest begins with; empty for the latest one.

    Raises:
        UnknownName: no such case or query here.
        NotSatisfied: too few answers.
    """
    chain = node.chains.get(connection, case)
    standing = query_named(chain.view, query)
    found = find(chain, saying.readable(node, connection, chain.view))
    counts = found.counts(standing.digest).to_json()
    if not counts["answers"]:
        raise NotSatisfied("fewer than three answers are no counts", where=case[:16])
    return Counted(case, standing.digest, counts)


def tell_counts(node: Node, connection: Connection, counted: Counted) -> Said:
    """As the coordinator, tell how many answered what; those after the count are told later.

    Raises:
        NotSatisfied: this organization is no coordinator, or the case's rules forbid it.
    """
    body: JsonObject = {"query": counted.query, **counted.counts}
    return saying.say(node, connection, counted.case, "counts", body)


def query_named(view: View, text: str) -> StandingQuery:
    """The query whose digest a text begins, or the latest one.

    Raises:
        UnknownName: none, or several.
    """
    found = [item for name, item in view.queries.items() if name.startswith(text.lower())]
    if not found or (text and len(found) > 1):
        message = f"{text[:80]!r} names {len(found)} queries, need one"
        raise UnknownName(message, hint="steelyard disclose case show")
    return max(found, key=lambda item: item.issued)


def _for_coordinators(
    node: Node, connection: Connection, view: View, plaintext: bytes, media_type: str
) -> JsonObject:
    readers = view.with_role("coordinator")
    if not readers:
        raise NotSatisfied("the case has no coordinator who could read it", where=view.case[:16])
    material = saying.Material(plaintext, media_type, "h1", readers)
    return saying.put_object(node, connection, view.case, material)


def _coordinator_keys(view: View) -> dict[str, PublicKey]:
    return {
        item.key.key_id: item.key
        for name in view.with_role("coordinator")
        for item in view.members[name].card.keys
    }
