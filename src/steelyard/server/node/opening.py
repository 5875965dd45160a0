"""A node from its folder, with the keys that lie there whenever something is done.

Decides that keys which a command has made are spoken with from the next change on, by a server
that runs as well, that a rotation which was cut off is told when the node is opened next, and that
a host whose database came back from a backup asks before it tells its own cases anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel.errors import SteelyardError
from steelyard.server.node import restoring, rotation
from steelyard.server.node.identity import card_path, load_identity_of
from steelyard.server.node.node import Node
from steelyard.server.node.ordering import FAILURES
from steelyard.server.storage import open_database
from steelyard.server.storage import organizations as cards

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from steelyard.server.node.identity import Identity


def open_node(folder: Path, url: str = "", *, restored: bool = False) -> Node:
    """The node of a folder.

    Args:
        folder: Holds keys and card, and the database unless `url` names another.
        url: Of the database; empty for one SQLite file in the folder.
        restored: Whether the database came back from a backup just now.

    Raises:
        ConfigurationError: no node is here, or a database that cannot be used.
        StorageError: the database cannot be reached.
    """
    watch = _Watch(folder)
    identity = load_identity_of(folder)
    database = open_database(url or f"sqlite:///{folder / 'steelyard.db'}")
    with database.reading() as connection:
        since = cards.restored_since(connection)
    node = Node(identity, database, restored=since, newer=watch.newer)
    node.run(lambda connection: _begin(node, connection, restored=restored))
    return node


def _begin(node: Node, connection: Connection, *, restored: bool) -> None:
    """Keep the node's own card, and tell of it where that was not done and may be done now."""
    if restored:
        restoring.begin(node, connection)
    known = cards.find(connection, node.organization)
    if known is None:
        cards.keep(connection, node.identity.card, node.now(), trusted=True)
    elif known.card.sequence < node.identity.card.sequence:
        rotation.take_identity(node, connection, node.identity)


class _Watch:
    """Sees when another card was put into a folder.

    Args:
        folder: The node's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._stamp()

    def newer(self) -> Identity | None:
        """The identity of the folder, once after its card was exchanged; None otherwise."""
        stamp = self._stamp()
        if stamp in {self._seen, None}:
            return None
        self._seen = stamp
        try:
            return load_identity_of(self._folder)
        except SteelyardError as error:
            FAILURES.error("the keys of the node are used as they were: %s", error)
            return None

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes with the card; None where it cannot be looked at."""
        try:
            found = card_path(self._folder).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
