"""What stands before every route: limits of bodies and time, headers of answers, the access log.

Decides how much of a request is read and how long it may take, and that nothing unexpected is
told. Whoever is answered before all of a body was read gets to read the answer: the rest is taken
and thrown away for a while, as a connection that is closed over unread bytes loses what was sent.
Works on bare ASGI messages, as it is part of the hot path. The log has routes, not addresses: an
address can hold the secret part of a link.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from steelyard.server.web.bodies import Held, Sender, network_of
from steelyard.server.web.pages import HEADERS
from steelyard.server.web.problems import problem_of, refusal, respond

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from starlette.exceptions import HTTPException
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACCESS: Final = logging.getLogger("steelyard.access")
FAILURES: Final = logging.getLogger("steelyard.failures")
JSON_LIMIT_BYTES: Final = 1 << 20
_LARGE_BYTES: Final = 64 * 1024
_CLOSE: Final[Mapping[str, str]] = {"connection": "close"}
_CLOSING: Final = (b"connection", b"close")
_SENDER: Final = "steelyard.sender"
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_NO_STORE: Final = (b"cache-control", b"no-store")
_SECURITY: Final = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may use up.

    Attributes:
        body_bytes: Of a body, unless its path has a limit of its own.
        paths: Limits by the beginning of a path, the longest counts.
        waiting_bytes: Of all bodies that are being read at once.
        strangers_bytes: The part of it for bodies of senders that nobody has vouched for.
        sender_bytes: The part of it for one sender; half of what strangers have, as that much is
            the largest body, a parcel.
        idle_s: How long the next part of a body may take.
        body_s: How long a whole body may take.
        send_s: How long the other side may take to read a large part of an answer.
        rest_bytes: Of a body that was answered already, to be thrown away.
        rest_s: How long that may take.
    """

    body_bytes: int = JSON_LIMIT_BYTES
    paths: Mapping[str, int] = field(default_factory=dict[str, int])
    waiting_bytes: int = 64 << 20
    strangers_bytes: int = 32 << 20
    sender_bytes: int = 16 << 20
    idle_s: float = 10.0
    body_s: float = 60.0
    send_s: float = 60.0
    rest_bytes: int = 32 << 20
    rest_s: float = 10.0

    def of(self, path: str) -> int:
        """The most bytes of a body that is sent to a path."""
        found = [prefix for prefix in self.paths if path.startswith(prefix)]
        return self.paths[max(found, key=len)] if found else self.body_bytes


class Guard:
    """Stands before an application.

    Args:
        app: What answers.
        limits: Of requests.
        is_secure: Whether browsers reach the node by TLS alone.
        behind_proxy: Whether the last address of `X-Forwarded-For` is the client's.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        *,
        is_secure: bool = False,
        behind_proxy: bool = False,
    ) -> None:
        self._app = app
        self._limits = limits
        self._is_secure = is_secure
        self._behind_proxy = behind_proxy
        self._headers = [*_SECURITY, *((_HSTS,) if is_secure else ())]
        self._held = Held(limits.waiting_bytes, limits.strangers_bytes, limits.sender_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._correct(scope)
        body = scope[_SENDER] = _Body(self._limits, self._held, receive, scope)
        answer = _Answer(send, self._headers, self._limits.send_s, body)
        begun = time.perf_counter()
        try:
            body.require_fitting()
            await self._app(scope, body.receive, answer.send)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: nothing is told of what fails inside
            await self._fail(error, scope, receive, answer)
        finally:
            self._held.drop(body.sender, body.taken)
            # Each would keep the other alive until the interpreter looks for cycles.
            del scope[_SENDER]
            if ACCESS.isEnabledFor(logging.INFO):
                _log(scope, answer.status, body.taken, begun)
        if answer.is_open:
            await body.throw_rest_away(self._limits.rest_bytes, self._limits.rest_s)
            await answer.end()

    async def _fail(
        self, error: Exception, scope: Scope, receive: Receive, answer: _Answer
    ) -> None:
        problem = problem_of(error)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not answer.status:
            FAILURES.error("%s %s", scope["method"], _route(scope), exc_info=error)
        if not answer.status:
            await respond(problem)(scope, receive, answer.send)

    def _correct(self, scope: Scope) -> None:
        if not self._behind_proxy:
            return
        if self._is_secure:
            scope["scheme"] = "https"
        values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        if values:
            # What stands before the last address was written by whoever asked.
            address = values[-1].decode("latin-1").rpartition(",")[2].strip()
            scope["client"] = (address[:64], 0)


class _Body:
    """A body as it comes in.

    Attributes:
        taken: Bytes that came before the answer.
        sender: Whom it is counted for.
    """

    __slots__ = (
        "_announced",
        "_done",
        "_held",
        "_late",
        "_limits",
        "_most",
        "_receive",
        "_scope",
        "_until",
        "sender",
        "taken",
    )

    def __init__(self, limits: Limits, held: Held, receive: Receive, scope: Scope) -> None:
        self._limits = limits
        self._held = held
        self._receive = receive
        self._scope = scope
        self._until = 0.0
        self._most = limits.of(scope["path"])
        self._announced = False
        self._done = False
        self._late = False
        self.sender = Sender(network_of((scope.get("client") or ("",))[0]))
        self.taken = 0

    @property
    def is_left(self) -> bool:
        """Whether some of it is still to come, and is waited for."""
        return self._announced and not self._done and not self._late

    def require_fitting(self) -> None:
        """Refuse a body by its announced length, before any of it is read."""
        for name, value in self._scope["headers"]:
            if name == b"content-length":
                size = int(value)
                self._announced = size > 0
                if size > self._most:
                    raise _too_large(self._most)
            elif name == b"transfer-encoding":
                self._announced = True

    async def receive(self) -> Message:
        """The next message, within the limits.

        Raises:
            HTTPException: too much, or too slowly.
        """
        if self._done:
            return await self._receive()
        message = await self._in_time()
        size = self._note(message)
        self.taken += size
        self._held.add(self.sender, size)
        if self.taken > self._most:
            raise _too_large(self._most)
        return message

    async def throw_rest_away(self, most_bytes: int, seconds: float) -> None:
        """Take what still comes, without keeping it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.is_left and most_bytes > 0:
                    most_bytes -= self._note(await self._receive())

    def _note(self, message: Message) -> int:
        """How many bytes of the body a message has."""
        self._done = not message.get("more_body", False)
        return len(message.get("body", b""))

    async def _in_time(self) -> Message:
        loop = asyncio.get_running_loop()
        self._until = self._until or loop.time() + self._limits.body_s
        try:
            async with asyncio.timeout_at(min(self._until, loop.time() + self._limits.idle_s)):
                return await self._receive()
        except TimeoutError:
            # Whoever is slow is not waited for a second time, for the rest.
            self._late = True
            detail = "the body takes too long"
            raise refusal(HTTPStatus.REQUEST_TIMEOUT, detail, _CLOSE) from None


