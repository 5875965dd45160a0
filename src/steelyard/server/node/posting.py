"""Putting a parcel into the outbox: signed, encrypted to its receiver, durable with the change.

Decides which key a parcel is encrypted to, and which parcels a later one makes needless; when it
is sent is for `sending`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.delivery.outbox import Outgoing, admit
from steelyard.disclosure.delivery.parcel import Parcel, encrypt_parcel, sign_parcel
from steelyard.disclosure.delivery.sending_policy import load_policy
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node.letters import FETCH, HEAD, REFUSED
from steelyard.server.storage import post

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.disclosure.case import Card
    from steelyard.kernel import JsonObject
    from steelyard.kernel.canonical import JsonValue
    from steelyard.server.node.node import Node

_LATEST_COUNTS: Final = frozenset({FETCH, HEAD})
_SAID_ONCE: Final = frozenset({REFUSED})
"""What follows from nothing else that is stored: it is kept until it was sent."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes into a parcel; see `letters` for the kinds."""

    kind: str
    case: str
    body: JsonObject = field(default_factory=dict[str, "JsonValue"])
    attachments: tuple[bytes, ...] = ()


def send_to(node: Node, connection: Connection, card: Card, letter: Letter) -> None:
    """Put a parcel for the organization of a card into the outbox.

    Raises:
        NotSatisfied: too much waits for it.
    """
    to, now = card.organization, node.now()
    if letter.kind in _LATEST_COUNTS:
        post.supersede(connection, to, letter.kind, letter.case)
    waits = post.how_much_waits(connection, to)
    admit(load_policy(), waits.parcels, to)
    parcel = Parcel(
        node.organization, to, letter.kind, letter.case, letter.body, now, letter.attachments
    )
    signed = sign_parcel(parcel, node.identity.key)
    outgoing = Outgoing(signed.parcel_id, to, created=now, next_at=now)
    data = encrypt_parcel(signed, card.recipient)
    if waits.size_bytes + len(data) > node.limits.outbox_bytes:
        message = f"{waits.size_bytes:,} bytes wait for {to[:20]}, the most that may"
        raise NotSatisfied(message, hint="export them to a file, or remove it from the case")
    body = canonical_json(letter.body).decode() if letter.kind in _SAID_ONCE else ""
    post.add(connection, post.Sending(outgoing, letter.kind, letter.case, data, body))


def offer_to(node: Node, connection: Connection, card: Card, letter: Letter) -> bool:
    """The same for what may be left out: whether there was room for it.

    One destination that takes nothing must not keep this node from taking what others send.
    """
    try:
        send_to(node, connection, card, letter)
    except NotSatisfied:
        return False
    return True
