"""Legal deadlines of all cases, and as files for calendars: to fetch, or by a private link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.deadlines import calendar_file
from steelyard.kernel.errors import UnknownName
from steelyard.server import people
from steelyard.server.node import legal
from steelyard.server.storage import accounts
from steelyard.server.storage import cases as rows
from steelyard.server.storage.accounts import Link
from steelyard.server.web import addresses
from steelyard.server.web.pages import deadlines
from steelyard.server.web.pages import facts as pages
from steelyard.server.web.routes.downloads import download
from steelyard.server.web.routes.shell import require_found

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

CALENDAR: Final = "calendar"
"""Kind of a link that reads the calendar of all cases."""
_SEES: Final = "see"
_LINK_FOR: Final = timedelta(days=366)
_ICS: Final = "text/calendar"
_END: Final = b"END:VCALENDAR\r\n"
_FIRST_EVENT: Final = b"BEGIN:VEVENT\r\n"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        page, form = self.shell.page, self.shell.form
        return [
            page(addresses.DEADLINES, self.show, _SEES),
            page(addresses.CALENDAR_FILE, self.file, _SEES),
            page(f"{addresses.CASES}/{{case}}/deadlines.ics", self.case_file, _SEES),
            page(addresses.CALENDAR_LINK, self.show_link, _SEES),
            form(addresses.CALENDAR_LINK, self.make_link, _SEES),
            page(f"{addresses.CALENDAR}/{{secret}}.ics", self.private),
        ]

    def show(self, asked: Asked) -> Response:
        """Deadlines of all cases."""
        node = self.shell.node
        with node.database.reading() as connection:
            listed = self.shell.holdings.list(connection)
            found = legal.boards(node, connection, listed.views)
        names = {view.case: view.title for view in listed.views}
        named = {case: replace(board, subject=names[case]) for case, board in found.items()}
        month, unverified = asked.query.get("month", ""), listed.unverified
        page = deadlines.present(named, node.now(), month, unverified=unverified)
        return self.shell.html("deadlines", page, asked)

    def file(self, asked: Asked) -> Response:
        """The calendar of all cases, to be saved."""
        del asked
        return download(self._calendar(), "deadlines.ics", _ICS)

    def case_file(self, asked: Asked) -> Response:
        """The calendar of one case, to be saved."""
        node, case = self.shell.node, asked.parts["case"]
        with node.database.reading() as connection:
            view = self.shell.holdings.chain(connection, case).view
            require_found(node.organization in view.members)
            data = calendar_file(legal.board(node, connection, case))
        return download(data, f"deadlines-{case[:12]}.ics", _ICS)

    def show_link(self, asked: Asked) -> Response:
        """The form that makes a private link."""
        return self.shell.html("link", pages.present_calendar(asked.path), asked)

    def make_link(self, asked: Asked) -> Response:
        """Make a private link, shown once; an earlier one of the account becomes void."""
        node, account = self.shell.node, asked.visitor.account
        if account is None:
            raise UnknownName("nobody has signed in")
        secret = accounts.new_secret(node.random)
        link = Link(CALENDAR, account.id, node.now() + _LINK_FOR)

        def keep(connection: Connection) -> None:
            accounts.drop_links(connection, CALENDAR, account.id)
            accounts.add_link(connection, secret, link)

        node.run(keep)
        shown = f"{self.shell.base(asked)}{addresses.CALENDAR}/{secret}.ics"
        return self.shell.html("link", pages.present_calendar(asked.path, shown), asked)

    def private(self, asked: Asked) -> Response:
        """The calendar of all cases for a program that has the link of an account."""
        node = self.shell.node
        with node.database.reading() as connection:
            link = accounts.find_link(connection, asked.parts["secret"], (CALENDAR,), node.now())
            found = accounts.find_account(connection, link.subject) if link else None
        if found is None or found.disabled:
            raise UnknownName("no such calendar")
        people.require(found.roles, _SEES)
        return download(self._calendar(), "deadlines.ics", _ICS)

    def _calendar(self) -> bytes:
        """The events of all cases in one calendar; it cannot say that those of one are missing.

        Raises:
            HTTPException: 500, where a case does not verify.
        """
        node = self.shell.node
        with node.database.reading() as connection:
            views = [
                self.shell.holdings.chain(connection, name).view
                for name in rows.case_ids(connection)
            ]
            found = legal.boards(node, connection, views)
        names = {view.case: view.title for view in views}
        parts = [
            calendar_file(replace(board, subject=f"{names[case]} ({case[:12]})"))
            for case, board in found.items()
        ]
        if not parts:
            return b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Steelyard//EN\r\n" + _END
        head = parts[0].partition(_FIRST_EVENT)[0].removesuffix(_END)
        events = [part.removeprefix(head).removesuffix(_END) for part in parts]
        return head + b"".join(events) + _END
