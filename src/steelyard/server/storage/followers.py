"""How much of a case each participant holds, and votes for another host, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from steelyard.server.storage.cases import instant, seconds
from steelyard.server.storage.tables import ENTRIES, FOLLOWERS, VOTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Follower:
    """A participant as the host of its case sees it.

    Attributes:
        queued: Entries that were put into the outbox for it.
        held: Entries that it said it holds.
        heard: When it last said so.
    """

    organization: str
    queued: int
    held: int
    heard: datetime | None


def of_case(connection: Connection, case: str) -> dict[str, Follower]:
    """Followers of a case, by organization."""
    query = select(FOLLOWERS).where(FOLLOWERS.c.case_id == case)
    return {
        row.organization: Follower(
            row.organization,
            row.queued,
            row.held,
            None if row.heard is None else instant(row.heard),
        )
        for row in connection.execute(query)
    }


def add(
    connection: Connection,
    case: str,
    organizations: Iterable[str],
    *,
    queued: int = 0,
    heard: datetime | None = None,
) -> None:
    """Begin to follow; who follows already is left as it is.

    Args:
        connection: In a transaction.
        case: Its id.
        organizations: Of participants.
        queued: Entries that another host has sent them.
        heard: When it is known that they hold none; None where they may hold some.
    """
    known = of_case(connection, case)
    row = {"case_id": case, "queued": queued, "held": 0, "heard": heard and seconds(heard)}
    rows = [{**row, "organization": name} for name in organizations if name not in known]
    if rows:
        connection.execute(insert(FOLLOWERS), rows)


def openings(connection: Connection, organizations: Iterable[str]) -> tuple[bytes, ...]:
    """The first events of the cases that one of these organizations follows."""
    query = (
        select(ENTRIES.c.event)
        .join(FOLLOWERS, FOLLOWERS.c.case_id == ENTRIES.c.case_id)
        .where(ENTRIES.c.place == 0, FOLLOWERS.c.organization.in_(tuple(organizations)))
    )
    return tuple(connection.execute(query).scalars())


def queue(connection: Connection, case: str, organization: str, size: int) -> None:
    """So many entries are on their way."""
    connection.execute(
        update(FOLLOWERS)
        .where(FOLLOWERS.c.case_id == case, FOLLOWERS.c.organization == organization)
        .values(queued=size)
    )


def hear(connection: Connection, case: str, organization: str, size: int, at: datetime) -> None:
    """A participant says how many entries it holds; what it lacks is sent anew."""
    connection.execute(
        update(FOLLOWERS)
        .where(FOLLOWERS.c.case_id == case, FOLLOWERS.c.organization == organization)
        .values(held=size, heard=seconds(at))
    )


def leave(connection: Connection, case: str, organizations: Iterable[str]) -> None:
    """Send these nothing more."""
    connection.execute(
        delete(FOLLOWERS).where(
            FOLLOWERS.c.case_id == case, FOLLOWERS.c.organization.in_(tuple(organizations))
        )
    )


def send_again(connection: Connection, case: str) -> None:
    """What is on its way will not arrive."""
    connection.execute(
        update(FOLLOWERS).where(FOLLOWERS.c.case_id == case).values(queued=FOLLOWERS.c.held)
    )


def rewind(connection: Connection, case: str, size: int) -> None:
    """The case goes on differently after so many entries: nobody holds more of it."""
    for column in (FOLLOWERS.c.queued, FOLLOWERS.c.held):
        connection.execute(
            update(FOLLOWERS)
            .where(FOLLOWERS.c.case_id == case, column > size)
            .values({column.name: size})
        )


def forget(connection: Connection, case: str) -> None:
    """Another organization is the host now."""
    connection.execute(delete(FOLLOWERS).where(FOLLOWERS.c.case_id == case))


@dataclass(frozen=True, slots=True)
class Vote:
    """A signed event that agrees with another host."""

    author: str
    digest: str
    event: bytes
    received: datetime


def add_vote(connection: Connection, case: str, vote: Vote) -> None:
    """Keep a vote; a later one of the same author takes its place."""
    connection.execute(delete(VOTES).where(VOTES.c.case_id == case, VOTES.c.author == vote.author))
    row = {
        "case_id": case,
        "author": vote.author,
        "digest": vote.digest,
        "event": vote.event,
        "received": seconds(vote.received),
    }
    connection.execute(insert(VOTES), row)


def votes(connection: Connection, case: str) -> tuple[Vote, ...]:
    """Votes that wait for a quorum, in the order in which they came."""
    query = select(VOTES).where(VOTES.c.case_id == case).order_by(VOTES.c.received, VOTES.c.author)
    return tuple(
        Vote(row.author, row.digest, row.event, instant(row.received))
        for row in connection.execute(query)
    )


def drop_votes(connection: Connection, case: str) -> None:
    """The question is settled."""
    connection.execute(delete(VOTES).where(VOTES.c.case_id == case))
