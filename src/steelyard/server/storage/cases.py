"""Entries, checkpoints, pending events and faults of cases, as rows.

Stores and finds; a chain is verified by `disclosure.case` when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from steelyard.disclosure.case import Entry
from steelyard.server.storage.tables import CASES, CHECKPOINTS, ENTRIES, FAULTS, FOLLOWERS, PENDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from steelyard.disclosure.case import CaseCheckpoint, Fault, Ordered, View


# Made once: composing a statement costs more than executing it, and these are the busiest.
_ADD_ENTRY: Final = insert(ENTRIES)
_MOVE_CASE: Final = (
    update(CASES)
    .where(CASES.c.id == bindparam("key"))
    .values({name: bindparam(name) for name in ("title", "host", "size", "head", "ordered")})
)
_STANDS: Final = select(CASES.c.size, CASES.c.head).where(CASES.c.id == bindparam("key"))


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as lists show it."""

    id: str
    title: str
    host: str
    size: int
    head: str
    opened: datetime
    ordered: datetime


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event of this organization that its host has not ordered.

    Attributes:
        refused: Why the host refused it; empty while it waits.
    """

    case: str
    author: str
    sequence: int
    digest: str
    event: bytes
    made: datetime
    refused: str


@dataclass(frozen=True, slots=True)
class FaultRow:
    """What somebody was found to have done, with both signed texts."""

    case: str
    culprit: str
    kind: str
    text: str
    first: bytes
    second: bytes
    found: datetime


def instant(seconds: int) -> datetime:
    """The instant of a column."""
    return datetime.fromtimestamp(seconds, UTC)


def seconds(at: datetime) -> int:
    """The column of an instant."""
    return int(at.timestamp())


def list_cases(connection: Connection) -> tuple[CaseRow, ...]:
    """All cases, the one with the latest entry first."""
    rows = connection.execute(select(CASES).order_by(CASES.c.ordered.desc(), CASES.c.id))
    return tuple(_case(row) for row in rows)


def case_ids(connection: Connection) -> tuple[str, ...]:
    """Ids of all cases."""
    return tuple(connection.execute(select(CASES.c.id)).scalars())


def standing_after(connection: Connection, last: str, limit: int) -> tuple[tuple[str, str], ...]:
    """Id and head of so many cases, by id, from after one on."""
    query = select(CASES.c.id, CASES.c.head).where(CASES.c.id > last)
    rows = connection.execute(query.order_by(CASES.c.id).limit(limit))
    return tuple((row.id, row.head) for row in rows)


def stands(connection: Connection, case: str) -> tuple[int, str] | None:
    """How many entries a case has, and its head; None for no such case."""
    row = connection.execute(_STANDS, {"key": case}).first()
    return None if row is None else (row.size, row.head)


def opened(connection: Connection, case: str) -> datetime:
    """When a case that is here was opened."""
    query = select(CASES.c.opened).where(CASES.c.id == case)
    return instant(connection.execute(query).scalar_one())


def entries(
    connection: Connection, case: str, start: int = 0, *, limit: int | None = None
) -> tuple[Entry, ...]:
    """Entries of a case from an index on; at most `limit`."""
    query = (
        select(ENTRIES)
        .where(ENTRIES.c.case_id == case, ENTRIES.c.place >= start)
        .order_by(ENTRIES.c.place)
        .limit(limit)
    )
    return tuple(
        Entry(row.place, row.previous, instant(row.ordered), row.event)
        for row in connection.execute(query)
    )


def add_entry(connection: Connection, view: View, ordered: Ordered) -> None:
    """Keep an entry, and where its case stands now."""
    add_entries(connection, [(view, ordered)])


def add_entries(connection: Connection, added: Sequence[tuple[View, Ordered]]) -> None:
    """Keep entries of any cases, in order, each with a view that is no older than it."""
    if not added:
        return
    connection.execute(_ADD_ENTRY, [_entry_row(view.case, ordered) for view, ordered in added])
    moved: dict[str, dict[str, Any]] = {}
    for view, ordered in added:
        stands = _stands_row(view)
        if ordered.entry.index == 0:
            connection.execute(
                insert(CASES),
                {"id": view.case, "opened": seconds(ordered.entry.ordered), **stands},
            )
        else:
            moved[view.case] = {"key": view.case, **stands}
    if moved:
        connection.execute(_MOVE_CASE, list(moved.values()))


def _entry_row(case: str, ordered: Ordered) -> dict[str, Any]:
    entry = ordered.entry
    return {
        "case_id": case,
        "place": entry.index,
        "previous": entry.previous,
        "ordered": seconds(entry.ordered),
        "digest": ordered.event.digest,
        "event": entry.event,
    }


def _stands_row(view: View) -> dict[str, Any]:
    return {
        "title": view.title,
        "host": view.host,
        "size": view.size,
        "head": view.head,
        "ordered": seconds(view.ordered),
    }


def behind(connection: Connection, host: str) -> tuple[str, ...]:
    """Cases of a host of which a follower was not sent everything."""
    query = (
        select(CASES.c.id)
        .join(FOLLOWERS, FOLLOWERS.c.case_id == CASES.c.id)
        .where(CASES.c.host == host, FOLLOWERS.c.queued < CASES.c.size)
        .distinct()
    )
    return tuple(connection.execute(query).scalars())


def size_bytes(connection: Connection, case: str) -> int:
    """How many bytes the events of a case have."""
    query = select(func.coalesce(func.sum(func.length(ENTRIES.c.event)), 0))
    return int(connection.execute(query.where(ENTRIES.c.case_id == case)).scalar_one())


def count_of_host(connection: Connection, host: str) -> int:
    """How many cases a host orders."""
    query = select(func.count()).where(CASES.c.host == host)
    return connection.execute(query).scalar_one()


def drop_entries(connection: Connection, case: str, start: int) -> None:
    """Forget entries from an index on; only where a case goes on under another history."""
    connection.execute(delete(ENTRIES).where(ENTRIES.c.case_id == case, ENTRIES.c.place >= start))
    if start == 0:
        connection.execute(delete(CASES).where(CASES.c.id == case))


def add_checkpoint(connection: Connection, checkpoint: CaseCheckpoint) -> None:
    """Keep a checkpoint, in the place of the same one with fewer signatures."""
    key = (
        CHECKPOINTS.c.case_id == checkpoint.case,
        CHECKPOINTS.c.size == checkpoint.size,
        CHECKPOINTS.c.head == checkpoint.head,
    )
    connection.execute(delete(CHECKPOINTS).where(*key))
    connection.execute(
        insert(CHECKPOINTS),
        {
            "case_id": checkpoint.case,
            "size": checkpoint.size,
            "head": checkpoint.head,
            "host": checkpoint.host,
            "signed": seconds(checkpoint.signed),
            "note": checkpoint.note,
        },
    )


def checkpoint_note(connection: Connection, case: str, size: int, head: str) -> bytes | None:
    """The note of a checkpoint with all signatures that are known."""
    query = select(CHECKPOINTS.c.note).where(
        CHECKPOINTS.c.case_id == case, CHECKPOINTS.c.size == size, CHECKPOINTS.c.head == head
    )
    return connection.execute(query).scalar()


def latest_notes(connection: Connection, case: str, count: int = 1) -> tuple[bytes, ...]:
    """The notes of the largest checkpoints of a case, the largest first."""
    query = (
        select(CHECKPOINTS.c.note)
        .where(CHECKPOINTS.c.case_id == case)
        .order_by(CHECKPOINTS.c.size.desc(), CHECKPOINTS.c.signed.desc())
        .limit(count)
    )
    return tuple(connection.execute(query).scalars())


def signed_times(connection: Connection, case: str, host: str) -> tuple[datetime, ...]:
    """When a host last signed a checkpoint of a case; nothing for never."""
    query = select(func.max(CHECKPOINTS.c.signed)).where(
        CHECKPOINTS.c.case_id == case, CHECKPOINTS.c.host == host
    )
    found = connection.execute(query).scalar()
    return () if found is None else (instant(found),)


def notes_between(
    connection: Connection, case: str, after: int, until: int | None
) -> tuple[bytes, ...]:
    """Notes of a case of more than `after` entries, and of no more than `until`."""
    query = select(CHECKPOINTS.c.note).where(
        CHECKPOINTS.c.case_id == case, CHECKPOINTS.c.size > after
    )
    if until is not None:
        query = query.where(CHECKPOINTS.c.size <= until)
    return tuple(connection.execute(query.order_by(CHECKPOINTS.c.size)).scalars())


def add_pending(connection: Connection, event: PendingEvent) -> None:
    """Keep an event of one's own until its host has ordered it."""
    connection.execute(
        insert(PENDING),
        {
            "case_id": event.case,
            "author": event.author,
            "sequence": event.sequence,
            "digest": event.digest,
            "event": event.event,
            "made": seconds(event.made),
            "refused": event.refused,
        },
    )


