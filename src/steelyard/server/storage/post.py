"""Parcels that wait to be sent and ids of those that came, as rows.

When something is sent, sent again or given up is decided by `disclosure.delivery.outbox`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from steelyard.disclosure.delivery.outbox import Destination, Outgoing
from steelyard.server.storage.cases import instant, seconds
from steelyard.server.storage.tables import DESTINATIONS, INBOX, OUTBOX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

# What lists tell of a parcel: all but what is in it.
_TOLD: Final = tuple(column for column in OUTBOX.c if column.name not in {"parcel", "body"})
_LISTED: Final = 2000
_IN_MEMORY = 16


@dataclass(frozen=True, slots=True)
class Sending:
    """A parcel on its way, with what is sent.

    Attributes:
        body: What it says, as JSON, where nothing else that is stored says it; else empty.
    """

    outgoing: Outgoing
    kind: str
    case: str
    parcel: bytes
    body: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How sending to one destination goes.

    Attributes:
        oldest: Since when the oldest waits.
        dead: How many were given up.
    """

    destination: str
    waiting: int
    oldest: datetime | None
    dead: int
    failures: int
    last_error: str
    last_delivered: datetime | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parcel that was given up or could not be taken, and why."""

    parcel_id: str
    peer: str
    kind: str
    case: str
    at: datetime
    reason: str


def add(connection: Connection, sending: Sending) -> None:
    """Put a parcel into the outbox; the same one twice is one."""
    item = sending.outgoing
    known = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.parcel_id == item.parcel_id)
    if connection.execute(known).scalar_one():
        return
    row = {
        "parcel_id": item.parcel_id,
        "destination": item.destination,
        "kind": sending.kind,
        "case_id": sending.case,
        "parcel": sending.parcel,
        "body": sending.body,
        "created": seconds(item.created),
        **_state(item),
    }
    connection.execute(insert(OUTBOX), row)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for a destination."""

    parcels: int
    size_bytes: int


def how_much_waits(connection: Connection, destination: str) -> Waiting:
    """How much waits for a destination."""
    size = func.coalesce(func.sum(func.length(OUTBOX.c.parcel)), 0)
    query = select(func.count(), size).where(
        OUTBOX.c.destination == destination, OUTBOX.c.state == "waiting"
    )
    count, total = connection.execute(query).one()
    return Waiting(count, int(total))


def under_way(connection: Connection, destination: str, kind: str, case: str) -> int:
    """How many parcels of a kind about a case wait for a destination."""
    query = select(func.count()).where(*_about(destination, kind, case))
    return connection.execute(query).scalar_one()


def supersede(connection: Connection, destination: str, kind: str, case: str) -> None:
    """Take back what waits of a kind about a case, as something later says the same and more."""
    connection.execute(delete(OUTBOX).where(*_about(destination, kind, case)))


@dataclass(frozen=True, slots=True)
class Head:
    """What a parcel that waits is, without what is sent; `body` as of `Sending`."""

    destination: str
    kind: str
    case: str
    body: str


def waiting_heads(connection: Connection) -> tuple[Head, ...]:
    """Everything that waits, the oldest first, without what is sent."""
    row = OUTBOX.c
    query = select(row.destination, row.kind, row.case_id, row.body).where(row.state == "waiting")
    return tuple(Head(*found) for found in connection.execute(query.order_by(row.number)))


def given_up(connection: Connection, parcels: Collection[str]) -> tuple[Head, ...]:
    """What those of some parcels are that were given up, the oldest first, each once."""
    row = OUTBOX.c
    query = select(row.destination, row.kind, row.case_id, row.body).where(
        row.state == "dead", row.parcel_id.in_(parcels)
    )
    found = connection.execute(query.order_by(row.number))
    return tuple(dict.fromkeys(Head(*item) for item in found))


def drop_given_up(connection: Connection, head: Head) -> int:
    """Forget the parcels that were given up and are the same but for what is sent; how many."""
    same = (*_about(head.destination, head.kind, head.case, "dead"), OUTBOX.c.body == head.body)
    return connection.execute(delete(OUTBOX).where(*same)).rowcount


