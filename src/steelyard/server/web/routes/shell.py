"""Around every page: the visitor behind it, what it needs to be seen, its HTML and its cookies.

Decides that a page is shown to who may see it alone, that a form is acted on once it came from a
page of its visitor, and that refusals of the rules become sentences on a page.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from steelyard.kernel.errors import UnknownName
from steelyard.server import people
from steelyard.server.storage import accounts
from steelyard.server.web import addresses
from steelyard.server.web.guard import vouch
from steelyard.server.web.pages import CSRF_FIELD, Context, Problem, problem, render
from steelyard.server.web.problems import refusal
from steelyard.server.web.routes.asked import Asked, Sent, read_sent, require_own_origin
from steelyard.server.web.routes.attention import Attention
from steelyard.server.web.settings import base_of, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request

    from steelyard.server.desk.public import PublicFolder
    from steelyard.server.node import Node
    from steelyard.server.web.holdings import Holdings
    from steelyard.server.web.problems import Problem as Refused
    from steelyard.server.web.settings import Settings

    Handler = Callable[[Asked], Response]
    Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

NOTICES: Final = {
    "saved": "Saved. Keep the resume code to go on later.",
    "attached": "The file is attached.",
    "sent": "Sent.",
    "said": "It is said, and stands in the case or is on its way to its host.",
    "sorted": "The report was sorted.",
    "opened": "The case is open. The report is its first object.",
    "card": "The card was taken in.",
    "compared": "The fingerprint counts as compared.",
    "account": "The account was changed.",
    "facts": "The facts are kept.",
    "unwritten": "It is public. The files for machines could not be written: see the log.",
    "signed-out": "You are signed out.",
}
"""What was just done, by the word in the address `?done=`."""
_STALE: Final = (
    "This form belongs to an earlier session. Nothing was sent. What you typed is below: "
    "send it again."
)
_SIGN_IN_AGAIN: Final = "your session has ended: sign in in another tab, go back, and send it again"
_EARLIER: Final = "the form is of an earlier session: load its page anew"
_DONE: Final = "done"


@dataclass(slots=True)
class Shell:
    """What all handlers of pages share.

    Attributes:
        public: Of the files for machines.
        holdings: The cases.
        attention: What waits for whom.
    """

    node: Node
    settings: Settings
    public: PublicFolder
    holdings: Holdings
    attention: Attention = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count what waits."""
        self.attention = Attention(self.node, self.holdings)

    def page(self, path: str, show: Handler, permission: str = "") -> Route:
        """A page; without a permission it is public."""
        return Route(path, self._endpoint(show, permission), methods=["GET"])

    def form(self, path: str, act: Handler, permission: str = "", *, keeps: bool = False) -> Route:
        """Where a form is sent; with `keeps` it shows a form of an earlier session again."""
        return Route(path, self._endpoint(act, permission, keeps=keeps), methods=["POST"])

    def html(
        self,
        name: str,
        page: object,
        asked: Asked,
        status: HTTPStatus = HTTPStatus.OK,
        refused: Problem | None = None,
    ) -> Response:
        """A page as a response."""
        account = asked.visitor.account
        context = Context(
            node=self.node.identity.card.name,
            now=self.node.now(),
            user=account.name if account else "",
            csrf=asked.visitor.csrf,
            path=asked.path,
            attention=self.attention.count(asked.visitor.roles) if account else 0,
            notice=NOTICES.get(asked.query.get(_DONE, ""), ""),
            problem=refused or (Problem(asked.refused) if asked.refused else None),
            manages=people.may(asked.visitor.roles, "accounts"),
        )
        return HTMLResponse(render(name, page, context), status.value)

    def done(self, path: str, word: str = "") -> Response:
        """Go on to a page of this node, which says what was done."""
        where, _, anchor = path.partition("#")
        address = addresses.with_query(where, done=word) if word else where
        return RedirectResponse(f"{address}{f'#{anchor}' if anchor else ''}", 303)

    def base(self, asked: Asked) -> str:
        """Under which the visitor reaches this node, without a slash at its end."""
        card, host = self.node.identity.card, urlsplit(f"//{asked.host}").hostname or ""
        is_named = bool(self.settings.url or card.endpoint)
        if not is_named and is_loopback(self.settings.host) and is_loopback(host):
            return f"{'https' if self.settings.is_secure else 'http'}://{asked.host}"
        return base_of(self.settings, card)

    def set_cookie(
        self,
        response: Response,
        name: str,
        value: str,
        *,
        path: str = "/",
        seconds: int | None = None,
    ) -> None:
        """Give a browser something to send back, which no script reads."""
        response.set_cookie(
            self.cookie(name, path),
            value,
            max_age=seconds,
            path=path,
            secure=self.settings.is_secure,
            httponly=True,
            samesite="lax",
        )

    def drop_cookie(self, response: Response, name: str, *, path: str = "/") -> None:
        """Have a browser forget it; one that was set for TLS alone is forgotten so alone."""
        self.set_cookie(response, name, "", path=path, seconds=0)

    def cookie(self, name: str, path: str = "/") -> str:
        """The whole name of a cookie; the prefix keeps neighbouring hosts from setting it."""
        if not self.settings.is_secure:
            return f"steelyard-{name}"
        return f"__Host-steelyard-{name}" if path == "/" else f"__Secure-steelyard-{name}"

    async def problem(self, request: Request, found: Refused) -> Response:
        """A page for a refusal."""
        asked = await asyncio.to_thread(self._asked, request, Sent())
        shown = problem.present(found.status.value, found.detail, found.hint)
        response = self.html("problem", shown, asked, found.status)
        response.headers.update(found.headers or {})
        return response

    def _endpoint(self, handler: Handler, permission: str, *, keeps: bool = False) -> Endpoint:
        async def answer(request: Request) -> Response:
            sent = Sent()
            if request.method == "POST":
                if await asyncio.to_thread(self._require_welcome, request, permission):
                    vouch(request.scope)
                sent = await read_sent(request)
            rules = (permission, keeps)
            return await asyncio.to_thread(self._answer, request, handler, sent, rules)

        return answer

    def _require_welcome(self, request: Request, permission: str) -> bool:
        """Refuse a form before it is read where it cannot be acted on; whether its sender is known.

        Who sends it is asked again once it was read: a session may have ended meanwhile.
        """
        require_own_origin(request)
        visitor = self._asked(request, Sent()).visitor
        if permission and visitor.account is None:
            raise refusal(HTTPStatus.UNAUTHORIZED, _SIGN_IN_AGAIN)
        if permission:
            people.require(visitor.roles, permission)
        return visitor.account is not None

    def _answer(
        self, request: Request, handler: Handler, sent: Sent, rules: tuple[str, bool]
    ) -> Response:
        permission, keeps = rules
        asked = self._asked(request, sent)
        if permission and asked.visitor.account is None:
            return self._sign_in_first(request, asked)
        if permission:
            people.require(asked.visitor.roles, permission)
        if request.method == "POST" and not asked.visitor.sent(asked.value(CSRF_FIELD)):
            if not keeps:
                raise refusal(HTTPStatus.FORBIDDEN, _EARLIER)
            asked = replace(asked, refused=_STALE)
        response = handler(asked)
        if asked.visitor.is_new and not _sets(response, self.cookie("session")):
            self.set_cookie(response, "session", asked.visitor.token)
        return response

    def _asked(self, request: Request, sent: Sent) -> Asked:
        node, now = self.node, self.node.now()
        cookie = request.cookies.get(self.cookie("session"), "")
        with node.database.reading() as connection:
            visitor = people.visitor(connection, cookie, node.random, now)
        if visitor.is_stale:
            node.run(lambda connection: accounts.use_session(connection, visitor.token, now))
        return Asked(
            path=request.url.path,
            parts=request.path_params,
            query=request.query_params,
            cookies=request.cookies,
            host=request.headers.get("host", ""),
            client=request.client.host if request.client else "",
            visitor=visitor,
            sent=sent,
        )

    def _sign_in_first(self, request: Request, asked: Asked) -> Response:
        if request.method == "POST" or "hx-request" in request.headers:
            # A part that refreshes by itself stays as it is; a page in its place would be lost.
            raise refusal(HTTPStatus.UNAUTHORIZED, _SIGN_IN_AGAIN)
        if asked.path == addresses.HOME:
            return RedirectResponse(addresses.ADVISORIES, 303)
        query = f"?{request.url.query}" if request.url.query else ""
        return self.done(addresses.with_query(addresses.SIGN_IN, next=f"{asked.path}{query}"))


def own_path(text: str) -> str:
    """A path of this node, or the home page for anything that could lead elsewhere."""
    parts = urlsplit(text)
    is_plain = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    if not is_plain or parts.scheme or parts.netloc or "\\" in text:
        return addresses.HOME
    return text


def require_found(found: object) -> None:
    """Refuse what is not here in the same words as what must not be seen.

    Raises:
        UnknownName: nothing was found.
    """
    if not found:
        raise UnknownName("nothing here")


def _sets(response: Response, cookie: str) -> bool:
    named = f"{cookie}=".encode()
    return any(
        name == b"set-cookie" and value.startswith(named) for name, value in response.raw_headers
    )
