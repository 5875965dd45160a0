"""Exchange without a server: what waits for an organization, in one file for mail.

Decides what a bundle holds (spec/disclosure-delivery.md, section 4): the same parcels that
would be sent over the wire, which are taken in the same way. Cards are exchanged before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.disclosure.delivery.bundle import fill_bundle, read_bundle, write_bundle
from steelyard.disclosure.delivery.outbox import Destination
from steelyard.kernel.errors import NotSatisfied, SteelyardError
from steelyard.server.node import ordering
from steelyard.server.node.inbox import Outcome, receive
from steelyard.server.storage import post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from steelyard.disclosure.delivery.outbox import Outgoing
    from steelyard.server.node.node import Node


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle.

    Attributes:
        parcels: What is in it.
        left: How many parcels wait for the same organization and are not in it.
    """

    data: bytes
    parcels: tuple[Outgoing, ...]
    left: int


def export_bundle(node: Node, connection: Connection, to: str) -> Exported:
    """What waits for an organization, the oldest first, as much of it as a bundle takes.

    It stays in the outbox until `mark_sent`: to send or export it again does no harm.

    Raises:
        NotSatisfied: nothing waits for it.
    """
    ordering.pump(node, connection)
    outgoing: dict[str, Outgoing] = {}

    def waiting() -> Iterator[tuple[str, bytes]]:
        for item in post.waiting_for(connection, to):
            outgoing[item.outgoing.parcel_id] = item.outgoing
            yield item.outgoing.parcel_id, item.parcel

    chosen = fill_bundle(waiting())
    if not chosen:
        raise NotSatisfied(f"nothing waits for {to[:20]}")
    left = post.how_much_waits(connection, to).parcels - len(chosen)
    parcels = tuple(outgoing[name] for name in chosen)
    return Exported(write_bundle(chosen.values()), parcels, left)


def mark_sent(node: Node, connection: Connection, exported: Exported) -> None:
    """Take what a bundle holds out of the outbox, once the bundle is where it cannot be lost."""
    for item in exported.parcels:
        sent = replace(item, state="delivered", next_at=node.now())
        post.save(connection, sent, Destination(item.destination), "")


def import_bundle(node: Node, connection: Connection, data: bytes) -> tuple[Outcome, ...]:
    """Take every parcel of a bundle; one that cannot be taken does not stop the others.

    Raises:
        MalformedEvidence: no bundle.
        BrokenSeal: it was damaged.
    """
    return tuple(_take(node, connection, item) for item in read_bundle(data))


def _take(node: Node, connection: Connection, item: bytes) -> Outcome:
    try:
        return receive(node, connection, item)
    except SteelyardError as error:
        return Outcome("", "", "refused", str(error))
