"""The advisory of a case: drafted for everybody in it, published when its rules allow.

Decides what is public here: every advisory that this node has published, once its case says so.
Whether a draft may leave at all is for `checking`, which is asked before anything is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory.csaf import file_name
from steelyard.disclosure.advisory.export import ExportedFile, json_bytes
from steelyard.disclosure.advisory.provider import publish as publish_tree
from steelyard.disclosure.advisory.provider import require_publishable
from steelyard.disclosure.advisory.reading import read_advisory
from steelyard.disclosure.case.composing import compose_advisory
from steelyard.disclosure.case.event import claimed_event
from steelyard.disclosure.case.findings import find
from steelyard.disclosure.case.permissions import require_permission
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import CannotVerify, NotSatisfied
from steelyard.server.node import saying
from steelyard.server.node.checking import MEDIA_TYPE, Checked, check, check_again
from steelyard.server.node.ordering import FAILURES
from steelyard.server.storage import advisories as rows
from steelyard.server.storage import cases
from steelyard.server.storage.advisories import AdvisoryRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.disclosure.advisory.provider import Site
    from steelyard.disclosure.case import View
    from steelyard.disclosure.case.composing import Wording
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node
    from steelyard.server.node.saying import Said

_PUBLISH: Final = "publish"


def compose(node: Node, connection: Connection, case: str, wording: Wording) -> bytes:
    """A draft from what this node knows of a case.

    Raises:
        UnknownName: no such case here.
    """
    chain = node.chains.get(connection, case)
    opened = saying.readable(node, connection, chain.view)
    return json_bytes(compose_advisory(chain.view, find(chain, opened), wording, node.now()))


def draft(node: Node, connection: Connection, case: str, checked: Checked) -> Said:
    """Show a draft to everybody in the case.

    Raises:
        NotSatisfied: it repeats a payload, or the case's rules forbid it.
    """
    view = node.chains.get(connection, case).view
    check_again(node, connection, view, checked)
    material = saying.Material(checked.document, MEDIA_TYPE, "h1", view.present_members())
    reference = saying.put_object(node, connection, case, material)
    body: JsonObject = {"object": reference, "advisory": checked.digest}
    return saying.say(node, connection, case, "draft", body)


def check_draft(node: Node, connection: Connection, case: str) -> Checked:
    """Hold the draft that stands against the payloads of its case, before it is published.

    Raises:
        UnknownName: it has not arrived yet, or no such case is here.
        NotSatisfied: there is none, it repeats a payload, or one of one's own does not open.
    """
    view = node.chains.get(connection, case).view
    return check(node, connection, case, drafted(node, connection, view))


def publish(
    node: Node,
    connection: Connection,
    case: str,
    checked: Checked,
    references: tuple[str, ...] = (),
) -> Said:
    """Make the draft that stands public, as soon as the case's host has ordered it.

    Raises:
        NotSatisfied: another one stands, it repeats a payload, its id is that of another case,
            it is not for everybody or a draft, it is public or on its way to be, or the case's
            rules forbid it.
        UsageError: this node publishes for another publisher.
    """
    view = node.chains.get(connection, case).view
    _require_allowed(node, connection, view)
    if draft_that_stands(view) != checked.digest:
        raise NotSatisfied("another draft stands now", hint="read it, then publish")
    check_again(node, connection, view, checked)
    _require_fitting(connection, case, checked)
    body: JsonObject = {"advisory": checked.digest, "references": list(references)}
    said = saying.say(node, connection, case, _PUBLISH, body)
    rows.keep(connection, AdvisoryRow(checked.id, case, checked.document), node.now())
    return said


def _require_fitting(connection: Connection, case: str, checked: Checked) -> None:
    """Refuse what the tree of this node cannot hold, as what was said cannot be taken back."""
    others = [row for row in rows.kept(connection) if row.case != case]
    if file_name(checked.id) in {file_name(row.id) for row in others}:
        raise NotSatisfied(
            f"another case has an advisory {checked.id}",
            where=case[:16],
            hint="draft it under an id of its own",
        )
    documents = [(checked.document, checked.id), *((row.document, row.id) for row in others)]
    require_publishable(tuple(read_advisory(data, where=name) for data, name in documents))


def _require_allowed(node: Node, connection: Connection, view: View) -> None:
    """Refuse here what the host would refuse: all that is said after it would wait.

    Raises:
        NotSatisfied: the roles here do not allow it, or it is public, or on its way to be.
    """
    roles, publication = view.member(node.organization).roles, view.publication
    require_permission(_PUBLISH, roles, is_host=node.organization == view.host)
    if publication.published is not None:
        is_own = publication.publisher == node.organization
        by = "" if is_own else f": {view.named(publication.publisher)} has published it"
        raise NotSatisfied(f"the advisory is public{by}", where=view.case[:16])
    waiting = cases.pending(connection, view.case)
    if any(item.refused not in {"", saying.ANEW} for item in waiting):
        return  # in words, once it is said
    if any(claimed_event(item.event).kind == _PUBLISH for item in waiting):
        raise NotSatisfied(
            "the publication is on its way to the host of the case",
            where=view.case[:16],
            hint="the advisory is public once the host has ordered it",
        )


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
    """Every advisory that this node has published and that is public in its case, latest first.

    That of a case which cannot be verified is not among them, and keeps no other from it.
    """
    found: list[AdvisoryRow] = []
    for row in rows.kept(connection):
        try:
            item = _public(node, connection, row)
        except CannotVerify as error:
            FAILURES.error("advisory %s is not shown: %s", row.id, error)
            continue
        if item is not None:
            found.append(row)
    return tuple(found)


def is_public(node: Node, connection: Connection, case: str) -> bool:
    """Whether this node has published the advisory of a case, and its host has ordered that."""
    return any(row.case == case for row in published(node, connection))


def public_tree(node: Node, connection: Connection, site: Site) -> tuple[ExportedFile, ...]:
    """The files of a CSAF provider with everything that this node has published.

    Beside them lies what participants disagreed with, for each advisory to which somebody did.
    The tree is as old as its latest publication, so that the same cases give the same bytes.

    Raises:
        CannotVerify: a case of them cannot be verified; a tree without it would take it back.
    """
    looked = [_public(node, connection, row) for row in rows.kept(connection)]
    found = tuple(item for item in looked if item is not None)
    if not found:
        return ()
    advisories = tuple(read_advisory(item.row.document, where=item.row.id) for item in found)
    changed = (item.changed_at for item in advisories)
    at = max([*changed, *(item.ordered for item in found)])
    return (*publish_tree(advisories, site, at), *_dissents(found))


@dataclass(frozen=True, slots=True)
class _Public:
    """An advisory that is public.

    Attributes:
        view: The case that published it, as it was then looked at: it may go on meanwhile.
        ordered: When it did.
    """

    row: AdvisoryRow
    view: View
    ordered: datetime


def _public(node: Node, connection: Connection, row: AdvisoryRow) -> _Public | None:
    """An advisory that this node has made public in its case; None where another draft is."""
    chain = node.chains.find(connection, row.case)
    if chain is None:
        return None
    publication = chain.view.publication
    is_own = publication.publisher == node.organization
    if is_own and publication.advisory == sha256_hex(row.document) and publication.published:
        return _Public(row, chain.view, publication.published)
    return None


def _dissents(found: tuple[_Public, ...]) -> Iterator[ExportedFile]:
    for item in found:
        row, view = item.row, item.view
        if view.publication.dissents:
            said: JsonObject = {
                "advisory": row.id,
                "sha256": view.publication.advisory,
                "dissents": [
                    {
                        "organization": dissent.author,
                        "name": view.named(dissent.author),
                        "text": dissent.text,
                        "upheld": dissent.upheld,
                        "ruling": dissent.ruling,
                    }
                    for dissent in view.publication.dissents
                ],
            }
            yield ExportedFile(f"dissents/{row.id.lower()}.json", json_bytes(said))
