"""The directory: cards taken in, fingerprints compared; and the health of delivery."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import open_card
from steelyard.kernel.errors import SteelyardError, UnknownName
from steelyard.server.storage import organizations as rows
from steelyard.server.storage import post
from steelyard.server.web import addresses
from steelyard.server.web.pages import Problem, directory, outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.server.storage.organizations import Known
    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

_SEES: Final = "see"
_KEEPS: Final = "organizations"


@dataclass(frozen=True, slots=True)
class Organizations:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        shell, one = self.shell, f"{addresses.ORGANIZATIONS}/{{organization}}"
        return [
            shell.page(addresses.ORGANIZATIONS, self.show, _SEES),
            shell.form(addresses.ORGANIZATIONS, self.take, _KEEPS, keeps=True),
            shell.page(one, self.show_one, _SEES),
            shell.form(one, self.compare, _KEEPS, keeps=True),
            shell.page(addresses.OUTBOX, self.outbox, _SEES),
        ]

    def show(self, asked: Asked, refused: Problem | None = None) -> Response:
        """All organizations."""
        node, known = self.shell.node, self._known()
        trusted = {item.card.organization for item in known if item.trusted}
        cards = [item.card for item in known]
        page = directory.present(cards, node.organization, node.now(), trusted)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused or asked.refused else HTTPStatus.OK
        return self.shell.html("directory", page, asked, status, refused)

    def take(self, asked: Asked) -> Response:
        """Take in a card that somebody was sent."""
        upload, node = asked.sent.files.get("card"), self.shell.node
        if asked.refused or upload is None:
            missing = Problem("a file is missing", "choose it again")
            return self.show(asked, None if asked.refused else missing)
        try:
            card = open_card(upload.data)
            node.run(lambda connection: rows.keep(connection, card, node.now()))
        except SteelyardError as error:
            return self.show(asked, Problem(error.message, error.hint))
        return self.shell.done(addresses.organization(card.organization), "card")

    def show_one(self, asked: Asked, refused: Problem | None = None) -> Response:
        """One organization."""
        node, known = self.shell.node, self._known()
        found = self._one(known, asked)
        page = directory.present_one(
            found.card,
            [item.card for item in known],
            node.organization,
            node.now(),
            is_trusted=found.trusted,
        )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused or asked.refused else HTTPStatus.OK
        return self.shell.html("organization", page, asked, status, refused)

    def compare(self, asked: Asked) -> Response:
        """Count a fingerprint as compared, where the digits that somebody read out agree."""
        if asked.refused:
            return self.show_one(asked)
        node, card = self.shell.node, self._one(self._known(), asked).card
        digits = asked.value("digits").replace(" ", "").lower()
        if len(digits) != directory.DIGITS or not card.organization.endswith(digits):
            hint = "do not trust this card; ask its owner again, by another way"
            return self.show_one(asked, Problem("the digits do not agree", hint))
        node.run(lambda connection: rows.keep(connection, card, node.now(), trusted=True))
        return self.shell.done(addresses.organization(card.organization), "compared")

    def outbox(self, asked: Asked) -> Response:
        """What waits for whom, and what was given up."""
        node = self.shell.node
        with node.database.reading() as connection:
            waiting = post.listed(connection)
            destinations = post.destinations(connection)
            refused = post.refused_letters(connection)
        names = {item.card.organization: item.card.name for item in self._known()}
        letters = [
            outbox.Refused(item.parcel_id, item.peer, item.at, item.reason) for item in refused
        ]
        live = asked.query.get("live") == "1"
        page = outbox.present(waiting, destinations, names, node.now(), letters, live=live)
        return self.shell.html("outbox", page, asked)

    def _known(self) -> Sequence[Known]:
        with self.shell.node.database.reading() as connection:
            return rows.all_known(connection)

    def _one(self, known: Sequence[Known], asked: Asked) -> Known:
        name = asked.parts["organization"]
        for item in known:
            if item.card.organization == name:
                return item
        raise UnknownName("no such organization")
