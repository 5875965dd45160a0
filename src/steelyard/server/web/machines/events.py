"""`POST /events`: an author hands its signed event to the host of its case.

Decides nothing but the answer: the author's signature is the authentication, and the event is
ordered and on disk before it is acknowledged. This is the hot path: bare ASGI, the signature
checked beside the thread that orders, which has nothing left but the rules and the row.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.event import read_claim
from steelyard.disclosure.case.fold import keys_of
from steelyard.kernel.errors import CannotVerify, NotSatisfied, UnknownName
from steelyard.server.node import ordering
from steelyard.server.web.guard import read_body

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.types import Receive, Scope, Send

    from steelyard.disclosure.case import Chain
    from steelyard.disclosure.case.event import Claim
    from steelyard.kernel.errors import SteelyardError
    from steelyard.server.node import Node
    from steelyard.server.web.quotas import Quota

_BATCH: Final = 256
_JSON: Final = (b"content-type", b"application/json")


class Events:
    """The route; an ASGI application.

    Args:
        node: Hosts the cases.
        quota: Of each author.
    """

    def __init__(self, node: Node, quota: Quota) -> None:
        self._node = node
        self._quota = quota
        self._queue = _Queue(node)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Order an event."""
        del scope
        body = await read_body(receive)
        # Checking a signature lets go of the interpreter; on the loop, everybody would wait until
        # it is had again.
        claim = await asyncio.to_thread(self._believed, body)
        self._quota.take(claim.event.author)
        admitted = await self._queue.order(ordering.Offered(claim.event.case, body, claim))
        answer = b'{"hash":"%s","head":"%s","index":%d}' % (
            admitted.ordered.hash.encode(),
            admitted.head.encode(),
            admitted.ordered.entry.index,
        )
        status = HTTPStatus.CREATED if admitted.is_new else HTTPStatus.OK
        headers = [_JSON, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _believed(self, body: bytes) -> Claim:
        """What an event says, if its author signed it.

        Raises:
            MalformedEvidence, BrokenSeal: no event.
            UnknownName: not of an author of a case that is here.
        """
        claim = read_claim(body)
        case = claim.event.case
        chain = self._node.chains.held(case)
        if chain is None:
            with self._node.database.reading() as connection:
                chain = self._node.chains.get(connection, case)
        if not _stands(chain, claim, body):
            self._require_author(chain, claim)
        return claim

    def _require_author(self, chain: Chain, claim: Claim) -> None:
        """Refuse an event that no key of its author in the case signed, in words that tell nothing.

        Raises:
            UnknownName: whatever is wrong, so that a stranger does not learn which cases are here.
        """
        event = claim.event
        try:
            keys = keys_of(chain.view, event, self._node.now())
        except (NotSatisfied, CannotVerify) as error:
            raise UnknownName("no case of this author") from error
        key = keys.get(claim.signed.key_id)
        if key is not None:
            claim.prove(key)
        if not claim.proven:
            raise UnknownName("no case of this author")


class _Queue:
    """Events that wait for the writer: those that came meanwhile are ordered together.

    Args:
        node: Hosts the cases.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._waiting: list[tuple[ordering.Offered, asyncio.Future[ordering.Admitted]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def order(self, offered: ordering.Offered) -> ordering.Admitted:
        """Have an event ordered; it is on disk when this returns."""
        result: asyncio.Future[ordering.Admitted] = asyncio.get_running_loop().create_future()
        self._waiting.append((offered, result))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await result

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                change = self._node.change(partial(self._change, [item for item, _ in batch]))
                found = await asyncio.wrap_future(change)
            except Exception as error:  # noqa: BLE001 - each of those who wait must hear of it
                found = [error] * len(batch)
            for (_, result), outcome in zip(batch, found, strict=True):
                if result.cancelled():
                    continue
                if isinstance(outcome, Exception):
                    result.set_exception(outcome)
                else:
                    result.set_result(outcome)

    def _change(
        self, offered: list[ordering.Offered], connection: Connection
    ) -> list[ordering.Admitted | SteelyardError]:
        return ordering.admit_many(self._node, connection, offered)


def _stands(chain: Chain, claim: Claim, body: bytes) -> bool:
    """Whether this very event was ordered, so that who sends it again has signed or seen it.

    Its author may have left since, or have other keys, and still has to hear of it.
    """
    place = chain.index_of(claim.event.digest)
    return place is not None and chain.since(place)[0].entry.event == body
