"""Pages of cases: the morning, the list, and every tab of one.

Decides which case a reader sees: every one of this node, as one organization has it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.findings import find
from steelyard.kernel.errors import SteelyardError
from steelyard.server import people
from steelyard.server.node import legal, publishing, saying
from steelyard.server.storage import cases as rows
from steelyard.server.web import addresses
from steelyard.server.web.pages import (
    affectedness,
    board,
    deadlines,
    embargo,
    home,
    payloads,
    publication,
    timeline,
)
from steelyard.server.web.routes import reading
from steelyard.server.web.routes.downloads import download
from steelyard.server.web.routes.shell import require_found

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection
    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.disclosure.case import Chain, View
    from steelyard.server.web.forms import Form
    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

_SEES: Final = "see"
_ONE: Final = f"{addresses.CASES}/{{case}}"


@dataclass(frozen=True, slots=True)
class _Read:
    """A case and what it is read with."""

    connection: Connection
    chain: Chain
    warnings: tuple[str, ...]

    @property
    def view(self) -> View:
        """Where it stands."""
        return self.chain.view


@dataclass(frozen=True, slots=True)
class Cases:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        page = self.shell.page
        return [
            page(addresses.HOME, self.home, _SEES),
            page(addresses.CASES, self.list, _SEES),
            page(_ONE, self.board, _SEES),
            page(f"{_ONE}/timeline", self.timeline, _SEES),
            page(f"{_ONE}/embargo", self.embargo, _SEES),
            page(f"{_ONE}/affectedness", self.affectedness, _SEES),
            page(f"{_ONE}/deadlines", self.deadlines, _SEES),
            page(f"{_ONE}/publication", self.publication, _SEES),
            page(f"{_ONE}/payloads", self.payloads, _SEES),
            page(f"{_ONE}/payloads/{{object}}", self.fetch, _SEES),
        ]

    def home(self, asked: Asked) -> Response:
        """What needs attention today."""
        return self.shell.html("home", self.shell.attention.page(asked.visitor.roles), asked)

    def list(self, asked: Asked) -> Response:
        """All cases."""
        node = self.shell.node
        with node.database.reading() as connection:
            found = self.shell.holdings.list(connection)
        page = home.present_cases(found.views, node.organization, node.now(), found.unverified)
        return self.shell.html("cases", page, asked)

    def board(self, asked: Asked) -> Response:
        """Every participant of a case."""
        with self._read(asked) as case:
            wanted = board.read_asked(asked.query)
            page = board.present(case.view, *self._reader(), wanted, case.warnings)
            return self.shell.html("board", page, asked)

    def timeline(self, asked: Asked) -> Response:
        """Every entry of a case."""
        with self._read(asked) as case:
            node, roles = self.shell.node, asked.visitor.roles
            texts = reading.Texts(node, case.connection, case.view, roles)
            wanted = timeline.read_asked(asked.query)
            page = timeline.present(case.chain, *self._reader(), wanted, texts, case.warnings)
            return self.shell.html("timeline", page, asked)

    def embargo(self, asked: Asked) -> Response:
        """Its clock, its terms, who consents."""
        with self._read(asked) as case:
            page = embargo.present(case.view, *self._reader(), case.warnings)
            page = replace(page, forms=_own_forms(page.forms, asked))
            return self.shell.html("embargo", page, asked)

    def affectedness(self, asked: Asked) -> Response:
        """Who is affected, as far as the reader may see it."""
        with self._read(asked) as case:
            node, roles = self.shell.node, asked.visitor.roles
            opened = reading.findings(node, case.connection, case.view, roles)
            found = find(case.chain, opened)
            page = affectedness.present(case.view, *self._reader(), found, case.warnings)
            page = replace(page, forms=_own_forms(page.forms, asked))
            return self.shell.html("affectedness", page, asked)

    def deadlines(self, asked: Asked) -> Response:
        """Legal deadlines of a case."""
        with self._read(asked) as case:
            node, name = self.shell.node, case.view.case
            found = {name: legal.board(node, case.connection, name)}
            month, one = asked.query.get("month", ""), (case.view, node.organization)
            page = deadlines.present(found, node.now(), month, case=one)
            return self.shell.html("deadlines", page, asked)

    def publication(self, asked: Asked) -> Response:
        """The advisory on its way out."""
        with self._read(asked) as case:
            document = self._draft(case, asked)
            page = publication.present(case.view, *self._reader(), document, case.warnings)
            page = replace(page, forms=_own_forms(page.forms, asked))
            return self.shell.html("publication", page, asked)

    def payloads(self, asked: Asked) -> Response:
        """Sealed objects and their tiers."""
        number = asked.query.get("page", "")
        is_number = number.isascii() and number.isdigit() and len(number) < 8  # noqa: PLR2004
        with self._read(asked) as case:
            place = int(number) if is_number else 1
            page = payloads.present(case.view, *self._reader(), place, case.warnings)
            return self.shell.html("payloads", page, asked)

    def fetch(self, asked: Asked) -> Response:
        """A sealed object as a file; one of tier H3 is never there."""
        node, name = self.shell.node, asked.parts["object"]
        with self._read(asked) as case:
            payload = case.view.payloads.get(name)
            require_found(payload)
            roles = asked.visitor.roles
            require_found(payload and reading.may_read(roles, payload, node.organization))
            opened = saying.read_object(node, case.connection, name)
        ending = opened.media_type.partition("/")[2].rpartition("+")[2]
        return download(opened.plaintext, f"{name[:16]}.{ending}")

    @contextmanager
    def _read(self, asked: Asked) -> Generator[_Read]:
        node = self.shell.node
        with node.database.reading() as connection:
            chain = self.shell.holdings.chain(connection, asked.parts["case"])
            require_found(node.organization in chain.view.members)
            yield _Read(connection, chain, tuple(_warnings(connection, chain.view)))

    def _reader(self) -> tuple[str, datetime]:
        return self.shell.node.organization, self.shell.node.now()

    def _draft(self, case: _Read, asked: Asked) -> str:
        name = case.view.publication.object
        payload = case.view.payloads.get(name) if name else None
        own, roles = self.shell.node.organization, asked.visitor.roles
        if payload is None or not reading.may_read(roles, payload, own):
            return ""
        try:
            document = publishing.drafted(self.shell.node, case.connection, case.view)
        except SteelyardError:
            return ""  # of another node, and still on its way
        return document.decode("utf-8", "replace")


def _own_forms(forms: Sequence[Form], asked: Asked) -> tuple[Form, ...]:
    """Forms that this reader may send; the id of each is its act."""
    return tuple(form for form in forms if people.may(asked.visitor.roles, f"act-{form.id}"))


def _warnings(connection: Connection, view: View) -> list[str]:
    """What is wrong with a case: faults of its hosts, events of ours that were refused."""
    found = [
        f"{view.named(item.culprit)} {item.text}" for item in rows.faults(connection, view.case)
    ]
    refused = [
        f"The host refused event {item.sequence} of yours: {item.refused}"
        for item in rows.pending(connection, view.case)
        if item.refused not in {"", saying.ANEW}
    ]
    return [*found, *refused]
