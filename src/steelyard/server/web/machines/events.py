"""`POST /events`: an author hands its signed event to the host of its case.

Decides nothing but the answer: the author's signature is the authentication, and the event is
ordered and on disk before it is acknowledged. This is the hot path: bare ASGI, and `arrivals`
beside it, in which events that wait together go together.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from steelyard.server.web.guard import read_body
from steelyard.server.web.machines.arrivals import Arrivals

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from steelyard.server.node import Node
    from steelyard.server.web.quotas import Quota

_JSON: Final = (b"content-type", b"application/json")


class Events:
    """The route; an ASGI application.

    Args:
        node: Hosts the cases.
        quota: Of each author.
    """

    def __init__(self, node: Node, quota: Quota) -> None:
        self._arrivals = Arrivals(node, quota)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Order an event."""
        del scope
        admitted = await self._arrivals.order(await read_body(receive))
        answer = b'{"hash":"%s","head":"%s","index":%d}' % (
            admitted.ordered.hash.encode(),
            admitted.head.encode(),
            admitted.ordered.entry.index,
        )
        status = HTTPStatus.CREATED if admitted.is_new else HTTPStatus.OK
        headers = [_JSON, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
