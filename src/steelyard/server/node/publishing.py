"""The advisory of a case: drafted for everybody in it, published when its rules allow.

Decides that nothing leaves that repeats a payload above tier H0 which this node can read, and
what is public here: every advisory that this node has published, once its case says so. An object
of somebody else that does not open here holds nothing up, as its author could stop every
publication with one; it is told in the log that a draft was not held against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.advisory import ALL, Occasion, Payload, lint_files
from steelyard.disclosure.advisory import export as export_formats
from steelyard.disclosure.advisory.export import ExportedFile, json_bytes
from steelyard.disclosure.advisory.linter import Tier
from steelyard.disclosure.advisory.payloads import payloads_in
from steelyard.disclosure.advisory.provider import publish as publish_tree
from steelyard.disclosure.advisory.reading import read_advisory
from steelyard.disclosure.case.composing import compose_advisory
from steelyard.disclosure.case.findings import find
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import saying
from steelyard.server.node.ordering import FAILURES
from steelyard.server.storage import advisories as rows
from steelyard.server.storage.advisories import AdvisoryRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.disclosure.advisory.model import Advisory
    from steelyard.disclosure.advisory.provider import Site
    from steelyard.disclosure.case import View
    from steelyard.disclosure.case.composing import Wording
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node
    from steelyard.server.node.saying import Said

MEDIA_TYPE = "application/yaml"


def compose(node: Node, connection: Connection, case: str, wording: Wording) -> bytes:
    """A draft from what this node knows of a case.

    Raises:
        UnknownName: no such case here.
    """
    chain = node.chains.get(connection, case)
    opened = saying.readable(node, connection, chain.view)
    return json_bytes(compose_advisory(chain.view, find(chain, opened), wording, node.now()))


def draft(node: Node, connection: Connection, case: str, document: bytes) -> Said:
    """Show a draft to everybody in the case.

    Raises:
        ConfigurationError, MalformedEvidence: it is no advisory.
        NotSatisfied: it repeats a payload, or the case's rules forbid it.
    """
    view = node.chains.get(connection, case).view
    advisory = read_advisory(document, where="draft")
    _require_clean(node, connection, view, _files(advisory, node, document))
    others = tuple(name for name, member in view.members.items() if not member.left)
    material = saying.Material(document, MEDIA_TYPE, "h1", others)
    reference = saying.put_object(node, connection, case, material)
    body: JsonObject = {"object": reference, "advisory": sha256_hex(document)}
    return saying.say(node, connection, case, "draft", body)


def publish(
    node: Node, connection: Connection, case: str, references: tuple[str, ...] = ()
) -> Said:
    """Make the draft that stands public, as soon as the case's host has ordered it.

    Raises:
        NotSatisfied: there is none, it repeats a payload, its id is that of another case, or
            the case's rules forbid it.
    """
    view = node.chains.get(connection, case).view
    document = drafted(node, connection, view)
    advisory = read_advisory(document, where="draft")
    files = _files(advisory, node, document)
    _require_clean(node, connection, view, files)
    body: JsonObject = {
        "advisory": view.publication.advisory,
        "references": list(references),
    }
    row = AdvisoryRow(advisory.id, case, document)
    if rows.owner(connection, advisory.id) not in {"", case}:
        raise NotSatisfied(
            f"another case has an advisory {advisory.id}",
            where=case[:16],
            hint="draft it under an id of its own",
        )
    said = saying.say(node, connection, case, "publish", body)
    rows.keep(connection, row, node.now())
    return said


def drafted(node: Node, connection: Connection, view: View) -> bytes:
    """The draft that stands.

    Raises:
        NotSatisfied: there is none.
        UnknownName: it has not arrived yet.
    """
    digest = draft_that_stands(view)
    document = saying.read_object(node, connection, view.publication.object).plaintext
    if sha256_hex(document) != digest:
        raise NotSatisfied("the draft is another than its event names", where=view.case[:16])
    return document


def draft_that_stands(view: View) -> str:
    """Digest of the draft that a case asks about.

    Raises:
        NotSatisfied: there is none.
    """
    if not view.publication.advisory:
        raise NotSatisfied("there is no draft", where=view.case[:16], hint="write one first")
    return view.publication.advisory


def published(node: Node, connection: Connection) -> tuple[AdvisoryRow, ...]:
    """Every advisory that this node has published and that is public in its case, latest first."""
    return tuple(row for row in rows.kept(connection) if _is_public(node, connection, row))


def is_public(node: Node, connection: Connection, case: str) -> bool:
    """Whether this node has published the advisory of a case, and its host has ordered that."""
    return any(row.case == case for row in published(node, connection))


def public_tree(node: Node, connection: Connection, site: Site) -> tuple[ExportedFile, ...]:
    """The files of a CSAF provider with everything that this node has published.

    Beside them lies what participants disagreed with, for each advisory to which somebody did.
    The tree is as old as its latest publication, so that the same cases give the same bytes.
    """
    found = published(node, connection)
    if not found:
        return ()
    advisories = tuple(read_advisory(row.document, where=row.id) for row in found)
    ordered = (_ordered(node, connection, row) for row in found)
    at = max(*(item.changed_at for item in advisories), *filter(None, ordered))
    return (*publish_tree(advisories, site, at), *_dissents(node, connection, found))


def _is_public(node: Node, connection: Connection, row: AdvisoryRow) -> bool:
    return _ordered(node, connection, row) is not None


def _ordered(node: Node, connection: Connection, row: AdvisoryRow) -> datetime | None:
    """When the case of an advisory published it; None for another draft, or none."""
    chain = node.chains.find(connection, row.case)
    if chain is None or chain.view.publication.advisory != sha256_hex(row.document):
        return None
    return chain.view.publication.published


def _dissents(
    node: Node, connection: Connection, found: tuple[AdvisoryRow, ...]
) -> Iterator[ExportedFile]:
    for row in found:
        view = node.chains.get(connection, row.case).view
        if view.publication.dissents:
            said: JsonObject = {
                "advisory": row.id,
                "sha256": view.publication.advisory,
                "dissents": [
                    {
                        "organization": item.author,
                        "name": view.named(item.author),
                        "text": item.text,
                        "upheld": item.upheld,
                        "ruling": item.ruling,
                    }
                    for item in view.publication.dissents
                ],
            }
            yield ExportedFile(f"dissents/{row.id.lower()}.json", json_bytes(said))


def _files(advisory: Advisory, node: Node, document: bytes) -> tuple[ExportedFile, ...]:
    at = max(node.now(), advisory.changed_at)
    made = export_formats(advisory, ALL, Occasion(at), ())
    return (ExportedFile("advisory.yaml", document), *made.files)


def _require_clean(
    node: Node, connection: Connection, view: View, files: tuple[ExportedFile, ...]
) -> None:
    lint_files(files, _payloads(node, connection, view))


def _payloads(node: Node, connection: Connection, view: View) -> list[Payload]:
    """Texts of the case above tier H0 that this node can read; drafts are meant to leave."""
    opened = saying.readable(node, connection, view)
    _require_opened(node, view, set(saying.named_here(node, connection, view)) - set(opened))
    found: list[Payload] = []
    for name, plaintext in opened.items():
        payload = view.payloads[name]
        tier = Tier(int(payload.tier[1:]))
        is_draft = payload.media_type == MEDIA_TYPE
        if tier > Tier.H0 and not is_draft:
            ending = "json" if payload.media_type.endswith("json") else "txt"
            found += payloads_in(f"{name[:16]}.{ending}", plaintext, tier)
    return found


def _require_opened(node: Node, view: View, closed: set[str]) -> None:
    """Refuse where an object of this organization itself does not open; tell of those of others.

    Raises:
        NotSatisfied: the key that it was sealed to is gone.
    """
    for name in sorted(closed):
        if view.payloads[name].author == node.organization:
            raise NotSatisfied(
                f"object {name[:16]} of yours does not open: nothing can be held against it",
                where=view.case[:16],
                hint="put the key that it was sealed to back into keys/",
            )
        FAILURES.warning(
            "case %s: the draft was not held against object %s, which does not open",
            view.case[:16],
            name[:16],
        )
