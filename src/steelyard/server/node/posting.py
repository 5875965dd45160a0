"""Putting a parcel into the outbox: signed, encrypted to its receiver, durable with the change.

Decides which key a parcel is encrypted to; when it is sent is for `sending`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steelyard.disclosure.delivery.outbox import Outgoing, admit
from steelyard.disclosure.delivery.parcel import Parcel, encrypt_parcel, sign_parcel
from steelyard.disclosure.delivery.sending_policy import load_policy
from steelyard.kernel.errors import UnknownName
from steelyard.server.storage import organizations as cards
from steelyard.server.storage import post

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.disclosure.case import Card
    from steelyard.kernel import JsonObject
    from steelyard.kernel.canonical import JsonValue
    from steelyard.server.node.node import Node


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes into a parcel; see `letters` for the kinds."""

    kind: str
    case: str
    body: JsonObject = field(default_factory=dict[str, "JsonValue"])
    attachments: tuple[bytes, ...] = ()


def send(node: Node, connection: Connection, to: str, letter: Letter) -> None:
    """Put a parcel for an organization whose card is here into the outbox.

    Raises:
        UnknownName: no card of that organization is here.
        NotSatisfied: too many parcels wait for it.
    """
    known = cards.find(connection, to)
    if known is None:
        raise UnknownName(f"no card of {to[:20]} is here", hint="steelyard disclose card add")
    send_to(node, connection, known.card, letter)


def send_to(node: Node, connection: Connection, card: Card, letter: Letter) -> None:
    """Put a parcel for the organization of a card into the outbox; see `send`."""
    to, now = card.organization, node.now()
    admit(load_policy(), post.waiting_count(connection, to), to)
    parcel = Parcel(
        node.organization, to, letter.kind, letter.case, letter.body, now, letter.attachments
    )
    signed = sign_parcel(parcel, node.identity.key)
    outgoing = Outgoing(signed.parcel_id, to, created=now, next_at=now)
    data = encrypt_parcel(signed, card.recipient)
    post.add(connection, post.Sending(outgoing, letter.kind, letter.case, data))
