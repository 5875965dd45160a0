"""What a node says that it holds of a case, with the checkpoint that it has cosigned last.

Decides that each such word says no less than the one before, as only the latest waits for a
destination: without its cosignature, one that was on its way would be lost to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.server.node.faults import agreeing, notes_of
from steelyard.server.node.letters import HEAD
from steelyard.server.node.posting import Letter, offer_to
from steelyard.server.storage import cases

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.disclosure.case import CaseCheckpoint, Chain
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node

_LATEST: Final = 16


def say_what_is_held(node: Node, connection: Connection, chain: Chain) -> None:
    """Tell the host how much of a case is held, so that it sends what is missing."""
    body: JsonObject = {"size": chain.size, "head": chain.head}
    host = chain.view.members[chain.view.host].card
    latest = cases.latest_notes(connection, chain.case, count=_LATEST)
    agreed = agreeing(chain, notes_of(chain, chain.view.host, latest))
    own = next((item.note for item in agreed if is_cosigned(item, node.organization)), None)
    attached = () if own is None else (own,)
    offer_to(node, connection, host, Letter(HEAD, chain.case, body, attached))


def is_cosigned(note: CaseCheckpoint, organization: str) -> bool:
    """Whether a checkpoint bears a line of an organization; its own were written here."""
    return f"\u2014 {organization} ".encode() in note.note
