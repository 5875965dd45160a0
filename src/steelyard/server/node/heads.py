"""What a node says that it holds of a case, and what it asks for.

Decides that each such word says no less than the one before, as only the latest waits for a
destination: one that takes the place of another brings the checkpoint that was cosigned last.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from steelyard.server.node.faults import agreeing, notes_of
from steelyard.server.node.letters import FETCH, HEAD
from steelyard.server.node.posting import Letter, offer_to
from steelyard.server.storage import cases, post
from steelyard.server.storage import organizations as cards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from steelyard.disclosure.case import CaseCheckpoint, Chain
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node

_LATEST: Final = 16


def say_what_is_held(node: Node, connection: Connection, chain: Chain) -> None:
    """Tell the host how much of a case is held, so that it sends what is missing."""
    body: JsonObject = {"size": chain.size, "head": chain.head}
    host = chain.view.members[chain.view.host].card
    # Never but then: a host that signed something else would ask again for what is held.
    replaces = post.under_way(connection, host.organization, HEAD, chain.case) > 0
    attached = tuple(islice(_cosigned(node, connection, chain), 1)) if replaces else ()
    offer_to(node, connection, host, Letter(HEAD, chain.case, body, attached))


def _cosigned(node: Node, connection: Connection, chain: Chain) -> Iterator[bytes]:
    """Checkpoints of the host that this node has cosigned and that agree, the largest first."""
    latest = cases.latest_notes(connection, chain.case, count=_LATEST)
    for item in agreeing(chain, notes_of(chain, chain.view.host, latest)):
        if is_cosigned(item, node.organization):
            yield item.note


def fetch(node: Node, connection: Connection, case: str, holder: str, size: int) -> None:
    """Ask somebody for the entries after so many, if it is known and there is room to."""
    known = cards.find(connection, holder)
    if known is not None:
        offer_to(node, connection, known.card, Letter(FETCH, case, {"size": size}))


def is_cosigned(note: CaseCheckpoint, organization: str) -> bool:
    """Whether a checkpoint bears a line of an organization; its own were written here."""
    return f"\u2014 {organization} ".encode() in note.note
