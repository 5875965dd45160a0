"""What anybody may read: advisories with their dissents and files, and what pages load."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from steelyard.disclosure.advisory import Occasion, export
from steelyard.disclosure.advisory.atom import atom_feed
from steelyard.disclosure.advisory.formats import FORMATS
from steelyard.disclosure.advisory.reading import read_advisory
from steelyard.kernel.errors import NotSatisfied, UnknownName
from steelyard.server.node import publishing
from steelyard.server.web import addresses
from steelyard.server.web.pages import advisories, static_file
from steelyard.server.web.pages.cases.head import naming
from steelyard.server.web.pages.cases.publication import shown_dissent
from steelyard.server.web.routes.downloads import download
from steelyard.server.web.routes.shell import require_found

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import Request

    from steelyard.server.storage.advisories import AdvisoryRow
    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

_OFFERED: Final = ("csaf", "openvex", "avid", "csv", "atom")
_FRESH: Final = {"cache-control": "public, max-age=86400, immutable"}


@dataclass(frozen=True, slots=True)
class Public:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        page, one = self.shell.page, f"{addresses.ADVISORIES}/{{name}}"
        return [
            Route(f"{addresses.STATIC}/{{name}}", _static, methods=["GET"]),
            page(addresses.ADVISORIES, self.show),
            page(addresses.FEED, self.feed),
            page(one, self.show_one),
            page(f"{one}/{{form}}", self.fetch),
        ]

    def show(self, asked: Asked) -> Response:
        """All published advisories."""
        with self.shell.node.database.reading() as connection:
            public = publishing.published(self.shell.node, connection)
            found = [self._shown(connection, row) for row in public]
        page = advisories.present(found, self.shell.node.now(), asked.query.get("text", ""))
        return self.shell.html("advisories", page, asked)

    def show_one(self, asked: Asked) -> Response:
        """One advisory."""
        with self.shell.node.database.reading() as connection:
            found = self._shown(connection, self._row(connection, asked.parts["name"]))
        page = advisories.present_one(found, self.shell.node.now())
        return self.shell.html("advisory", page, asked)

    def fetch(self, asked: Asked) -> Response:
        """An advisory in one of the formats of the trade."""
        form, node = asked.parts["form"], self.shell.node
        require_found(form in FORMATS)
        with node.database.reading() as connection:
            row = self._row(connection, asked.parts["name"])
        advisory = read_advisory(row.document, where=row.id)
        occasion = Occasion(max(node.now(), advisory.changed_at))
        try:
            made = export(advisory, (form,), occasion, ())
        except NotSatisfied as error:
            raise UnknownName("this advisory has no such form") from error
        file = made.files[0]
        return download(file.data, file.path.rpartition("/")[2])

    def feed(self, asked: Asked) -> Response:
        """Advisories as an Atom feed."""
        base = self.shell.base(asked)
        with self.shell.node.database.reading() as connection:
            found = publishing.published(self.shell.node, connection)
        require_found(found)
        pairs = [
            (read_advisory(row.document, where=row.id), f"{base}{addresses.advisory(row.id)}")
            for row in found
        ]
        data = atom_feed(pairs, self_url=f"{base}{addresses.FEED}")
        return Response(data, media_type="application/atom+xml")

    def _row(self, connection: Connection, name: str) -> AdvisoryRow:
        public = publishing.published(self.shell.node, connection)
        found = next((row for row in public if row.id == name), None)
        if found is None:
            raise UnknownName("no such advisory")
        return found

    def _shown(self, connection: Connection, row: AdvisoryRow) -> advisories.Published:
        advisory = read_advisory(row.document, where=row.id)
        view = self.shell.node.chains.get(connection, row.case).view
        party = naming(view)
        return advisories.Published(
            name=row.id,
            advisory=advisory,
            dissents=[shown_dissent(party, item) for item in view.publication.dissents],
            files=[(form, f"{addresses.advisory(row.id)}/{form}") for form in _OFFERED],
        )


async def _static(request: Request) -> Response:
    try:
        data, media_type = static_file(request.path_params["name"])
    except UnknownName:
        return Response(status_code=HTTPStatus.NOT_FOUND.value)
    return Response(data, headers=_FRESH, media_type=media_type)
