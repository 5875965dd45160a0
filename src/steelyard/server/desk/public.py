"""The public folder: every published advisory in the files of a CSAF provider.

Decides that there is such a folder where the node has an https address alone, as the standard
asks for one, and that it is written anew when a case with an advisory has gone on: its host may
order a publication long after somebody asked for it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from steelyard.disclosure.advisory import Site
from steelyard.kernel import write_atomically
from steelyard.server.node import publishing
from steelyard.server.storage import advisories as rows

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.server.node import Node


@dataclass(slots=True)
class PublicFolder:
    """The folder of a node.

    Args:
        node: That publishes.
        folder: Which `GET /.well-known/...` serves.
        base: Address of the node.
    """

    node: Node
    folder: Path
    base: str
    _written: tuple[tuple[str, str], ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep_up(self) -> int:
        """Write the files anew where something may have become public; how many.

        Raises:
            StorageError: the disk refused; they are written the next time.
            CannotVerify: a case of theirs cannot be verified; they stay as they are.
        """
        if urlsplit(self.base).scheme != "https":
            return 0
        with self._lock:
            with self.node.database.reading() as connection:
                standing = rows.standing(connection)
                if standing == self._written:
                    return 0
                site = Site(self.base, key=self.node.identity.key)
                files = publishing.public_tree(self.node, connection, site)
            for file in files:
                write_atomically(self.folder / file.path, file.data)
            self._written = standing
            return len(files)
