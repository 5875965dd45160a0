"""What reporters write, at rest: sealed to the node, so that a stolen database tells nothing.

Decides to which key: that of the node's card. Earlier keys still open what was sealed to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from steelyard.disclosure.delivery.sealed_object import seal_object
from steelyard.kernel import canonical_json, parse_json_object

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject
    from steelyard.server.node import Node

_BYTES = "application/octet-stream"


def seal(node: Node, plaintext: bytes) -> bytes:
    """Bytes that only this node opens."""
    recipients = {node.organization: node.identity.card.recipient}
    return seal_object(plaintext, media_type=_BYTES, recipients=recipients, random=node.random)


def unseal(node: Node, data: bytes) -> bytes:
    """What this node sealed.

    Raises:
        NotSatisfied: to a key that it has no more.
        BrokenSeal: it was changed.
    """
    return node.identity.open(data).plaintext


def seal_json(node: Node, content: JsonObject) -> bytes:
    """A document that only this node opens."""
    return seal(node, canonical_json(content))


def unseal_json(node: Node, data: bytes) -> dict[str, Any]:
    """A document that this node sealed."""
    return cast("dict[str, Any]", parse_json_object(unseal(node, data), where="vault"))
