"""A host whose database came back from a backup: it asks before it orders anything.

Decides when a case may go on (spec/disclosure-node.md, section Restoring): once every participant
has said what it holds, or a day later with those that did. Until then the host neither orders
nor signs: a checkpoint of less than it signed before would prove a fault against it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import CannotVerify, StorageError
from steelyard.server.node import heads
from steelyard.server.storage import cases, followers
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.cases import seconds

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.server.node.node import Node

PATIENCE: Final = timedelta(hours=24)
_FAILURES: Final = logging.getLogger("steelyard.failures")


def begin(node: Node, connection: Connection) -> None:
    """Wait for the participants of every case that this node orders, and ask them."""
    at = node.now()
    cards.set_setting(connection, cards.RESTORED, str(seconds(at)))
    node.restored = at
    for case in _own(node, connection):
        _ask(node, connection, case)


def _ask(node: Node, connection: Connection, case: str) -> None:
    try:
        chain = node.chains.get(connection, case)
    except CannotVerify as error:
        _FAILURES.error("participants of case %s are not asked: %s", case[:16], error)
        return
    others = [name for name in chain.view.present_members() if name != node.organization]
    followers.forget(connection, case)
    followers.add(connection, case, others)
    for name in others:
        # Who cannot be asked now is waited for all the same, and says daily what it holds.
        heads.fetch(node, connection, case, name, chain.size)


def waiting(node: Node, connection: Connection) -> tuple[str, ...]:
    """Cases of this host that wait for their participants."""
    return tuple(case for case in _own(node, connection) if waits(node, connection, case))


def _own(node: Node, connection: Connection) -> list[str]:
    return [row.id for row in cases.list_cases(connection) if row.host == node.organization]


def waits(node: Node, connection: Connection, case: str) -> bool:
    """Whether a case of this host waits for its participants."""
    restored = node.restored
    if restored is None:
        return False
    rows = followers.of_case(connection, case).values()
    unheard = [row for row in rows if row.heard is None or row.heard < restored]
    if not unheard or cases.opened(connection, case) > restored:
        return False
    has_answers = len(unheard) < len(rows)
    return not (has_answers and node.now() > restored + PATIENCE)


def require_recovered(node: Node, connection: Connection, case: str) -> None:
    """Refuse to order in a case that waits.

    Raises:
        StorageError: it waits; whoever brings an event brings it again later.
    """
    if waits(node, connection, case):
        raise StorageError(
            "the database came back from a backup, and participants were asked what they hold",
            where=case[:16],
            hint="try again; the case goes on once they have answered",
        )


def finish(node: Node, connection: Connection) -> None:
    """Forget the restoring once no case waits."""
    if node.restored is not None:
        cards.set_setting(connection, cards.RESTORED, "")
        node.restored = None
