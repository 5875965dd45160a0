"""After a start: reading the cases that moved last, so that nobody waits for the first page.

Decides how many are read. One that cannot be read is left to whoever asks for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import SteelyardError
from steelyard.server.storage import cases
from steelyard.server.web.guard import FAILURES

if TYPE_CHECKING:
    from steelyard.server.storage.cases import CaseRow
    from steelyard.server.web.holdings import Holdings

_MOST: Final = 64


async def warm(holdings: Holdings) -> None:
    """Verify and hold the chains of the cases that moved last, one after the other."""
    for row in await asyncio.to_thread(_rows, holdings):
        await asyncio.to_thread(_read, holdings, row)


def _rows(holdings: Holdings) -> tuple[CaseRow, ...]:
    with holdings.node.database.reading() as connection:
        return cases.list_cases(connection)[:_MOST]


def _read(holdings: Holdings, row: CaseRow) -> None:
    try:
        with holdings.node.database.reading() as connection:
            holdings.view(connection, row)
    except SteelyardError as error:
        FAILURES.error("a case cannot be read", exc_info=error)
