"""Handling reports: read, answer, sort, and turn one into a case."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import SteelyardError, UnknownName
from steelyard.server import people
from steelyard.server.desk import reports
from steelyard.server.desk import triage as desk
from steelyard.server.storage import reports as rows
from steelyard.server.web import addresses
from steelyard.server.web.pages import Problem, triage
from steelyard.server.web.routes.downloads import download
from steelyard.server.web.routes.shell import require_found

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.server.desk.reports import Report
    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

_HANDLES: Final = "triage"
_OPENS: Final = "open-case"


@dataclass(frozen=True, slots=True)
class Triage:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        shell, one = self.shell, f"{addresses.REPORTS}/{{number}}"
        return [
            shell.page(addresses.REPORTS, self.show, _HANDLES),
            shell.page(one, self.show_one, _HANDLES),
            shell.form(f"{one}/sort", self.sort, _HANDLES),
            shell.form(f"{one}/answer", self.answer, _HANDLES, keeps=True),
            shell.page(f"{one}/files/{{sha256}}", self.attachment, _HANDLES),
            shell.page(f"{one}/case", self.show_opening, _OPENS),
            shell.form(f"{one}/case", self.open, _OPENS, keeps=True),
        ]

    def show(self, asked: Asked) -> Response:
        """Reports that wait, or others."""
        node, state = self.shell.node, asked.query.get("state", "")
        is_all = state == "all"
        known = state if state in reports.STATES else ""
        states = () if is_all else (known,) if known else reports.OPEN
        with node.database.reading() as connection:
            found = rows.list_reports(connection, states)
        opened, closed = reports.opened_of(node, found)
        unopened = [row.number for row in closed]
        page = triage.present(opened, node.now(), known, unopened, is_all=is_all)
        return self.shell.html("reports", page, asked)

    def show_one(self, asked: Asked, refused: Problem | None = None) -> Response:
        """One report."""
        node = self.shell.node
        with node.database.reading() as connection:
            report = self._report(connection, asked)
            said = reports.said(node, connection, report.number)
        roles = asked.visitor.roles
        opens = people.may(roles, _OPENS)
        reads = report.tier != "h3" and people.may(roles, f"read-{report.tier}")
        typed = asked.value("text") if refused or asked.refused else ""
        page = triage.present_one(report, said, node.now(), typed, opens=opens, reads=reads)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused or asked.refused else HTTPStatus.OK
        return self.shell.html("report", page, asked, status, refused)

    def sort(self, asked: Asked) -> Response:
        """Say how it stands."""
        number, state = asked.parts["number"], asked.value("state")
        try:
            self.shell.node.run(lambda c: reports.sort(c, number, state))
        except UnknownName:
            raise
        except SteelyardError as error:
            return self.show_one(asked, Problem(error.message, error.hint))
        return self.shell.done(addresses.report(asked.parts["number"]), "sorted")

    def answer(self, asked: Asked) -> Response:
        """Write to the reporter."""
        if asked.refused:
            return self.show_one(asked)
        node, number, text = self.shell.node, asked.parts["number"], asked.value("text")
        try:
            said = reports.message(node, text, from_reporter=False)
            node.run(lambda c: reports.tell(c, number, said))
        except UnknownName:
            raise
        except SteelyardError as error:
            return self.show_one(asked, Problem(error.message, error.hint))
        return self.shell.done(addresses.report(asked.parts["number"]), "sent")

    def attachment(self, asked: Asked) -> Response:
        """Fetch an attachment; one of tier H2 is for people that may read it."""
        node, sha256 = self.shell.node, asked.parts["sha256"]
        with node.database.reading() as connection:
            report = self._report(connection, asked)
            require_found(report.tier != "h3")
            people.require(asked.visitor.roles, f"read-{report.tier}")
            named = next((item for item in report.attachments if item.sha256 == sha256), None)
            data = reports.attachment(node, connection, report, sha256)
        require_found(named)
        return download(data, named.name if named else sha256)

    def show_opening(self, asked: Asked, refused: Problem | None = None) -> Response:
        """The form that opens a case."""
        with self.shell.node.database.reading() as connection:
            report = self._report(connection, asked)
        if report.case:
            return self.shell.done(addresses.case(report.case))
        roles = self.shell.node.identity.card.roles
        typed = asked.value("title"), asked.value("abstract")
        page = triage.present_opening(report, roles, *typed)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused or asked.refused else HTTPStatus.OK
        return self.shell.html("opening", page, asked, status, refused)

    def open(self, asked: Asked) -> Response:
        """Open the case."""
        if asked.refused:
            return self.show_opening(asked)
        node, title, abstract = self.shell.node, asked.value("title"), asked.value("abstract")
        try:
            with node.database.reading() as connection:
                report = self._report(connection, asked)
                prepared = desk.prepare_case(node, connection, report, title, abstract)
            case = node.run(lambda c: desk.open_case(node, c, prepared))
        except UnknownName:
            raise
        except SteelyardError as error:
            return self.show_opening(asked, Problem(error.message, error.hint))
        return self.shell.done(addresses.case(case), "opened")

    def _report(self, connection: Connection, asked: Asked) -> Report:
        return reports.find(self.shell.node, connection, asked.parts["number"])
