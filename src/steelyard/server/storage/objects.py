"""Sealed objects, as rows: ciphertext alone, which a stolen database does not open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from steelyard.server.storage.cases import seconds
from steelyard.server.storage.tables import OBJECTS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


def put(connection: Connection, name: str, case: str, sealed: bytes, at: datetime) -> None:
    """Keep an object; one of the same id gives way, as it may have gained recipients."""
    connection.execute(delete(OBJECTS).where(OBJECTS.c.id == name))
    row = {"id": name, "case_id": case, "sealed": sealed, "stored": seconds(at)}
    connection.execute(insert(OBJECTS), row)


def get(connection: Connection, name: str) -> bytes | None:
    """The ciphertext of an object."""
    return connection.execute(select(OBJECTS.c.sealed).where(OBJECTS.c.id == name)).scalar()


def stored_ids(connection: Connection, case: str) -> frozenset[str]:
    """Ids of the objects of a case that are here."""
    return frozenset(
        connection.execute(select(OBJECTS.c.id).where(OBJECTS.c.case_id == case)).scalars()
    )
