"""Asking who is affected, answering, and what follows: sealed for the coordinator.

Decides which objects and events a question and an answer are made of (spec/disclosure-case.md,
section Affectedness); what they mean is decided by `disclosure.reproducer` and the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.case.findings import find, write_update
from steelyard.disclosure.reproducer.document import read_reproducer
from steelyard.disclosure.reproducer.query import (
    Query,
    make_answer,
    open_query,
    sign_answer,
    sign_query,
)
from steelyard.kernel import days_after, parse_json_object
from steelyard.kernel.errors import NotSatisfied, UnknownName
from steelyard.server.node import saying

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.attest import PublicKey
    from steelyard.disclosure.case import View
    from steelyard.disclosure.case.view import Query as StandingQuery
    from steelyard.disclosure.reproducer.query import Ran
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node
    from steelyard.server.node.saying import Said

_NONCE_BYTES = 16
_ENVELOPE = "application/vnd.in-toto+json"
_MAKERS = ("developer", "open-weight-developer", "deployer")


@dataclass(frozen=True, slots=True)
class Asking:
    """A question.

    Attributes:
        reproducer: The document, as its author wrote it.
        where: What it is called in errors.
        to: Organizations; empty for every developer and deployer of the case.
    """

    reproducer: bytes
    where: str
    level: str
    days: int
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
class Update:
    """A sealed step of a target; see `disclosure.case.findings.UPDATES`."""

    target: str
    event: str
    note: str = ""
    evidence: str | None = None


def ask(node: Node, connection: Connection, case: str, asking: Asking) -> Asked:
    """Send the reproducer to organizations, and ask them.

    Raises:
        ConfigurationError, MalformedEvidence: no reproducer.
        NotSatisfied: nobody to ask, or the case's rules forbid it.
    """
    view = node.chains.get(connection, case).view
    document = read_reproducer(asking.reproducer, where=asking.where)
    to = tuple(name for name in asking.to or view.with_role(*_MAKERS) if name != node.organization)
    if not to:
        raise NotSatisfied("nobody in the case could be affected", hint="invite developers")
    media_type = "application/json" if asking.where.endswith(".json") else "application/yaml"
    material = saying.Material(asking.reproducer, media_type, asking.tier, to)
    reference = saying.put_object(node, connection, case, material)
    saying.say(node, connection, case, "note", {"object": reference, "about": None})
    now, nonce = node.now(), node.random(_NONCE_BYTES).hex()
    until = days_after(now, asking.days)
    query = Query(case, document.digest, asking.level, nonce, now, until)
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


def tell_counts(node: Node, connection: Connection, case: str, query: str) -> Said:
    """As the coordinator, tell how many answered what, as far as that may be told.

    Raises:
        NotSatisfied: too few answers, or this organization is no coordinator.
    """
    chain = node.chains.get(connection, case)
    standing = query_named(chain.view, query)
    found = find(chain, saying.readable(node, connection, chain.view))
    told = found.counts(standing.digest).to_json()
    if not told["answers"]:
        raise NotSatisfied("fewer than three answers are no counts", where=case[:16])
    body: JsonObject = {"query": standing.digest, **told}
    return saying.say(node, connection, case, "counts", body)


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
