"""Advisories that this node has published, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from steelyard.server.storage.tables import ADVISORIES

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class AdvisoryRow:
    """A published advisory, and the case that it is of."""

    id: str
    case: str
    document: bytes


def published(connection: Connection) -> tuple[AdvisoryRow, ...]:
    """Every one, the latest first."""
    rows = connection.execute(select(ADVISORIES).order_by(ADVISORIES.c.published.desc()))
    return tuple(AdvisoryRow(row.id, row.case_id, row.document) for row in rows)
