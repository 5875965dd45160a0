"""Parcels and cards that other nodes bring.

Decides what their senders are told; what a parcel does is for `node.inbox`.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from steelyard.disclosure.case import open_card
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node.inbox import receive
from steelyard.server.storage import organizations as cards
from steelyard.server.web.guard import read_body, vouch
from steelyard.server.web.problems import refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import Request

    from steelyard.disclosure.case import Card
    from steelyard.server.node import Node
    from steelyard.server.web.machines.signed import Signatures
    from steelyard.server.web.quotas import Quota


class Parcels:
    """Takes parcels of known organizations and cards of anybody.

    Args:
        node: What they are for.
        signatures: Verify who brings a parcel.
        per_key: How many parcels come from one key.
        per_address: How many cards come from one address.
        strangers: How many cards of organizations that nobody here trusted are kept.
    """

    def __init__(
        self,
        node: Node,
        signatures: Signatures,
        *,
        per_key: Quota,
        per_address: Quota,
        strangers: int,
    ) -> None:
        self._node = node
        self._signatures = signatures
        self._per_key = per_key
        self._per_address = per_address
        self._strangers = strangers

    async def take_parcel(self, request: Request) -> Response:
        """`POST /inbox`."""
        caller = await asyncio.to_thread(self._signatures.verify_head, request.scope)
        self._per_key.take(caller.key_id)
        if await asyncio.to_thread(self._signatures.is_familiar, caller):
            vouch(request.scope, caller.key_id)
        body = await read_body(request.receive)
        await asyncio.to_thread(caller.require_body, body)
        made = self._node.change(lambda connection: receive(self._node, connection, body))
        outcome = await asyncio.wrap_future(made)
        if outcome.result == "refused":
            raise NotSatisfied(outcome.reason)
        answer = canonical_json({"parcel": outcome.parcel_id, "result": outcome.result})
        return Response(answer, HTTPStatus.ACCEPTED.value, media_type="application/json")

    async def take_card(self, request: Request) -> Response:
        """`POST /cards`."""
        self._per_address.take(request.client.host if request.client else "")
        body = await read_body(request.receive)
        card = await asyncio.to_thread(open_card, body)
        made = self._node.change(lambda connection: self._keep(connection, card))
        is_new = await asyncio.wrap_future(made)
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        answer = canonical_json({"organization": card.organization, "sequence": card.sequence})
        return Response(answer, status.value, media_type="application/json")

    async def own_card(self, request: Request) -> Response:
        """`GET /card`."""
        del request
        return Response(self._node.identity.card.envelope, media_type="application/json")

    def _keep(self, connection: Connection, card: Card) -> bool:
        known = cards.find(connection, card.organization)
        if known is None and cards.count_strangers(connection) >= self._strangers:
            detail = "too many cards that nobody has looked at"
            raise refusal(HTTPStatus.TOO_MANY_REQUESTS, detail, {"retry-after": "3600"})
        cards.keep(connection, card, self._node.now())
        return known is None or known.card.sequence < card.sequence
