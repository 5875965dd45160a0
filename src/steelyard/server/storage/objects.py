"""Sealed objects, as rows: ciphertext alone, which a stolen database does not open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from steelyard.server.storage.cases import seconds
from steelyard.server.storage.tables import CASES, OBJECTS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as rows show it.

    Attributes:
        sender: Who sent it; empty for this node.
    """

    case: str
    sender: str
    sealed: bytes


def find(connection: Connection, name: str) -> Stored | None:
    """An object, and whose it is."""
    row = connection.execute(select(OBJECTS).where(OBJECTS.c.id == name)).first()
    return None if row is None else Stored(row.case_id, row.sender, row.sealed)


def put(connection: Connection, name: str, stored: Stored, at: datetime) -> None:
    """Keep an object; one of the same id gives way, as it may have gained recipients."""
    connection.execute(delete(OBJECTS).where(OBJECTS.c.id == name))
    row = {
        "id": name,
        "case_id": stored.case,
        "sender": stored.sender,
        "sealed": stored.sealed,
        "stored": seconds(at),
    }
    connection.execute(insert(OBJECTS), row)


def size_bytes(connection: Connection, case: str) -> int:
    """How many bytes the objects of a case take."""
    return _sum(connection, OBJECTS.c.case_id == case)


def stray_bytes(connection: Connection, sender: str) -> int:
    """How many bytes a sender's objects take of cases that are not here."""
    known = select(CASES.c.id)
    return _sum(connection, OBJECTS.c.sender == sender, OBJECTS.c.case_id.not_in(known))


def drop_strays(connection: Connection, before: datetime) -> None:
    """Forget objects of cases that never came."""
    known = select(CASES.c.id)
    connection.execute(
        delete(OBJECTS).where(OBJECTS.c.stored < seconds(before), OBJECTS.c.case_id.not_in(known))
    )


def _sum(connection: Connection, *which: ColumnElement[bool]) -> int:
    query = select(func.coalesce(func.sum(func.length(OBJECTS.c.sealed)), 0)).where(*which)
    return int(connection.execute(query).scalar_one())


def get(connection: Connection, name: str) -> bytes | None:
    """The ciphertext of an object."""
    return connection.execute(select(OBJECTS.c.sealed).where(OBJECTS.c.id == name)).scalar()


def stored_ids(connection: Connection, case: str) -> frozenset[str]:
    """Ids of the objects of a case that are here."""
    return frozenset(
        connection.execute(select(OBJECTS.c.id).where(OBJECTS.c.case_id == case)).scalars()
    )
