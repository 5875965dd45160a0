"""Exchange without a server: what waits for an organization, in one file for mail.

Decides what a bundle holds (spec/disclosure-delivery.md, section 4): the same parcels that
would be sent over the wire, which are taken in the same way. Cards are exchanged before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.disclosure.delivery.bundle import read_bundle, write_bundle
from steelyard.disclosure.delivery.outbox import Destination
from steelyard.kernel.errors import NotSatisfied, SteelyardError
from steelyard.server.node import ordering
from steelyard.server.node.inbox import Outcome, receive
from steelyard.server.storage import post

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.server.node.node import Node

_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle and how many parcels are in it."""

    data: bytes
    parcels: int


def export_bundle(
    node: Node, connection: Connection, to: str, *, mark_sent: bool = False
) -> Exported:
    """Everything that waits for an organization.

    Args:
        node: Whose outbox it is.
        connection: In a transaction.
        to: Organization.
        mark_sent: Whether the parcels leave the outbox with this; otherwise they are sent or
            exported again, which does no harm.

    Raises:
        NotSatisfied: nothing waits for it.
    """
    ordering.pump(node, connection)
    waiting = post.waiting_for(connection, to, _LIMIT)
    if not waiting:
        raise NotSatisfied(f"nothing waits for {to[:20]}")
    data = write_bundle(item.parcel for item in waiting)
    if mark_sent:
        for item in waiting:
            sent = replace(item.outgoing, state="delivered", next_at=node.now())
            post.save(connection, sent, Destination(to), "")
    return Exported(data, len(waiting))


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