class _Answer:
    """An answer as it goes out, with the headers that every answer has.

    Attributes:
        status: 0 before there is one.
        is_open: Whether all was sent but its end, as the rest of the body comes first.
    """

    __slots__ = ("_body", "_headers", "_send", "_send_s", "is_open", "status")

    def __init__(
        self, send: Send, headers: list[tuple[bytes, bytes]], send_s: float, body: _Body
    ) -> None:
        self._send = send
        self._headers = headers
        self._send_s = send_s
        self._body = body
        self.is_open = False
        self.status = 0

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._complete(message)
            await self._send(message)
            return
        if self._body.is_left and not message.get("more_body", False):
            self.is_open = True
            message = {**message, "more_body": True}
        if len(message.get("body", b"")) > _LARGE_BYTES:
            async with asyncio.timeout(self._send_s):
                await self._send(message)
        else:
            await self._send(message)

    async def end(self) -> None:
        """Send the end of an answer that was left open."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _complete(self, message: MutableMapping[str, Any]) -> None:
        given = list(message.get("headers", ()))
        names = {name for name, _ in given}
        given += [header for header in self._headers if header[0] not in names]
        if _NO_STORE[0] not in names:
            given.append(_NO_STORE)
        if self._body.is_left and _CLOSING[0] not in names:
            given.append(_CLOSING)
        message["headers"] = given


def vouch(scope: Scope, key: str = "") -> None:
    """Say that who sends a request is known: its body takes no room of strangers.

    Called before the body is read.

    Args:
        scope: Of the request.
        key: By which it is known; the address counts where there is none.
    """
    body: _Body = scope[_SENDER]
    body.sender = Sender(key or body.sender.name, is_vouched=True)


async def read_body(receive: Receive) -> bytes:
    """A whole body.

    Raises:
        HTTPException: the other side went away; its answer is read by nobody.
    """
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise refusal(HTTPStatus.BAD_REQUEST, "the body was cut short")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts) if len(parts) > 1 else parts[0]


def _too_large(limit: int) -> HTTPException:
    return refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body here has at most {limit} bytes", _CLOSE
    )


def _route(scope: Scope) -> str:
    """The path with names in the place of what was asked for; a dash where there is no route."""
    if "endpoint" not in scope:
        return "-"
    path: str = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(str(value) or path, f"{{{name}}}")
    return path


def _log(scope: Scope, status: int, taken: int, begun: float) -> None:
    client = scope.get("client") or ("-", 0)
    took = (time.perf_counter() - begun) * 1000
    ACCESS.info(
        "%s %s %s %d %d %.1f", client[0], scope["method"], _route(scope), status, taken, took
    )
