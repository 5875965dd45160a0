"""A report by its private link: where it stands, messages both ways, and what its case says.

Decides what a reporter without a node sees of a case: state, deadlines and the draft of the
advisory; no participant, no entry, no count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from steelyard.kernel.errors import SteelyardError
from steelyard.server.desk import reports, triage
from steelyard.server.node import legal
from steelyard.server.web import addresses
from steelyard.server.web.moments import moment
from steelyard.server.web.pages import Problem, intake
from steelyard.server.web.routes import quotas
from steelyard.server.web.words import EMBARGO, world_words

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.disclosure.deadlines import Board
    from steelyard.server.desk.reports import Report
    from steelyard.server.desk.triage import Shown
    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell


@dataclass(frozen=True, slots=True)
class Following:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        path = f"{addresses.FOLLOW}/{{secret}}"
        return [self.shell.page(path, self.show), self.shell.form(path, self.add, keeps=True)]

    def show(self, asked: Asked, refused: Problem | None = None) -> Response:
        """Where the report stands."""
        node, now = self.shell.node, self.shell.node.now()
        with node.database.reading() as connection:
            report = reports.followed(node, connection, asked.parts["secret"])
            said = reports.said(node, connection, report.number)
            shown = triage.shown(node, connection, report)
            board = legal.board(node, connection, report.case) if shown else None
        messages = [intake.Message(item.at, item.from_reporter, item.text) for item in said]
        page = intake.present_follow(
            report.number, report.received, _state(report), messages, asked.path, now
        )
        if shown is not None and board is not None:
            page = replace(page, facts=_facts(shown, board, now), draft=shown.draft)
        typed = asked.value("text") if refused or asked.refused else ""
        fields = tuple(replace(field, value=typed) for field in page.form.fields)
        page = replace(page, form=replace(page.form, fields=fields))
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused or asked.refused else HTTPStatus.OK
        return self.shell.html("follow", page, asked, status, refused)

    def add(self, asked: Asked) -> Response:
        """Take what the reporter adds."""
        if asked.refused:
            return self.show(asked)
        node, text = self.shell.node, asked.value("text")
        with node.database.reading() as connection:
            number = reports.followed(node, connection, asked.parts["secret"]).number
        quotas.take(node, f"message {number}", quotas.MESSAGES)
        try:
            said = reports.message(node, text, from_reporter=True)
            node.run(lambda c: reports.tell(c, number, said))
        except SteelyardError as error:
            return self.show(asked, Problem(error.message, error.hint))
        return self.shell.done(asked.path, "sent")


def _state(report: Report) -> str:
    words = reports.STATES[report.state]
    return f"{words[:1].upper()}{words[1:]}."


def _facts(shown: Shown, board: Board, now: datetime) -> tuple[tuple[str, str], ...]:
    view = shown.view
    embargo = EMBARGO[view.states.em]
    if shown.embargo_until is not None:
        until = moment(shown.embargo_until, now)
        embargo = f"{embargo}, until {until.text} ({until.relative})"
    published = moment(shown.published, now).text if shown.published else "not public yet"
    facts = [
        ("Case", f"{view.title}, opened {moment(view.opened, now).text}"),
        ("Report", "judged by every participant for itself"),
        ("Embargo", embargo),
        ("The world", world_words(view.states.pxa)),
        ("Advisory", published),
    ]
    for item in board.deadlines:
        if item.period is not None and item.status in {"open", "missed"}:
            due = moment(item.period.act_by, now)
            facts.append((item.rule.title, f"{item.status}, {due.text} ({due.relative})"))
    return tuple(facts)
