"""Reporting a flaw without an account: step by step, saved and resumed by a code, sent once.

Decides which step is shown and what of a form is kept; what a report is made of is for
`server.desk`. Everything works without a script. A quota never asks who somebody is: a key that
is known here has one of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from steelyard.disclosure.advisory.escape import clean_text
from steelyard.disclosure.intake.report import LINE_LIMIT
from steelyard.kernel.errors import SteelyardError
from steelyard.server.desk import drafts, reports
from steelyard.server.people import tickets
from steelyard.server.storage import accounts
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.buckets import Rate
from steelyard.server.web import addresses
from steelyard.server.web.forms import Field
from steelyard.server.web.pages import Problem, intake
from steelyard.server.web.routes import quotas
from steelyard.server.web.routes.shell import require_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.server.desk.drafts import Draft
    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

_FIRST: Final = intake.STEPS[0]
_DRAFT: Final = "draft"
_RECEIPT: Final = "receipt"
_COOKIE_PATH: Final = addresses.REPORT
_RECEIPT_S: Final = 600
_DRAFTS_PER_REPORT: Final = 5
_MODEL: Final = re.compile(r"target-([1-9][0-9]?)-(?:name|vendor|version|identifiers)", re.ASCII)
_ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
_NO_DRAFT: Final = "no report is saved under this code"
_TICKET: Final = Field(
    "ticket",
    "Ticket of a key that is known here",
    hint="steelyard disclose node sign-in --key FILE --at ADDRESS; it is used for the quota alone.",
    required=False,
    limit=tickets.LIMIT,
)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is shown with a step beside what is saved."""

    errors: Mapping[str, str]
    values: Mapping[str, str]
    refused: Problem | None = None
    more_models: bool = False
    asks_ticket: bool = False


_PLAIN: Final = _Shown({}, {})


