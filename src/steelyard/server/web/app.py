"""The web application of a node: routes, what stands before them, and what runs beside them.

Decides how the parts are put together. Pages are in `pages` and their routes, what machines ask
is in `machines`; what stands before every route is in `guard`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

from steelyard import __version__
from steelyard.disclosure.case.event import EVENT_LIMIT_BYTES
from steelyard.disclosure.delivery.parcel import PARCEL_LIMIT_BYTES
from steelyard.kernel import read_bytes
from steelyard.kernel.errors import ConfigurationError
from steelyard.server.desk.public import PublicFolder
from steelyard.server.node import timers
from steelyard.server.node.mailing import Mail
from steelyard.server.node.sending import Sender
from steelyard.server.node.telling import Teller
from steelyard.server.web import problems
from steelyard.server.web.guard import FAILURES, Guard, Limits
from steelyard.server.web.holdings import Holdings
from steelyard.server.web.machines import EVENTS_PATH, PARCELS_PATH, describe, routes
from steelyard.server.web.routes import BODY_LIMITS, add_pages
from steelyard.server.web.settings import SECRET_LIMIT_BYTES, base_of
from steelyard.server.web.warming import warm

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from steelyard.server.node import Node
    from steelyard.server.web.settings import Settings, Smtp

_PAUSE_S: Final = 5.0
_RETRY_S: Final = 300.0
"""Until a folder that could not be written is tried again."""
_BODY_LIMITS: Final = {
    EVENTS_PATH: EVENT_LIMIT_BYTES,
    PARCELS_PATH: PARCEL_LIMIT_BYTES,
    **BODY_LIMITS,
}


def make_app(node: Node, settings: Settings) -> FastAPI:
    """The application of a node.

    `app.state` has `node`, `holdings`, `settings`, `public`, `sender` and `teller`.
    """
    app = FastAPI(
        title="Steelyard disclosure node",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_beside,
    )
    app.state.node = node
    app.state.holdings = Holdings(node)
    app.state.settings = settings
    base = base_of(settings, node.identity.card)
    app.state.public = PublicFolder(node, settings.public_folder, base)
    app.state.sender = Sender(node, allow_private=settings.allow_private)
    app.state.teller = Teller(node, mail_of(settings.smtp), allow_private=settings.allow_private)
    app.router.routes[:0] = routes(node, settings)
    add_pages(app)
    app.openapi = lambda: describe(app)  # pyright: ignore[reportAttributeAccessIssue]
    problems.install(app)
    app.add_middleware(
        Guard,
        limits=Limits(paths=_BODY_LIMITS),
        is_secure=settings.is_secure,
        behind_proxy=settings.behind_proxy,
    )
    return app


@asynccontextmanager
async def _beside(app: FastAPI) -> AsyncGenerator[None]:
    """What runs as long as the application: sending, and what is due now and then."""
    tasks = [
        asyncio.create_task(_over_and_over("sending", app.state.sender.run)),
        asyncio.create_task(_over_and_over("timers", lambda: timers.run(app.state.node))),
        asyncio.create_task(_over_and_over("telling", app.state.teller.run)),
        asyncio.create_task(
            _over_and_over("the public folder", lambda: _keep_public(app.state.public), _RETRY_S)
        ),
        asyncio.create_task(warm(app.state.holdings)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _keep_public(folder: PublicFolder) -> None:
    """Write the public folder soon after something became public, however that was ordered."""
    while True:
        await asyncio.to_thread(folder.keep_up)
        await asyncio.sleep(_PAUSE_S)


async def _over_and_over(
    name: str, run: Callable[[], Awaitable[Any]], pause_s: float = _PAUSE_S
) -> None:
    """Begin again after a failure, which is told: a full disk must not stop the post for ever."""
    while True:
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - the boundary of what runs beside the routes
            FAILURES.error("%s stopped, and begins again", name, exc_info=error)
        await asyncio.sleep(pause_s)


def mail_of(smtp: Smtp) -> Mail | None:
    """The mail server that the settings name; None for none.

    Raises:
        ConfigurationError: half a mail server.
        MalformedEvidence: the password cannot be read.
    """
    if not smtp.host:
        return None
    if not smtp.sender or bool(smtp.user) != bool(smtp.password_file):
        message = "a mail server needs a sender, and a user goes with a password file"
        raise ConfigurationError(message, where="[smtp]")
    password = ""
    if smtp.password_file:
        data = read_bytes(Path(smtp.password_file), limit_bytes=SECRET_LIMIT_BYTES)
        password = data.decode("utf-8", "replace").strip()
    return Mail(smtp.host, smtp.port, smtp.sender, smtp.user, password, starttls=smtp.starttls)