def ids_under_way(connection: Connection, head: Head) -> frozenset[str]:
    """Ids of the parcels of a kind about a case that wait for a destination."""
    query = select(OUTBOX.c.parcel_id).where(*_about(head.destination, head.kind, head.case))
    return frozenset(connection.execute(query).scalars())


def drop_waiting(connection: Connection) -> None:
    """Take everything back that waits."""
    connection.execute(delete(OUTBOX).where(OUTBOX.c.state == "waiting"))


def waiting(connection: Connection, at: datetime, each: int = 64) -> tuple[Outgoing, ...]:
    """Parcels that may be sent now, the oldest first, without what is in them.

    Args:
        connection: To the database.
        at: Now.
        each: The most for one destination: what waits for one hides nothing that waits for others.
    """
    place = func.row_number().over(partition_by=OUTBOX.c.destination, order_by=OUTBOX.c.number)
    ranked = (
        select(OUTBOX.c.number.label("number"), place.label("place"))
        .where(OUTBOX.c.state == "waiting", OUTBOX.c.next_at <= seconds(at))
        .subquery()
    )
    query = (
        select(*_TOLD)
        .join(ranked, ranked.c.number == OUTBOX.c.number)
        .where(ranked.c.place <= each)
        .order_by(OUTBOX.c.number)
    )
    return tuple(_outgoing(row) for row in connection.execute(query))


def parcel(connection: Connection, parcel_id: str) -> bytes | None:
    """What is sent; None for a parcel that was taken back."""
    query = select(OUTBOX.c.parcel).where(OUTBOX.c.parcel_id == parcel_id)
    return connection.execute(query).scalar()


def waiting_for(connection: Connection, destination: str) -> Iterator[Sending]:
    """Everything that waits for a destination, the oldest first, a few in memory at a time."""
    query = (
        select(OUTBOX)
        .where(OUTBOX.c.destination == destination, OUTBOX.c.state == "waiting")
        .order_by(OUTBOX.c.number)
        .limit(_IN_MEMORY)
    )
    last = -1
    while rows := connection.execute(query.where(OUTBOX.c.number > last)).all():
        for row in rows:
            last = row.number
            yield Sending(_outgoing(row), row.kind, row.case_id, row.parcel, row.body)


def save(connection: Connection, item: Outgoing, destination: Destination, error: str) -> None:
    """Keep where a parcel and its destination stand; what was delivered is forgotten."""
    if item.state == "delivered":
        connection.execute(delete(OUTBOX).where(OUTBOX.c.parcel_id == item.parcel_id))
    else:
        connection.execute(
            update(OUTBOX).where(OUTBOX.c.parcel_id == item.parcel_id).values(_state(item))
        )
    found = select(DESTINATIONS.c.last_delivered).where(DESTINATIONS.c.name == destination.name)
    before = connection.execute(found).scalar()
    connection.execute(delete(DESTINATIONS).where(DESTINATIONS.c.name == destination.name))
    row = {
        "name": destination.name,
        "failures": destination.failures,
        "not_before": None if destination.not_before is None else seconds(destination.not_before),
        "last_error": error[:500],
        "last_delivered": seconds(item.next_at) if item.state == "delivered" else before,
    }
    connection.execute(insert(DESTINATIONS), row)


def destinations(connection: Connection) -> dict[str, Destination]:
    """What is remembered of each destination; attempts under way are not."""
    return {
        row.name: Destination(
            row.name,
            failures=row.failures,
            not_before=None if row.not_before is None else instant(row.not_before),
        )
        for row in connection.execute(select(DESTINATIONS))
    }


def listed(
    connection: Connection, states: tuple[str, ...] = ("waiting", "dead")
) -> tuple[Outgoing, ...]:
    """Parcels in some states, the latest first, as a page lists them: without what is in them."""
    query = select(*_TOLD).where(OUTBOX.c.state.in_(states))
    rows = connection.execute(query.order_by(OUTBOX.c.number.desc()).limit(_LISTED))
    return tuple(_outgoing(row) for row in rows)


