"""What was entered about the deadlines of a case, and what was answered about them, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from steelyard.server.storage.tables import DEADLINES

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class FactsRow:
    """Facts as strict YAML, and the record of earlier answers as JSON; each may be empty."""

    facts: str = ""
    record: str = ""


def find(connection: Connection, case: str) -> FactsRow:
    """What is kept of a case."""
    row = connection.execute(select(DEADLINES).where(DEADLINES.c.case_id == case)).first()
    return FactsRow() if row is None else FactsRow(row.facts, row.record)


def keep(connection: Connection, case: str, row: FactsRow) -> None:
    """Keep facts and record of a case."""
    connection.execute(delete(DEADLINES).where(DEADLINES.c.case_id == case))
    values = {"case_id": case, "facts": row.facts, "record": row.record}
    connection.execute(insert(DEADLINES), values)


def keep_record(connection: Connection, case: str, record: str) -> None:
    """Keep what was answered, where facts were entered."""
    connection.execute(update(DEADLINES).where(DEADLINES.c.case_id == case).values(record=record))
