"""What came before what it follows, as rows: bounded, so that nobody fills a disk with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from steelyard.server.storage.cases import instant, seconds
from steelyard.server.storage.tables import GAPS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection


@dataclass(frozen=True, slots=True)
class Early:
    """Something that came before what it follows."""

    number: int
    digest: str
    item: bytes
    received: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """How much is kept of one line of one case."""

    items: int
    size_bytes: int


def keep(connection: Connection, case: str, line: str, early: Early, room: Room) -> str | None:
    """Keep what came too early, unless something has its number: what came first stays.

    Returns:
        Digest of what is kept under the number now; None where there was no room.
    """
    key = _line(case, line)
    known = select(GAPS.c.digest).where(*key, GAPS.c.number == early.number)
    first = connection.execute(known).scalar()
    if first is not None:
        return first
    used = func.coalesce(func.sum(func.length(GAPS.c.item)), 0)
    count, size = connection.execute(select(func.count(), used).where(*key)).one()
    if count >= room.items or int(size) + len(early.item) > room.size_bytes:
        return None
    row = {
        "case_id": case,
        "line": line,
        "number": early.number,
        "digest": early.digest,
        "item": early.item,
        "received": seconds(early.received),
    }
    connection.execute(insert(GAPS), row)
    return early.digest


def take(connection: Connection, case: str, line: str, number: int) -> Early | None:
    """Take out the latest of what was kept under a number or a smaller one."""
    query = select(GAPS).where(*_line(case, line), GAPS.c.number <= number)
    row = connection.execute(query.order_by(GAPS.c.number.desc()).limit(1)).first()
    if row is None:
        return None
    connection.execute(delete(GAPS).where(*_line(case, line), GAPS.c.number == row.number))
    return Early(row.number, row.digest, row.item, instant(row.received))


def _line(case: str, line: str) -> tuple[ColumnElement[bool], ...]:
    return (GAPS.c.case_id == case, GAPS.c.line == line)
