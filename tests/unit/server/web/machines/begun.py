"""Requests whose bodies have begun, and do not end before they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import ASGIApp, Message

ADDRESS = "192.0.2.7"


class Begun:
    """A request of which one part of the body was read, unless it was answered before."""

    def __init__(self) -> None:
        self.status = 0
        self._parts: list[bytes] = []
        self._waits = asyncio.Event()
        self._go_on = asyncio.Event()
        self._task: asyncio.Task[None]

    @property
    def is_answered(self) -> bool:
        return self._task.done()

    async def end(self) -> int:
        """The status of the answer, after the end of the body."""
        self._go_on.set()
        await self._task
        return self.status

    async def start(self, app: ASGIApp, scope: dict[str, object], body: bytes) -> None:
        self._parts = [body]
        self._task = asyncio.create_task(self._ask(app, scope))
        waits = asyncio.create_task(self._waits.wait())
        await asyncio.wait([self._task, waits], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()

    async def _ask(self, app: ASGIApp, scope: dict[str, object]) -> None:
        await app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._parts:
            return {"type": "http.request", "body": self._parts.pop(), "more_body": True}
        self._waits.set()
        await self._go_on.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        self.status = message.get("status", self.status)


async def begin(
    app: ASGIApp,
    body: bytes,
    *,
    path: str = "/",
    address: str = ADDRESS,
    headers: Mapping[str, str] | None = None,
) -> Begun:
    """Send a request and the first part of its body."""
    named = {"host": "node.example", **(headers or {})}
    scope: dict[str, object] = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
        "client": (address, 40000),
        "server": ("node.example", 443),
    }
    begun = Begun()
    await begun.start(app, scope, body)
    return begun


async def send(app: ASGIApp, body: bytes, *, path: str = "/", address: str = ADDRESS) -> int:
    """The status of the answer to a whole request."""
    return await (await begin(app, body, path=path, address=address)).end()