def pending(connection: Connection, case: str) -> tuple[PendingEvent, ...]:
    """Events of one's own that a case has not ordered, in their order."""
    query = select(PENDING).where(PENDING.c.case_id == case).order_by(PENDING.c.sequence)
    return tuple(
        PendingEvent(
            row.case_id,
            row.author,
            row.sequence,
            row.digest,
            row.event,
            instant(row.made),
            row.refused,
        )
        for row in connection.execute(query)
    )


def settle_pending(connection: Connection, case: str, digest: str) -> None:
    """An event of one's own stands in its case."""
    connection.execute(delete(PENDING).where(PENDING.c.case_id == case, PENDING.c.digest == digest))


def refuse_pending(connection: Connection, case: str, digest: str, reason: str) -> None:
    """A host has refused an event; the reason stays until its author has seen it."""
    connection.execute(
        update(PENDING)
        .where(PENDING.c.case_id == case, PENDING.c.digest == digest)
        .values(refused=reason[:2000])
    )


def drop_pending(connection: Connection, case: str) -> None:
    """Forget what a case has not ordered of one's own."""
    connection.execute(delete(PENDING).where(PENDING.c.case_id == case))


def add_fault(connection: Connection, case: str, fault: Fault, at: datetime, *, most: int) -> bool:
    """Keep the evidence against somebody once, and no more than so many of a kind; if it is new."""
    kind = (
        FAULTS.c.case_id == case, FAULTS.c.culprit == fault.host, FAULTS.c.kind == fault.kind
    )  # fmt: skip
    texts = connection.execute(select(FAULTS.c.text).where(*kind)).scalars().all()
    if fault.text in texts or len(texts) >= most:
        return False
    row: dict[str, Any] = {
        "case_id": case,
        "culprit": fault.host,
        "kind": fault.kind,
        "text": fault.text,
        "first": fault.first,
        "second": fault.second,
        "found": seconds(at),
    }
    connection.execute(insert(FAULTS), row)
    return True


def faults(connection: Connection, case: str | None = None) -> tuple[FaultRow, ...]:
    """What was found, the latest first."""
    query = select(FAULTS).order_by(FAULTS.c.number.desc())
    if case is not None:
        query = query.where(FAULTS.c.case_id == case)
    return tuple(
        FaultRow(
            row.case_id, row.culprit, row.kind, row.text, row.first, row.second, instant(row.found)
        )
        for row in connection.execute(query)
    )


def _case(row: Row[Any]) -> CaseRow:
    return CaseRow(
        row.id,
        row.title,
        row.host,
        row.size,
        row.head,
        instant(row.opened),
        instant(row.ordered),
    )
