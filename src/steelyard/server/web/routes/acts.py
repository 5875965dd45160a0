"""Acting in a case: a form, what is said with it, and the form again with why it was refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import SteelyardError
from steelyard.server import people
from steelyard.server.node import legal
from steelyard.server.storage import organizations as cards
from steelyard.server.web import addresses
from steelyard.server.web.guard import FAILURES
from steelyard.server.web.pages import CSRF_FIELD, Problem, acts, facts
from steelyard.server.web.routes import act_bodies
from steelyard.server.web.routes.shell import require_found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.disclosure.case import View
    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

_SEES: Final = "see"
_JUDGES: Final = "act-judge"
_ONE: Final = f"{addresses.CASES}/{{case}}"
_TABS: Final[Mapping[str, str]] = {
    "Report": "",
    "Embargo": "embargo",
    "Models": "affectedness",
    "Advisory": "publication",
    "Participants": "",
    "Emergency": "",
}
"""Where an act of a group is seen afterwards."""


@dataclass(frozen=True, slots=True)
class Acts:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        shell, one = self.shell, f"{_ONE}/acts/{{kind}}"
        return [
            shell.page(f"{_ONE}/acts", self.show, _SEES),
            shell.page(one, self.show_one, _SEES),
            shell.form(one, self.do, _SEES, keeps=True),
            shell.page(f"{_ONE}/facts", self.show_facts, _SEES),
            shell.form(f"{_ONE}/facts", self.enter_facts, _JUDGES, keeps=True),
        ]

    def show(self, asked: Asked) -> Response:
        """Every act of a case."""
        node = self.shell.node
        with node.database.reading() as connection:
            view = self._view(connection, asked)
        page = acts.present_all(view, node.organization, node.now())
        roles = asked.visitor.roles
        groups = tuple(
            (title, tuple(item for item in offers if people.may(roles, _permission(item.address))))
            for title, offers in page.groups
        )
        page = replace(page, groups=tuple(group for group in groups if group[1]))
        return self.shell.html("acts", page, asked)

    def show_one(self, asked: Asked) -> Response:
        """One act."""
        self._require(asked)
        filled = {name: (value,) for name, value in asked.query.items()}
        return self._form(asked, filled)

    def do(self, asked: Asked) -> Response:
        """Say it, or show the form again with why not."""
        self._require(asked)
        node, case, kind = self.shell.node, asked.parts["case"], asked.parts["kind"]
        sent = {name: values for name, values in asked.sent.fields.items() if name != CSRF_FIELD}
        with node.database.reading() as connection:
            self._view(connection, asked)
        if asked.refused:
            return self._form(asked, sent)
        try:
            act_bodies.do(act_bodies.Filled(node, case, asked), kind)
        except SteelyardError as error:
            return self._form(asked, sent, Problem(str(error), error.hint))
        group = next(title for title, kinds in acts.GROUPS if kind in kinds)
        word = self._published() if kind == "publish" else "said"
        return self.shell.done(addresses.case(case, _TABS[group]), word)

    def _published(self) -> str:
        """Write the files for machines; the advisory is public whether that can be done."""
        try:
            self.shell.public.keep_up()
        except SteelyardError as error:
            FAILURES.error("the public folder was not written", exc_info=error)
            return "unwritten"
        return "said"

    def show_facts(self, asked: Asked, refused: Problem | None = None) -> Response:
        """Facts for deadlines, as they were entered."""
        with self.shell.node.database.reading() as connection:
            view = self._view(connection, asked)
            text = asked.value("facts") or legal.entered(connection, view.case)
        page = facts.present(asked.path, view.title, text)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused or asked.refused else HTTPStatus.OK
        return self.shell.html("link", page, asked, status, refused)

    def enter_facts(self, asked: Asked) -> Response:
        """Keep facts for deadlines."""
        node, case, text = self.shell.node, asked.parts["case"], asked.value("facts")
        if asked.refused:
            return self.show_facts(asked)
        with node.database.reading() as connection:
            self._view(connection, asked)
        try:
            entering = legal.read_entered(case, text)
            node.run(lambda connection: legal.enter(node, connection, entering))
        except SteelyardError as error:
            return self.show_facts(asked, Problem(str(error), error.hint))
        return self.shell.done(addresses.case(case, "deadlines"), "facts")

    def _form(
        self,
        asked: Asked,
        filled: Mapping[str, Sequence[str]],
        refused: Problem | None = None,
    ) -> Response:
        node, kind = self.shell.node, asked.parts["kind"]
        with node.database.reading() as connection:
            view = self._view(connection, asked)
            known = [item.card for item in cards.all_known(connection)] if kind == "invite" else []
        page = acts.present_one(view, node.organization, kind, node.now(), filled, known)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused or asked.refused else HTTPStatus.OK
        return self.shell.html("act", page, asked, status, refused)

    def _require(self, asked: Asked) -> None:
        """Refuse an act that there is not, and one that is not for this reader, alike."""
        kind = asked.parts["kind"]
        require_found(kind in act_bodies.KINDS)
        people.require(asked.visitor.roles, f"act-{kind}")

    def _view(self, connection: Connection, asked: Asked) -> View:
        view = self.shell.holdings.chain(connection, asked.parts["case"]).view
        require_found(self.shell.node.organization in view.members)
        return view


def _permission(address: str) -> str:
    """What it takes to do the act of an address."""
    return f"act-{address.rpartition('/')[2]}"
