"""Parcels that wait or were given up, as a page lists them: without what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from steelyard.disclosure.delivery.outbox import Outgoing
from steelyard.server.storage.cases import instant
from steelyard.server.storage.tables import OUTBOX

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MOST: Final = 2000


def listed(
    connection: Connection, states: tuple[str, ...] = ("waiting", "dead")
) -> tuple[Outgoing, ...]:
    """Parcels in some states, the latest first."""
    columns = (
        OUTBOX.c.parcel_id,
        OUTBOX.c.destination,
        OUTBOX.c.created,
        OUTBOX.c.next_at,
        OUTBOX.c.attempts,
        OUTBOX.c.state,
        OUTBOX.c.reason,
    )
    query = select(*columns).where(OUTBOX.c.state.in_(states))
    rows = connection.execute(query.order_by(OUTBOX.c.number.desc()).limit(_MOST))
    return tuple(
        Outgoing(
            row.parcel_id,
            row.destination,
            instant(row.created),
            instant(row.next_at),
            attempts=row.attempts,
            state=row.state,
            reason=row.reason,
        )
        for row in rows
    )
