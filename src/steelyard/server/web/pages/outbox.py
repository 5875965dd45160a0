"""The health of delivery: what waits for whom, since when, and what was given up.

Decides how a destination is judged at a glance: delivers, waits, fails, or has dead letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.pages.cases.head import Party, short_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.delivery.outbox import Destination, Outgoing


@dataclass(frozen=True, slots=True)
class Refused:
    """A parcel of somebody else that was not taken, and why."""

    parcel_id: str
    sender: str
    received: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """A destination.

    Attributes:
        health: dead, failing, waiting or clear.
        oldest: When the oldest parcel that waits was made.
        failures: Attempts in a row that failed for a reason of the destination's.
        next_at: When the next attempt is made.
        error: Why the last attempt did not deliver.
    """

    party: Party
    health: str
    words: str
    waiting: int
    oldest: Moment | None
    dead: int
    failures: int
    next_at: Moment | None
    error: str


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A parcel that was given up, or refused."""

    parcel_id: str
    party: Party
    at: Moment
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class OutboxPage:
    """Template `outbox`."""

    title: str
    rows: tuple[DestinationRow, ...]
    waiting: int
    dead: tuple[LetterRow, ...]
    refused: tuple[LetterRow, ...]
    live: bool


_WORDS = {
    "dead": "parcels given up",
    "failing": "attempts fail",
    "waiting": "waits its turn",
    "clear": "nothing waits",
}
_ORDER = tuple(_WORDS)


def present(
    outgoing: Sequence[Outgoing],
    destinations: Mapping[str, Destination],
    names: Mapping[str, str],
    now: datetime,
    refused: Sequence[Refused] = (),
    *,
    live: bool = False,
) -> OutboxPage:
    """The health of delivery for `outbox.html`.

    Args:
        outgoing: Parcels that wait or are dead.
        destinations: What is remembered of each, by organization id.
        names: Names of organizations, by id.
        now: The instant of the page.
        refused: Parcels of others that were not taken.
        live: Whether the page refreshes by itself (`?live=1`).
    """
    by_name: dict[str, list[Outgoing]] = {name: [] for name in destinations}
    for item in outgoing:
        by_name.setdefault(item.destination, []).append(item)
    rows = [
        _row(_party(name, names), items, destinations.get(name), now)
        for name, items in by_name.items()
    ]
    rows.sort(key=lambda row: (_ORDER.index(row.health), -row.waiting, row.party.name.casefold()))
    dead = sorted((i for i in outgoing if i.state == "dead"), key=lambda i: i.created, reverse=True)
    latest = sorted(refused, key=lambda item: item.received, reverse=True)
    return OutboxPage(
        title="Outbox",
        rows=tuple(rows),
        waiting=sum(row.waiting for row in rows),
        dead=tuple(
            LetterRow(
                i.parcel_id,
                _party(i.destination, names),
                moment(i.created, now),
                i.attempts,
                i.reason,
            )
            for i in dead
        ),
        refused=tuple(
            LetterRow(i.parcel_id, _party(i.sender, names), moment(i.received, now), 0, i.reason)
            for i in latest
        ),
        live=live,
    )


def _row(
    who: Party, items: Sequence[Outgoing], known: Destination | None, now: datetime
) -> DestinationRow:
    waiting = sorted((i for i in items if i.state == "waiting"), key=lambda i: i.created)
    dead = [item for item in items if item.state == "dead"]
    failures = known.failures if known else 0
    tried = [item for item in waiting if item.attempts] or dead
    last = max(tried, key=lambda item: item.next_at, default=None)
    next_at = min((item.next_at for item in waiting), default=None)
    if next_at is not None and known is not None and known.not_before is not None:
        next_at = max(next_at, known.not_before)
    health = "dead" if dead else "failing" if failures else "waiting" if waiting else "clear"
    return DestinationRow(
        party=who,
        health=health,
        words=_WORDS[health],
        waiting=len(waiting),
        oldest=moment(waiting[0].created, now) if waiting else None,
        dead=len(dead),
        failures=failures,
        next_at=moment(next_at, now) if next_at else None,
        error=last.reason if last else "",
    )


def _party(name: str, names: Mapping[str, str]) -> Party:
    return Party(name, names.get(name, "unknown organization"), short_id(name))