def health(connection: Connection) -> tuple[Health, ...]:
    """How sending goes, for each destination that was ever sent to."""
    is_waiting, is_dead = OUTBOX.c.state == "waiting", OUTBOX.c.state == "dead"
    count = func.count()
    query = select(
        OUTBOX.c.destination,
        count.filter(is_waiting).label("waiting"),
        count.filter(is_dead).label("dead"),
        func.min(OUTBOX.c.created).filter(is_waiting).label("oldest"),
        func.min(OUTBOX.c.next_at).filter(is_waiting).label("next_at"),
    ).group_by(OUTBOX.c.destination)
    found = {row.destination: row for row in connection.execute(query)}
    known = {row.name: row for row in connection.execute(select(DESTINATIONS))}
    return tuple(
        _health(name, found.get(name), known.get(name)) for name in sorted({*found, *known})
    )


def dead_letters(connection: Connection, limit: int = 200) -> tuple[DeadLetter, ...]:
    """Parcels that were given up, the latest first."""
    query = (
        select(*_TOLD).where(OUTBOX.c.state == "dead").order_by(OUTBOX.c.number.desc()).limit(limit)
    )
    return tuple(
        DeadLetter(
            row.parcel_id, row.destination, row.kind, row.case_id, instant(row.created), row.reason
        )
        for row in connection.execute(query)
    )


def refused_letters(connection: Connection, limit: int = 200) -> tuple[DeadLetter, ...]:
    """Parcels of others that could not be taken, the latest first."""
    query = (
        select(INBOX)
        .where(INBOX.c.outcome == "refused")
        .order_by(INBOX.c.received.desc())
        .limit(limit)
    )
    return tuple(
        DeadLetter(
            row.parcel_id, row.sender, row.kind, row.case_id, instant(row.received), row.reason
        )
        for row in connection.execute(query)
    )


def received(connection: Connection, parcel_id: str) -> tuple[str, str] | None:
    """What became of a parcel that came before, and why; None for a new one."""
    query = select(INBOX.c.outcome, INBOX.c.reason).where(INBOX.c.parcel_id == parcel_id)
    row = connection.execute(query).first()
    return None if row is None else (row.outcome, row.reason)


def remember(connection: Connection, letter: DeadLetter, outcome: str) -> None:
    """Keep the id of a parcel that came, and what became of it."""
    row = {
        "parcel_id": letter.parcel_id,
        "sender": letter.peer,
        "kind": letter.kind,
        "case_id": letter.case,
        "received": seconds(letter.at),
        "outcome": outcome,
        "reason": letter.reason[:2000],
    }
    connection.execute(insert(INBOX), row)


def _about(
    destination: str, kind: str, case: str, state: str = "waiting"
) -> tuple[ColumnElement[bool], ...]:
    return (
        OUTBOX.c.destination == destination,
        OUTBOX.c.state == state,
        OUTBOX.c.kind == kind,
        OUTBOX.c.case_id == case,
    )


def _state(item: Outgoing) -> dict[str, Any]:
    return {
        "next_at": seconds(item.next_at),
        "attempts": item.attempts,
        "state": item.state,
        "reason": item.reason[:2000],
    }


def _outgoing(row: Row[Any]) -> Outgoing:
    return Outgoing(
        row.parcel_id,
        row.destination,
        instant(row.created),
        instant(row.next_at),
        attempts=row.attempts,
        state=row.state,
        reason=row.reason,
    )


def _health(name: str, found: Any, known: Any) -> Health:  # noqa: ANN401 - rows of two queries
    def moment(value: int | None) -> datetime | None:
        return None if value is None else instant(value)

    return Health(
        destination=name,
        waiting=found.waiting if found else 0,
        oldest=moment(found.oldest) if found else None,
        dead=found.dead if found else 0,
        failures=known.failures if known else 0,
        last_error=known.last_error if known else "",
        last_delivered=moment(known.last_delivered) if known else None,
        next_at=moment(found.next_at) if found else None,
    )
