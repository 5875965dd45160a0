"""Rows that nothing needs any more: ids of parcels that cannot come again, old checkpoints.

Decides which checkpoints of a case stay. How long a parcel can come again is for who takes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from steelyard.server.storage.cases import seconds
from steelyard.server.storage.tables import CHECKPOINTS, ENTRIES, INBOX

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


def forget_parcels(connection: Connection, before: datetime) -> None:
    """Forget ids of parcels that came before an instant, and what became of them."""
    connection.execute(delete(INBOX).where(INBOX.c.received < seconds(before)))


def forget_checkpoints(connection: Connection, case: str, *, latest: int, stretch: int) -> int:
    """Forget checkpoints that say what later ones say as well; how many.

    What agrees with no entry that is here proves a fault, or may come to, and stays.

    Args:
        connection: In a transaction.
        case: Its id.
        latest: So many of the largest stay.
        stretch: Of the others, the smallest of each so many sizes stays.
    """
    row = CHECKPOINTS.c
    sizes = select(row.size).where(row.case_id == case).order_by(row.size.desc())
    smallest = connection.execute(sizes.offset(latest - 1).limit(1)).scalar()
    if smallest is None:
        return 0
    entry = ENTRIES.c
    agrees = (entry.case_id == case, entry.place == row.size, entry.previous == row.head)
    query = (
        select(row.size, row.head)
        .where(row.case_id == case, row.size < smallest, *agrees)
        .order_by(row.size)
    )
    seen: set[int] = set()
    doomed: list[dict[str, object]] = []
    for size, head in connection.execute(query):
        if size // stretch in seen:
            doomed.append({"of_size": size, "of_head": head})
        seen.add(size // stretch)
    if doomed:
        one = (row.size == bindparam("of_size"), row.head == bindparam("of_head"))
        connection.execute(delete(CHECKPOINTS).where(row.case_id == case, *one), doomed)
    return len(doomed)
