"""A report that was sent: taken once, checked, followed by a private link, answered.

Decides what a report must have, what is made of its fields, and how it stands. It is read as
data by `disclosure.intake`, as any foreign report is, before anything is written, so that nobody
waits for it; no address in it is fetched, nothing is run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.advisory.escape import clean_text
from steelyard.disclosure.intake import Attachment, IntakeReport, read_intake
from steelyard.kernel import canonical_json, sha256_hex
from steelyard.kernel.errors import NotSatisfied, SteelyardError, UnknownName
from steelyard.server.desk import codes, drafts, vault
from steelyard.server.desk.reproducers import Check, check, read_check
from steelyard.server.node.ordering import FAILURES
from steelyard.server.storage import reports as rows
from steelyard.server.storage.accounts import new_secret
from steelyard.server.storage.reports import MessageRow, ReportRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.kernel import JsonObject
    from steelyard.kernel.canonical import JsonValue
    from steelyard.server.desk.drafts import Draft
    from steelyard.server.node import Node

STATES: Final[Mapping[str, str]] = {
    "received": "received, and waits to be read",
    "scope": "in scope; it is being looked into",
    "out": "out of scope here",
    "duplicate": "known already from another report",
    "case": "a case was opened",
}
OPEN: Final = ("received", "scope")
TIERS: Final = ("h1", "h2", "h3")
MESSAGE_LIMIT: Final = 4000
MESSAGES_LIMIT: Final = 500
_LINES: Final = ("weaknesses", "references", "credits")
_TEXTS: Final = ("summary", "reproduction", "impact", "contact", "sharing")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft that was checked, and its report as it is stored."""

    draft: Draft
    digest: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """A report that was taken just now.

    Attributes:
        digest: SHA-256 of the report as it was stored.
        follow: Secret of its private link; known to the reporter alone from here on.
    """

    number: str
    digest: str
    received: datetime
    follow: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report as this node reads it.

    Attributes:
        content: What intake makes of it.
        document: Its canonical bytes, of which `digest` is the SHA-256.
        checks: Of attachments that say that they are reproducers.
    """

    number: str
    received: datetime
    state: str
    case: str
    tier: str
    digest: str
    document: bytes
    content: IntakeReport
    attachments: tuple[Attachment, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """Something said about a report."""

    at: datetime
    from_reporter: bool
    text: str


def missing(values: Mapping[str, str]) -> dict[str, str]:
    """What a report still needs, by field name: the abstract alone."""
    needed = {"title": "A report has a title.", "summary": "A report has an abstract."}
    return {name: text for name, text in needed.items() if not clean_text(values.get(name, ""))}


def prepare(node: Node, connection: Connection, draft: Draft) -> Prepared:
    """Check a draft, its attachments and all, as the report that it is to be.

    Args:
        node: Seals it.
        connection: To read.
        draft: As it was found.

    Raises:
        NotSatisfied: title or abstract is missing.
        MalformedEvidence: a field that is not taken.
    """
    for text in missing(draft.values).values():
        raise NotSatisfied(text, hint="go back to the abstract")
    document = canonical_json(_plain(draft))
    read_intake(document, where="report")
    sealed = vault.seal_json(
        node,
        {
            "document": document.decode(),
            "tier": _tier(draft.values),
            "attachments": [item.to_json() for item in draft.attachments],
            "checks": [item.to_json() for item in _checks(node, connection, draft)],
        },
    )
    return Prepared(draft, sha256_hex(document), sealed)


def send(node: Node, connection: Connection, prepared: Prepared) -> Taken:
    """Take a draft as a report; it is gone as a draft.

    Raises:
        UnknownName: it was sent already.
        NotSatisfied: it was changed since it was checked.
    """
    draft = prepared.draft
    found = drafts.find(node, connection, draft.code)
    if found is None:
        raise UnknownName("this report was sent already", hint="use its private link")
    if found != draft:
        raise NotSatisfied("the report was changed meanwhile", hint="read it, then send it")
    now, number = node.now(), codes.new_number(node.random, node.now())
    follow = new_secret(node.random)
    row = ReportRow(number, prepared.sealed, now, "received", "")
    rows.add_report(connection, row, codes.follow_digest(follow))
    rows.move_files(connection, draft.owner, owner(number))
    rows.drop_draft(connection, codes.code_digest(draft.code))
    return Taken(number, prepared.digest, now, follow)


def find(node: Node, connection: Connection, number: str) -> Report:
    """A report by its number.

    Raises:
        UnknownName: there is none.
    """
    return opened(node, _row(connection, number))


def followed(node: Node, connection: Connection, secret: str) -> Report:
    """A report by its private link.

    Raises:
        UnknownName: there is none.
    """
    row = rows.followed(connection, codes.follow_digest(secret))
    if row is None:
        raise UnknownName("no such report")
    return opened(node, row)


def opened(node: Node, row: ReportRow) -> Report:
    """A report from its row."""
    content = vault.unseal_json(node, row.sealed)
    document = content["document"].encode()
    return Report(
        number=row.number,
        received=row.received,
        state=row.state,
        case=row.case,
        tier=content["tier"],
        digest=sha256_hex(document),
        document=document,
        content=read_intake(document, where=row.number),
        attachments=tuple(drafts.read_attachment(item) for item in content["attachments"]),
        checks=tuple(read_check(item) for item in content["checks"]),
    )


def opened_of(node: Node, found: Iterable[ReportRow]) -> tuple[list[Report], list[ReportRow]]:
    """Reports from their rows, and the rows of those that do not open; the log tells why."""
    reports: list[Report] = []
    closed: list[ReportRow] = []
    for row in found:
        try:
            reports.append(opened(node, row))
        except SteelyardError as error:
            FAILURES.error("report %s does not open", row.number, exc_info=error)
            closed.append(row)
    return reports, closed


def attachment(node: Node, connection: Connection, report: Report, sha256: str) -> bytes:
    """The bytes of an attachment.

    Raises:
        UnknownName: there is none.
        NotSatisfied: of a report that nobody looks at.
    """
    if report.tier == "h3":
        raise NotSatisfied("what is sealed is seen by nobody", hint="lower its tier in its case")
    return file_bytes(node, connection, report.number, sha256)


def file_bytes(node: Node, connection: Connection, number: str, sha256: str) -> bytes:
    """The bytes of an attachment, to be sealed again for a case.

    Raises:
        UnknownName: there is none.
    """
    sealed = rows.find_file(connection, owner(number), sha256)
    if sealed is None:
        raise UnknownName("no such attachment")
    return vault.unseal(node, sealed)


def sort(connection: Connection, number: str, state: str) -> None:
    """Say how a report stands.

    Raises:
        UnknownName: there is none of that number.
        NotSatisfied: it is a case already, or no such state.
    """
    if _row(connection, number).case or state not in {"scope", "out", "duplicate"}:
        raise NotSatisfied("a report is in scope, out of it, or known already")
    rows.move_report(connection, number, state)


def message(node: Node, text: str, *, from_reporter: bool) -> MessageRow:
    """Something said about a report, sealed to the node.

    Raises:
        NotSatisfied: nothing, or too long.
    """
    words = clean_text(text)
    if not 0 < len(words) <= MESSAGE_LIMIT:
        raise NotSatisfied(f"a message has 1 to {MESSAGE_LIMIT} characters", hint="shorten it")
    return MessageRow(node.now(), from_reporter, vault.seal(node, words.encode()))


def tell(connection: Connection, number: str, said: MessageRow) -> None:
    """Keep something said about a report.

    Raises:
        UnknownName: there is none of that number.
        NotSatisfied: too much was said already.
    """
    _row(connection, number)
    if rows.count_messages(connection, number) >= MESSAGES_LIMIT:
        raise NotSatisfied("nothing more fits on this page", hint="send another report")
    rows.add_message(connection, number, said)


def said(node: Node, connection: Connection, number: str) -> tuple[Said, ...]:
    """What was said about a report, in order."""
    return tuple(
        Said(row.at, row.from_reporter, vault.unseal(node, row.sealed).decode())
        for row in rows.messages(connection, number)
    )


def owner(number: str) -> str:
    """To whom the attachments of a report belong."""
    return f"report:{number}"


def _row(connection: Connection, number: str) -> ReportRow:
    row = rows.find_report(connection, number)
    if row is None:
        raise UnknownName("no such report")
    return row


def _tier(values: Mapping[str, str]) -> str:
    tier = values.get("hazard_tier", "h1")
    return tier if tier in TIERS else "h3"


def _plain(draft: Draft) -> JsonObject:
    """The fields of `intake.forms.read_plain`."""
    values = draft.values
    found: dict[str, Any] = {
        "title": values["title"],
        "description": values.get("description") or values["summary"],
    }
    found |= {name: values[name] for name in _TEXTS if values.get(name)}
    for name in _LINES:
        lines = [line.strip() for line in values.get(name, "").splitlines() if line.strip()]
        if lines:
            found[name] = lines
    targets = list(_targets(values))
    if targets:
        found["targets"] = targets
    return cast("JsonObject", found)


def _targets(values: Mapping[str, str]) -> list[dict[str, JsonValue]]:
    rows_of: list[dict[str, JsonValue]] = []
    numbers = sorted(
        int(name.split("-")[1]) for name in values if name.startswith("target-") and
        name.endswith("-name") and values[name]
    )  # fmt: skip
    for number in numbers:
        row: dict[str, JsonValue] = {"name": values[f"target-{number}-name"]}
        for part in ("vendor", "version"):
            if values.get(f"target-{number}-{part}"):
                row[part] = values[f"target-{number}-{part}"]
        names = values.get(f"target-{number}-identifiers", "").split()
        if names:
            row["identifiers"] = [*names]
        rows_of.append(row)
    return rows_of


def _checks(node: Node, connection: Connection, draft: Draft) -> list[Check]:
    found: list[Check] = []
    for item in draft.attachments:
        if item.kind != "text":
            continue
        sealed = rows.find_file(connection, draft.owner, item.sha256)
        if sealed is None:
            continue
        made = check(item.name, item.sha256, vault.unseal(node, sealed))
        if made is not None:
            found.append(made)
    return found
