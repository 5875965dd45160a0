"""Rows that nothing needs any more: ids of parcels, parcels given up, notices, old checkpoints.

Decides which checkpoints of a case stay. How long the others stay is for who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from steelyard.server.storage.cases import seconds
from steelyard.server.storage.tables import CHECKPOINTS, ENTRIES, INBOX, NOTICES, OUTBOX

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection


def forget_parcels(connection: Connection, before: datetime) -> None:
    """Forget ids of parcels that came before an instant, and what became of them."""
    connection.execute(delete(INBOX).where(INBOX.c.received < seconds(before)))


def forget_dead_letters(connection: Connection, before: datetime) -> None:
    """Forget parcels that were given up before an instant."""
    row = OUTBOX.c
    connection.execute(delete(OUTBOX).where(row.state == "dead", row.next_at < seconds(before)))


def matters_told(connection: Connection, before: datetime) -> tuple[str, ...]:
    """Matters of notices that were sent or given up before an instant."""
    row = NOTICES.c
    query = select(row.matter).where(row.state != "waiting", row.next_at < seconds(before))
    return tuple(connection.execute(query.distinct()).scalars())


def forget_notices(connection: Connection, matters: Iterable[str], before: datetime) -> None:
    """Forget those of some matters that were sent or given up before an instant."""
    doomed = [{"of_matter": matter} for matter in matters]
    row = NOTICES.c
    ended = (row.state != "waiting", row.next_at < seconds(before))
    if doomed:
        one = row.matter == bindparam("of_matter")
        connection.execute(delete(NOTICES).where(one, *ended), doomed)


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
