"""From a report to a case: opened, the report its first object, and its reporter kept informed.

Decides in which roles this organization opens it: in all that its card names. As reporter it
stands for somebody who has no node; what of the case such a reporter sees is here as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory.escape import clean_line, clean_text
from steelyard.disclosure.case.bodies import PROSE_LIMIT, TITLE_LIMIT
from steelyard.kernel.errors import NotSatisfied, SteelyardError
from steelyard.server.desk import reports
from steelyard.server.node import publishing, saying, sealing
from steelyard.server.node.sealing import Content
from steelyard.server.storage import reports as rows

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.disclosure.case import View
    from steelyard.server.desk.reports import Report
    from steelyard.server.node import Node
    from steelyard.server.node.sealing import Sealed

REPORTER: Final = "reporter"
"""The role in which an organization stands for a reporter who has no node."""
_MEDIA_TYPES: Final = {
    "text": "text/plain",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "zip": "application/zip",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case that may be opened for a report.

    Attributes:
        number: Of the report.
        sealed: The report, then its attachments.
    """

    number: str
    opening: saying.Opening
    sealed: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the reporter sees of the case.

    Attributes:
        embargo_until: End of the terms in force; None for no embargo in force.
        published: When the advisory became public.
        draft: Of the advisory, as text; empty for none.
    """

    view: View
    embargo_until: datetime | None
    published: datetime | None
    draft: str


def prepare_case(
    node: Node, connection: Connection, report: Report, title: str, abstract: str
) -> Prepared:
    """Seal a report and its attachments, before the writer is asked to open a case for it.

    Raises:
        UnknownName: an attachment is not here.
        NotSatisfied, BrokenSeal: an attachment does not open.
    """
    opening = saying.Opening(
        clean_line(title)[:TITLE_LIMIT],
        clean_text(abstract)[:PROSE_LIMIT],
        node.identity.card.roles,
    )
    contents = [Content(report.document, "application/json", report.tier)]
    for item in report.attachments:
        data = reports.file_bytes(node, connection, report.number, item.sha256)
        contents.append(Content(data, _MEDIA_TYPES[item.kind], report.tier))
    readers = {node.organization: node.identity.card.recipient}
    sealed = tuple(sealing.seal(node, content, readers) for content in contents)
    return Prepared(report.number, opening, sealed)


def open_case(node: Node, connection: Connection, prepared: Prepared) -> str:
    """Open a case for a report; the report is its first object, its attachments follow.

    Returns:
        Id of the case.

    Raises:
        NotSatisfied: there is a case for it already.
        MalformedEvidence: title or abstract is not allowed in an opening.
    """
    row = rows.find_report(connection, prepared.number)
    if row is None or row.case:
        raise NotSatisfied("this report has a case already", hint="look at the list of cases")
    case = saying.open_case(node, connection, prepared.opening).case
    for item in prepared.sealed:
        sealing.keep(node, connection, case, item)
        saying.say(node, connection, case, "note", {"object": item.reference, "about": None})
    rows.move_report(connection, prepared.number, "case", case)
    return case


def shown(node: Node, connection: Connection, report: Report) -> Shown | None:
    """What the reporter sees of the case of a report; None before there is one."""
    if not report.case:
        return None
    view = node.chains.get(connection, report.case).view
    terms = view.terms if view.states.em in {"active", "revise"} else None
    return Shown(
        view=view,
        embargo_until=terms.until if terms else None,
        published=view.publication.published,
        draft=_draft(node, connection, view),
    )


def _draft(node: Node, connection: Connection, view: View) -> str:
    if not view.publication.advisory:
        return ""
    try:
        return publishing.drafted(node, connection, view).decode("utf-8", "replace")
    except SteelyardError:
        return ""  # of another node, and still on its way
