"""The public folder: every published advisory in the files of a CSAF provider.

Decides that there is such a folder where the node has an https address alone, as the standard
asks for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from steelyard.disclosure.advisory import Site
from steelyard.kernel import write_atomically
from steelyard.server.node import publishing

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.server.node import Node


def write_public(node: Node, folder: Path, base: str) -> int:
    """Write the files anew; how many.

    Args:
        node: That has published.
        folder: Which `GET /.well-known/...` serves.
        base: Address of the node.

    Raises:
        StorageError: the disk refused.
    """
    if urlsplit(base).scheme != "https":
        return 0
    site = Site(base, key=node.identity.key)
    with node.database.reading() as connection:
        files = publishing.public_tree(node, connection, site)
    for file in files:
        write_atomically(folder / file.path, file.data)
    return len(files)
