"""After a start: reading the cases that moved last, so that nobody waits for the first page.

Decides how many are read, and that one that cannot be read is left to whoever asks for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import SteelyardError
from steelyard.server.storage import cases
from steelyard.server.web.guard import FAILURES

if TYPE_CHECKING:
    from steelyard.server.node import Node

_MOST: Final = 64


async def warm(node: Node) -> None:
    """Verify and hold the chains of the cases that moved last, one after the other."""
    for name in await asyncio.to_thread(_names, node):
        await asyncio.to_thread(_read, node, name)


def _names(node: Node) -> list[str]:
    with node.database.reading() as connection:
        return [row.id for row in cases.list_cases(connection)[:_MOST]]


def _read(node: Node, name: str) -> None:
    try:
        with node.database.reading() as connection:
            node.chains.find(connection, name)
    except SteelyardError as error:
        FAILURES.error("a case cannot be read", exc_info=error)