@dataclass(frozen=True, slots=True)
class Intake:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        shell, step = self.shell, f"{addresses.REPORT}/{{step}}"
        return [
            shell.page(addresses.REPORT, self.begin),
            shell.form(addresses.RESUME, self.resume, keeps=True),
            shell.page(addresses.RECEIPT, self.receipt),
            shell.page(step, self.show),
            shell.form(step, self.take, keeps=True),
        ]

    def begin(self, asked: Asked) -> Response:
        """The first step."""
        del asked
        return self.shell.done(addresses.intake(_FIRST))

    def show(self, asked: Asked) -> Response:
        """A step; the abstract comes first."""
        step, draft = asked.parts["step"], self._draft(asked)
        require_found(step in intake.STEPS)
        if draft is None and step != _FIRST:
            return self.shell.done(addresses.intake(_FIRST))
        shown = replace(_PLAIN, more_models=asked.query.get("more") == "1")
        return self._page(asked, step, draft, shown)

    def take(self, asked: Asked) -> Response:
        """Keep what a step has filled in, and go on."""
        step, draft = asked.parts["step"], self._draft(asked)
        require_found(step in intake.STEPS)
        values, errors = _read(step, asked)
        if errors or asked.refused:
            return self._page(asked, step, draft, _Shown(errors, values))
        try:
            if step == "attachments" and draft is not None:
                return self._attached(asked, draft)
            if step == intake.STEPS[-1] and asked.value("go") == "send":
                return self._sent(asked, draft)
            return self._kept(asked, step, draft, values)
        except SteelyardError as error:
            wrong = {"attachment": error.message} if step == "attachments" else {}
            refused = None if wrong else Problem(error.message, error.hint)
            return self._page(asked, step, draft, _Shown(wrong, values, refused))

    def resume(self, asked: Asked) -> Response:
        """Go on with the report of a code."""
        node, code = self.shell.node, asked.value("code")
        quotas.take(node, quotas.of_address(node, "resume", asked.client), quotas.SIGN_IN)
        with node.database.reading() as connection:
            draft = drafts.find(node, connection, code)
        if draft is None or asked.refused:
            page = intake.present(_FIRST, intake.Saved(), node.now(), policy=self._policy())
            page = replace(page, resume=intake.resume_form(_NO_DRAFT))
            return self.shell.html("intake", page, asked, HTTPStatus.UNPROCESSABLE_ENTITY)
        return self._with_code(self.shell.done(addresses.intake(_FIRST)), draft)

    def receipt(self, asked: Asked) -> Response:
        """What the reporter keeps; for ten minutes, in the browser that sent the report."""
        node, follow = self.shell.node, asked.cookies.get(self._cookie(_RECEIPT), "")
        with node.database.reading() as connection:
            report = reports.followed(node, connection, follow)
        page = intake.present_receipt(
            report.number,
            report.digest,
            report.received,
            f"{self.shell.base(asked)}{addresses.follow(follow)}",
            node.now(),
        )
        return self.shell.html("receipt", page, asked)

    def _kept(
        self, asked: Asked, step: str, draft: Draft | None, values: Mapping[str, str]
    ) -> Response:
        node = self.shell.node
        if draft is None:
            self._count_draft(asked)
            made = node.run(lambda connection: drafts.begin(node, connection, values))
        else:
            code = draft.code
            made = node.run(lambda connection: drafts.fill(node, connection, code, values))
        go = asked.value("go")
        if go == "more":
            return self.shell.done(f"{addresses.intake(step)}?more=1")
        place = intake.STEPS.index(step)
        after = step if go == "stop" else intake.STEPS[min(place + 1, len(intake.STEPS) - 1)]
        response = self.shell.done(addresses.intake(after), "saved" if go == "stop" else "")
        return self._with_code(response, made)

    def _attached(self, asked: Asked, draft: Draft) -> Response:
        node, upload, removed = (
            self.shell.node,
            asked.sent.files.get("attachment"),
            asked.value("remove"),
        )
        here, go, code = addresses.intake("attachments"), asked.value("go"), draft.code
        if removed:
            node.run(lambda c: drafts.detach(node, c, code, removed))
            return self.shell.done(here)
        if upload is not None:
            file = drafts.inspect(node, upload.name, upload.data)
            node.run(lambda c: drafts.attach(node, c, code, file))
        if go == "next":
            return self.shell.done(addresses.intake("hazard"), "attached" if upload else "")
        word = "saved" if go == "stop" else "attached" if upload else ""
        return self.shell.done(here, word)

    def _sent(self, asked: Asked, draft: Draft | None) -> Response:
        node = self.shell.node
        lacking = reports.missing(draft.values if draft else {})
        if draft is None or lacking:
            return self._page(asked, _FIRST, draft, _Shown(lacking, {}))
        try:
            self._count_report(asked)
        except HTTPException as error:
            hint = "What you wrote is saved under its resume code."
            shown = _Shown({}, {}, Problem(error.detail, hint), asks_ticket=True)
            response = self._page(asked, intake.STEPS[-1], draft, shown, error.status_code)
            response.headers.update(error.headers or {})
            return response
        with node.database.reading() as connection:
            prepared = reports.prepare(node, connection, draft)
        taken = node.run(lambda connection: reports.send(node, connection, prepared))
        response = self.shell.done(addresses.RECEIPT)
        self.shell.set_cookie(
            response, _RECEIPT, taken.follow, path=_COOKIE_PATH, seconds=_RECEIPT_S
        )
        self.shell.drop_cookie(response, _DRAFT, path=_COOKIE_PATH)
        return response

    def _page(
        self,
        asked: Asked,
        step: str,
        draft: Draft | None,
        shown: _Shown,
        status: int = HTTPStatus.UNPROCESSABLE_ENTITY,
    ) -> Response:
        saved = intake.Saved(
            {**(draft.values if draft else {}), **shown.values},
            draft.attachments if draft else (),
            draft.code if draft else "",
            draft.saved if draft else None,
        )
        page = intake.present(
            step,
            saved,
            self.shell.node.now(),
            shown.errors,
            self._policy(),
            more_models=shown.more_models,
        )
        if shown.asks_ticket:
            form = replace(page.form, fields=(*page.form.fields, _TICKET))
            page = replace(page, form=form)
        is_plain = not (shown.errors or shown.refused or asked.refused)
        code = HTTPStatus.OK if is_plain else HTTPStatus(status)
        return self.shell.html("intake", page, asked, code, shown.refused)

    def _draft(self, asked: Asked) -> Draft | None:
        node, code = self.shell.node, asked.cookies.get(self._cookie(_DRAFT), "")
        if not code:
            return None
        with node.database.reading() as connection:
            return drafts.find(node, connection, code)

    def _with_code(self, response: Response, draft: Draft) -> Response:
        self.shell.set_cookie(response, _DRAFT, draft.code, path=_COOKIE_PATH)
        return response

    def _count_draft(self, asked: Asked) -> None:
        """A draft is counted as well: one that nobody sends takes room too."""
        node, most = self.shell.node, self.shell.settings.quotas
        per_address = most.reports_per_day_per_address * _DRAFTS_PER_REPORT
        bucket = quotas.of_address(node, "draft", asked.client)
        quotas.take(node, bucket, Rate(per_address, per_address))
        together = most.reports_per_day * _DRAFTS_PER_REPORT
        quotas.take(node, "draft anybody", Rate(together, together))

    def _count_report(self, asked: Asked) -> None:
        node, most = self.shell.node, self.shell.settings.quotas
        key = self._known_key(asked)
        if key:
            per_key = most.reports_per_day_per_key
            quotas.take(node, f"report {key}", Rate(per_key, per_key))
            return
        per_address = most.reports_per_day_per_address
        bucket = quotas.of_address(node, "report", asked.client)
        quotas.take(node, bucket, Rate(per_address, per_address))
        together = most.reports_per_day
        quotas.take(node, "report anybody", Rate(together, together))

    def _known_key(self, asked: Asked) -> str:
        """Whose own quota counts: an account, or a key of an account or a trusted card."""
        if asked.visitor.account is not None:
            return f"account {asked.visitor.account.id}"
        if not asked.value("ticket"):
            return ""
        node = self.shell.node
        ticket = tickets.open_ticket(asked.value("ticket"), self.shell.base(asked), node.now())
        key = ticket.public_key.key_id
        with node.database.reading() as connection:
            if accounts.find_key(connection, key) is not None:
                return f"key {key}"
            trusted = [item.card for item in cards.all_known(connection) if item.trusted]
        return f"key {key}" if any(key in card.keys_at(node.now()) for card in trusted) else ""

    def _policy(self) -> str:
        return self.shell.node.identity.card.policy

    def _cookie(self, name: str) -> str:
        return self.shell.cookie(name, _COOKIE_PATH)


def _read(step: str, asked: Asked) -> tuple[dict[str, str], dict[str, str]]:
    """Values of a step's fields, and why some are refused."""
    values: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, limit, required in _fields(step, asked):
        if name not in asked.sent.fields:
            continue
        values[name] = asked.value(name)
        if len(values[name]) > limit > 0:
            errors[name] = f"At most {limit:,} characters; these are {len(values[name]):,}."
        elif required and not clean_text(values[name]) and asked.value("go") != "stop":
            errors[name] = "This is needed."
    if values.get("hazard_tier", reports.TIERS[0]) not in reports.TIERS:
        errors["hazard_tier"] = "One of the tiers above."
    return values, errors


def _fields(step: str, asked: Asked) -> list[tuple[str, int, bool]]:
    """Name, limit and need of every field that a step takes."""
    if step == "models":
        named = [(name, _MODEL.fullmatch(name)) for name in asked.sent.fields]
        return [
            (name, LINE_LIMIT, False)
            for name, found in named
            if found is not None and int(found[1]) <= intake.MODELS_LIMIT
        ]
    if step == "attachments":
        return []
    form = intake.present(step, intake.Saved(), _ANY_TIME).form
    return [(field.name, field.limit, field.required) for field in form.fields]
