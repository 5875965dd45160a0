"""What a participant reads of a case: entries and the checkpoint, by signed requests.

Decides that a case is shown to its participants alone, and that to everybody else it looks as if
it were not here.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from steelyard.kernel.errors import UnknownName
from steelyard.server.node import ordering
from steelyard.server.node.letters import CHUNK, chunk, write_entries
from steelyard.server.storage import cases
from steelyard.server.web.guard import read_body
from steelyard.server.web.problems import refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import Request

    from steelyard.disclosure.case import Chain
    from steelyard.server.node import Node
    from steelyard.server.web.machines.signed import Caller, Signatures
    from steelyard.server.web.quotas import Quota

_CASE: Final = re.compile(r"[0-9a-f]{64}")
_QUERY: Final = re.compile(r"(?:from=(0|[1-9][0-9]{0,9}))?")


class Cases:
    """Shows cases.

    Args:
        node: Holds them.
        signatures: Verify who asks.
        per_key: How often one key asks.
    """

    def __init__(self, node: Node, signatures: Signatures, per_key: Quota) -> None:
        self._node = node
        self._signatures = signatures
        self._per_key = per_key

    async def entries(self, request: Request) -> Response:
        """`GET /cases/{case}/entries`."""
        caller = await self._caller(request)
        found = _QUERY.fullmatch(request.url.query)
        if found is None:
            raise refusal(HTTPStatus.BAD_REQUEST, "expected ?from= and an index, or nothing")
        answer = await asyncio.to_thread(
            self._entries, request.path_params["case"], caller, int(found[1] or 0)
        )
        return Response(answer, media_type="application/json")

    async def checkpoint(self, request: Request) -> Response:
        """`GET /cases/{case}/checkpoint`."""
        caller = await self._caller(request)
        name = request.path_params["case"]
        made = self._node.change(lambda connection: self._checkpoint(connection, name, caller))
        return Response(await asyncio.wrap_future(made), media_type="text/plain; charset=utf-8")

    async def _caller(self, request: Request) -> Caller:
        body = await read_body(request.receive)
        caller = await asyncio.to_thread(self._signatures.verify, request.scope, body)
        self._per_key.take(caller.key_id)
        return caller

    def _entries(self, case: str, caller: Caller, start: int) -> bytes:
        with self._node.database.reading() as connection:
            self._shown(connection, case, caller)
            # From disk, as what a chain holds in memory may not be committed yet.
            part = chunk(cases.entries(connection, case, start, limit=CHUNK))
            size, head = cases.stands(connection, case) or (0, case)
            listed = write_entries(part)
        return b'{"case":"%s","entries":%s,"head":"%s","size":%d}' % (
            case.encode(), listed, head.encode(), size
        )  # fmt: skip

    def _checkpoint(self, connection: Connection, case: str, caller: Caller) -> bytes:
        chain = self._shown(connection, case, caller)
        if chain.view.host == self._node.organization:
            return ordering.checkpoint(self._node, connection, chain).note
        notes = cases.latest_notes(connection, case)
        if not notes:
            raise UnknownName("no checkpoint yet")
        return notes[0]

    def _shown(self, connection: Connection, case: str, caller: Caller) -> Chain:
        """The case, if one of the caller's organizations takes part in it.

        Raises:
            UnknownName: it does not, or there is no such case.
        """
        if not _CASE.fullmatch(case):
            raise UnknownName("no such case")
        chain = self._node.chains.find_or_put_off(connection, case)
        if chain is None:
            raise UnknownName("no such case")
        for name in caller.organizations:
            member = chain.view.members.get(name)
            if member is not None and not member.left:
                return chain
        raise UnknownName("no such case")
