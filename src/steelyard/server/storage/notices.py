"""Notices to people, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from steelyard.server.storage.cases import seconds
from steelyard.server.storage.tables import NOTICES

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that somebody is told.

    Attributes:
        matter: What it is about; of each matter an address is told once.
        address: `mailto:` or `https:`.
        attempts: How many were made.
    """

    matter: str
    address: str
    text: str
    attempts: int = 0


def add(connection: Connection, notice: Notice, at: datetime) -> bool:
    """Keep a notice, if none of its matter was kept for its address; whether it is new."""
    if is_kept(connection, notice.matter, notice.address):
        return False
    row = {
        "matter": notice.matter,
        "address": notice.address,
        "text": notice.text,
        "made": seconds(at),
        "next_at": seconds(at),
        "attempts": 0,
        "state": "waiting",
        "reason": "",
    }
    connection.execute(insert(NOTICES), row)
    return True


def is_kept(connection: Connection, matter: str, address: str) -> bool:
    """Whether a notice of a matter was kept for an address."""
    known = select(func.count()).where(NOTICES.c.matter == matter, NOTICES.c.address == address)
    return connection.execute(known).scalar_one() > 0


def count_since(connection: Connection, address: str, since: datetime) -> int:
    """How many notices an address was written since an instant."""
    query = select(func.count()).where(
        NOTICES.c.address == address, NOTICES.c.made >= seconds(since)
    )
    return connection.execute(query).scalar_one()


def due(connection: Connection, at: datetime, each: int) -> tuple[Notice, ...]:
    """What is to be sent now, the oldest first; no more than so many for one address."""
    place = func.row_number().over(partition_by=NOTICES.c.address, order_by=NOTICES.c.number)
    ranked = (
        select(NOTICES.c.number.label("number"), place.label("place"))
        .where(NOTICES.c.state == "waiting", NOTICES.c.next_at <= seconds(at))
        .subquery()
    )
    query = (
        select(NOTICES)
        .join(ranked, ranked.c.number == NOTICES.c.number)
        .where(ranked.c.place <= each)
        .order_by(NOTICES.c.number)
    )
    return tuple(
        Notice(row.matter, row.address, row.text, row.attempts) for row in connection.execute(query)
    )


def save(
    connection: Connection, notice: Notice, state: str, reason: str, next_at: datetime
) -> None:
    """Keep how an attempt stands; the text of what waits no longer is forgotten."""
    values = {
        "attempts": notice.attempts + 1,
        "state": state,
        "reason": reason[:500],
        "next_at": seconds(next_at),
        "text": notice.text if state == "waiting" else "",
    }
    connection.execute(
        update(NOTICES)
        .where(NOTICES.c.matter == notice.matter, NOTICES.c.address == notice.address)
        .values(values)
    )
