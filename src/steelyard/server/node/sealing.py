"""Sealed objects of a case: made without a connection, so that no change waits for it, then kept.

Decides what the event that brings an object says of it. Who is to read it is for who seals it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steelyard.disclosure.delivery.sealed_object import object_id, seal_object
from steelyard.server.storage import objects
from steelyard.server.storage.objects import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from steelyard.disclosure.delivery.sealed_object import Recipient
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node


@dataclass(frozen=True, slots=True)
class Content:
    """What is sealed, and how dangerous it is."""

    plaintext: bytes = field(repr=False)
    media_type: str
    tier: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed object.

    Attributes:
        reference: By which an event names it.
    """

    id: str
    data: bytes = field(repr=False)
    reference: JsonObject


def seal(node: Node, content: Content, recipients: Mapping[str, Recipient]) -> Sealed:
    """Seal an object for organizations, each by its key."""
    data = seal_object(
        content.plaintext,
        media_type=content.media_type,
        recipients=recipients,
        random=node.random,
    )
    name = object_id(data)
    reference: JsonObject = {
        "id": name,
        "media_type": content.media_type,
        "bytes": len(content.plaintext),
        "tier": content.tier,
        "recipients": list(recipients),
    }
    return Sealed(name, data, reference)


def keep(node: Node, connection: Connection, case: str, sealed: Sealed) -> None:
    """Keep an object as one of a case."""
    objects.put(connection, sealed.id, Stored(case, "", sealed.data), node.now())
