"""Advisories that this node has published, as rows.

Decides nothing of whether one is public: its host may not have ordered that yet, or refuse it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from steelyard.server.storage.cases import seconds
from steelyard.server.storage.tables import ADVISORIES, CASES

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class AdvisoryRow:
    """An advisory, and the case that it is of."""

    id: str
    case: str
    document: bytes


def keep(connection: Connection, row: AdvisoryRow, at: datetime) -> None:
    """Keep the advisory of a case; an earlier one of the same case gives way."""
    connection.execute(delete(ADVISORIES).where(ADVISORIES.c.case_id == row.case))
    values = {
        "id": row.id,
        "case_id": row.case,
        "document": row.document,
        "published": seconds(at),
    }
    connection.execute(insert(ADVISORIES), values)


def kept(connection: Connection) -> tuple[AdvisoryRow, ...]:
    """Every one, the latest first."""
    rows = connection.execute(select(ADVISORIES).order_by(ADVISORIES.c.published.desc()))
    return tuple(AdvisoryRow(row.id, row.case_id, row.document) for row in rows)


def standing(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Id of each and the head of its case: something may be public anew where one has changed."""
    query = select(ADVISORIES.c.id, CASES.c.head).join(CASES, CASES.c.id == ADVISORIES.c.case_id)
    return tuple((row.id, row.head) for row in connection.execute(query.order_by(ADVISORIES.c.id)))
