"""What needs attention, for the page of the morning, and its number for the head of every page.

Decides how often it is counted: once a minute at most for each kind of reader, as far as the cases
are in memory; the page of the morning itself counts each time. Nothing that cannot be read keeps
a page from being shown.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import SteelyardError
from steelyard.server import people
from steelyard.server.desk import reports
from steelyard.server.node import legal
from steelyard.server.storage import post
from steelyard.server.storage import reports as report_rows
from steelyard.server.web.guard import FAILURES
from steelyard.server.web.pages import home

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.server.node import Node
    from steelyard.server.web.holdings import Holdings
    from steelyard.server.web.pages.home import HomePage

_COUNTED_FOR: Final = timedelta(minutes=1)
_HANDLES: Final = "triage"
_REPORTS: Final = 50
"""New reports on the page of the morning; the page of reports has all."""


@dataclass(slots=True)
class Attention:
    """What needs attention at a node, by whether a reader handles reports."""

    node: Node
    holdings: Holdings
    _counts: dict[bool, tuple[datetime, int]] = field(
        default_factory=dict[bool, "tuple[datetime, int]"]
    )
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def page(self, roles: Collection[str]) -> HomePage:
        """The page of the morning for a reader."""
        handles, now = people.may(roles, _HANDLES), self.node.now()
        with self.node.database.reading() as connection:
            made = self._present(connection, handles=handles)
        self._counts[handles] = (now, made.attention)
        return made

    def count(self, roles: Collection[str]) -> int:
        """How many things wait for a reader, as of a minute ago at most where that is known."""
        handles, now = people.may(roles, _HANDLES), self.node.now()
        counted = self._counts.get(handles)
        if counted is not None and now - counted[0] < _COUNTED_FOR:
            return counted[1]
        # Whoever comes while somebody counts has the earlier number.
        if self._counting.acquire(blocking=False):
            try:
                counted = self._counts[handles] = (now, self._counted(counted, handles=handles))
            finally:
                self._counting.release()
        return counted[1] if counted is not None else 0

    def _counted(self, before: tuple[datetime, int] | None, *, handles: bool) -> int:
        try:
            with self.node.database.reading() as connection:
                if self.holdings.are_read(connection):
                    return self._present(connection, handles=handles).attention
        except SteelyardError as error:
            FAILURES.error("what needs attention cannot be counted", exc_info=error)
        return before[1] if before is not None else 0

    def _present(self, connection: Connection, *, handles: bool) -> HomePage:
        node = self.node
        listed = self.holdings.list(connection)
        held = home.Held(
            views=listed.views,
            boards=legal.boards(node, connection, listed.views),
            unverified=listed.unverified,
            outgoing=post.listed(connection, ("dead",)),
            reports=self._received(connection) if handles else [],
            refused=len(post.refused_letters(connection)),
        )
        return home.present(held, node.organization, node.now())

    def _received(self, connection: Connection) -> list[home.Received]:
        found = report_rows.list_reports(connection, ("received",), _REPORTS)
        opened, closed = reports.opened_of(self.node, found)
        readable = [
            home.Received(item.number, item.content.title, item.received) for item in opened
        ]
        return [*readable, *(home.Received(row.number, row.number, row.received) for row in closed)]
