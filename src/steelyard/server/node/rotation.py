"""Telling every case of a new card: keys that were rotated or revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import saying
from steelyard.server.storage import cases

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.server.node.node import Node


def announce_card(node: Node, connection: Connection) -> int:
    """Say the card of this organization in each case that knows an older one; how many."""
    told = 0
    for case in cases.case_ids(connection):
        member = node.chains.get(connection, case).view.members.get(node.organization)
        if member is None or member.left or member.card.sequence >= node.identity.card.sequence:
            continue
        try:
            saying.say(node, connection, case, "card", {"card": node.identity.card.to_json()})
        except NotSatisfied:
            continue  # events of its own wait to be signed anew
        told += 1
    return told
