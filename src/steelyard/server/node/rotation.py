"""Telling every case of a new card: keys that were rotated or revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import saying
from steelyard.server.node.letters import OBJECT
from steelyard.server.storage import cases, followers, post
from steelyard.server.storage import organizations as cards

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.server.node.identity import Identity
    from steelyard.server.node.node import Node


def announce_card(node: Node, connection: Connection) -> int:
    """Say the card of this organization in each case that knows an older one; how many."""
    told = 0
    for case in cases.case_ids(connection):
        member = node.chains.get(connection, case).view.members.get(node.organization)
        if member is None or member.left or member.card.sequence >= node.identity.card.sequence:
            continue
        if any(claimed_event(row.event).kind == "card" for row in cases.pending(connection, case)):
            continue
        try:
            saying.say(node, connection, case, "card", {"card": node.identity.card.to_json()})
        except NotSatisfied:
            continue  # events of its own wait to be signed anew
        told += 1
    return told


def take_identity(node: Node, connection: Connection, identity: Identity) -> None:
    """Speak with new keys from now on, and tell every case.

    What waits under a key that was revoked would be refused, so it is signed anew.
    """
    old = node.identity.key.public_key.key_id
    node.identity = identity
    cards.keep(connection, identity.card, node.now(), trusted=True)
    if not any(item.revoked and item.key.key_id == old for item in identity.card.keys):
        announce_card(node, connection)
        return
    bereft = [row for row in post.waiting_heads(connection) if row.kind == OBJECT]
    post.drop_waiting(connection)
    waiting = {case: cases.pending(connection, case) for case in cases.case_ids(connection)}
    for case in waiting:
        cases.drop_pending(connection, case)
        followers.send_again(connection, case)
    announce_card(node, connection)
    for case, events in waiting.items():
        for item in events:
            event = claimed_event(item.event)
            saying.say(node, connection, case, event.kind, event.body)
    for destination, case in sorted({(row.destination, row.case) for row in bereft}):
        saying.send_objects(node, connection, case, destination)
