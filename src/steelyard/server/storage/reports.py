"""Reports that come in through the form: drafts, what was sent, files and messages, as rows.

Everything that a reporter wrote is here as ciphertext alone; `server.desk.vault` seals it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from steelyard.server.storage.cases import instant, seconds
from steelyard.server.storage.tables import DRAFTS, REPORT_FILES, REPORT_MESSAGES, REPORTS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A report that was not sent yet."""

    sealed: bytes
    saved: datetime


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report that was sent.

    Attributes:
        state: `received`, `scope`, `out`, `duplicate` or `case`.
        case: That it was turned into; empty before.
    """

    number: str
    sealed: bytes
    received: datetime
    state: str
    case: str


@dataclass(frozen=True, slots=True)
class MessageRow:
    """Something said about a report."""

    at: datetime
    from_reporter: bool
    sealed: bytes


def keep_draft(connection: Connection, digest: str, sealed: bytes, at: datetime) -> None:
    """Keep a draft in the place of what it was before."""
    connection.execute(delete(DRAFTS).where(DRAFTS.c.digest == digest))
    connection.execute(insert(DRAFTS), {"digest": digest, "sealed": sealed, "saved": seconds(at)})


def find_draft(connection: Connection, digest: str) -> DraftRow | None:
    """A draft by the digest of its code."""
    row = connection.execute(select(DRAFTS).where(DRAFTS.c.digest == digest)).first()
    return None if row is None else DraftRow(row.sealed, instant(row.saved))


def drop_draft(connection: Connection, digest: str) -> None:
    """Forget a draft."""
    connection.execute(delete(DRAFTS).where(DRAFTS.c.digest == digest))


def old_drafts(connection: Connection, before: datetime) -> tuple[str, ...]:
    """Digests of drafts that nobody has saved since."""
    query = select(DRAFTS.c.digest).where(DRAFTS.c.saved < seconds(before))
    return tuple(connection.execute(query).scalars())


def add_report(connection: Connection, row: ReportRow, follow: str) -> None:
    """Keep a report; `follow` is the digest of its private link."""
    values = {
        "number": row.number,
        "follow": follow,
        "sealed": row.sealed,
        "received": seconds(row.received),
        "state": row.state,
        "case_id": row.case,
    }
    connection.execute(insert(REPORTS), values)


def find_report(connection: Connection, number: str) -> ReportRow | None:
    """A report by its number."""
    row = connection.execute(select(REPORTS).where(REPORTS.c.number == number)).first()
    return None if row is None else _report(row)


def followed(connection: Connection, follow: str) -> ReportRow | None:
    """A report by the digest of its private link."""
    row = connection.execute(select(REPORTS).where(REPORTS.c.follow == follow)).first()
    return None if row is None else _report(row)


def list_reports(
    connection: Connection, states: tuple[str, ...] = (), limit: int = 200
) -> tuple[ReportRow, ...]:
    """Reports in some states, or all, the latest first."""
    query = select(REPORTS).order_by(REPORTS.c.received.desc(), REPORTS.c.number).limit(limit)
    if states:
        query = query.where(REPORTS.c.state.in_(states))
    return tuple(_report(row) for row in connection.execute(query))


def move_report(connection: Connection, number: str, state: str, case: str = "") -> None:
    """Keep where a report stands now."""
    values = {"state": state, "case_id": case}
    connection.execute(update(REPORTS).where(REPORTS.c.number == number).values(values))


def keep_file(connection: Connection, owner: str, sha256: str, sealed: bytes) -> None:
    """Keep an attachment; the same one twice is one."""
    drop_file(connection, owner, sha256)
    connection.execute(insert(REPORT_FILES), {"owner": owner, "sha256": sha256, "sealed": sealed})


def files_bytes(connection: Connection) -> int:
    """How many bytes the attachments of all drafts and reports take."""
    total = func.coalesce(func.sum(func.length(REPORT_FILES.c.sealed)), 0)
    return int(connection.execute(select(total)).scalar_one())


def find_file(connection: Connection, owner: str, sha256: str) -> bytes | None:
    """An attachment."""
    query = select(REPORT_FILES.c.sealed).where(
        REPORT_FILES.c.owner == owner, REPORT_FILES.c.sha256 == sha256
    )
    return connection.execute(query).scalar()


def drop_file(connection: Connection, owner: str, sha256: str) -> None:
    """Forget an attachment."""
    which = (REPORT_FILES.c.owner == owner) & (REPORT_FILES.c.sha256 == sha256)
    connection.execute(delete(REPORT_FILES).where(which))


def drop_files(connection: Connection, owner: str) -> None:
    """Forget all attachments of a draft."""
    connection.execute(delete(REPORT_FILES).where(REPORT_FILES.c.owner == owner))


def move_files(connection: Connection, owner: str, to: str) -> None:
    """Give the attachments of a draft to its report."""
    connection.execute(update(REPORT_FILES).where(REPORT_FILES.c.owner == owner).values(owner=to))


def add_message(connection: Connection, number: str, row: MessageRow) -> None:
    """Keep something said about a report."""
    values = {
        "number": number,
        "at": seconds(row.at),
        "from_reporter": row.from_reporter,
        "sealed": row.sealed,
    }
    connection.execute(insert(REPORT_MESSAGES), values)


def messages(connection: Connection, number: str) -> tuple[MessageRow, ...]:
    """What was said about a report, in order."""
    query = (
        select(REPORT_MESSAGES)
        .where(REPORT_MESSAGES.c.number == number)
        .order_by(REPORT_MESSAGES.c.id)
    )
    return tuple(
        MessageRow(instant(row.at), row.from_reporter, row.sealed)
        for row in connection.execute(query)
    )


def count_messages(connection: Connection, number: str) -> int:
    """How much was said about a report."""
    query = select(func.count()).select_from(REPORT_MESSAGES)
    return connection.execute(query.where(REPORT_MESSAGES.c.number == number)).scalar_one()


def _report(row: Row[Any]) -> ReportRow:
    return ReportRow(row.number, row.sealed, instant(row.received), row.state, row.case_id)
