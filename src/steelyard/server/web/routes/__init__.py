"""Routes of the pages: what a browser asks, each with the handler that answers it.

Decides nothing but the list. A handler takes what the node holds, calls a presenter of `pages`,
and what it does, it does through functions of the node, the desk or the people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.intake.attachments import ATTACHMENT_LIMIT_BYTES
from steelyard.disclosure.reproducer.document import SIZE_LIMIT_BYTES
from steelyard.server.web import addresses
from steelyard.server.web.routes.accounts import Accounts
from steelyard.server.web.routes.acts import Acts
from steelyard.server.web.routes.cases import Cases
from steelyard.server.web.routes.deadlines import Deadlines
from steelyard.server.web.routes.following import Following
from steelyard.server.web.routes.intake import Intake
from steelyard.server.web.routes.organizations import Organizations
from steelyard.server.web.routes.public import Public
from steelyard.server.web.routes.shell import Shell
from steelyard.server.web.routes.signing_in import SigningIn
from steelyard.server.web.routes.triage import Triage

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["BODY_LIMITS", "add_pages"]

_FORM_BYTES: Final = 1 << 20
BODY_LIMITS: Final = {
    addresses.intake("attachments"): ATTACHMENT_LIMIT_BYTES + _FORM_BYTES,
    f"{addresses.CASES}/": SIZE_LIMIT_BYTES + _FORM_BYTES,
}
"""The most bytes of a form with a file, by the beginning of its path."""


def add_pages(app: FastAPI) -> None:
    """Add the pages to an application whose state has all that they are made of."""
    state = app.state
    shell = Shell(state.node, state.settings, state.public, state.holdings)
    app.state.problem_page = shell.problem
    for kind in (
        Public,
        SigningIn,
        Following,
        Intake,
        Triage,
        Acts,
        Deadlines,
        Cases,
        Organizations,
        Accounts,
    ):
        app.router.routes.extend(kind(shell).routes())
