"""Sending what is in the outbox, one destination never stopping another.

Decides what is tried in which turn and what becomes of it, by the rules of `delivery.outbox`; how
a parcel goes over the wire is for `wire`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

from steelyard.disclosure.delivery import outbox
from steelyard.disclosure.delivery.outbox import Attempt, Destination, Outgoing
from steelyard.disclosure.delivery.sending_policy import load_policy
from steelyard.server.node import missing, ordering
from steelyard.server.node.wire import Wire
from steelyard.server.storage import organizations as cards
from steelyard.server.storage import post

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.server.node.node import Node

INBOX_PATH: Final = "/inbox"
CARDS_PATH: Final = "/cards"
_TIMEOUT_S: Final = 20.0
_PUMP_SHARE: Final = 10
_UNKNOWN_SENDER: Final = "401"


@dataclass(slots=True)
class Sender:
    """Sends what is due, over and over.

    Args:
        node: Whose outbox it is.
        allow_private: Whether destinations may lie on loopback or in a private network.
    """

    node: Node
    allow_private: bool = False
    every_s: float = 1.0
    _known: dict[str, Destination] = field(default_factory=dict[str, Destination])
    _next_ask: datetime | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Look at the outbox now."""
        self._woken.set()

    async def run(self) -> None:
        """Keep followers up and send, until cancelled."""
        async with self._client() as client, asyncio.TaskGroup() as group:
            group.create_task(self._keep_up())
            group.create_task(self._send_on(client))

    async def _keep_up(self) -> None:
        """Put what followers lack into the outbox, for a tenth of the time at most.

        Where many follow, they hear a little later, rather than that events wait for them.
        """
        while True:
            for case in await asyncio.to_thread(self._behind):
                begun = time.monotonic()
                await asyncio.to_thread(self._pump_one, case)
                await asyncio.sleep((_PUMP_SHARE - 1) * (time.monotonic() - begun))
            await asyncio.to_thread(self._ask)
            await asyncio.sleep(self.every_s)

    async def _send_on(self, client: httpx.AsyncClient) -> None:
        while True:
            await self._send_due(client)
            try:
                await asyncio.wait_for(self._woken.wait(), self.every_s)
            except TimeoutError:
                continue
            finally:
                self._woken.clear()

    async def turn(self, client: httpx.AsyncClient) -> int:
        """Keep every follower up, then send everything that is due; how many parcels were tried."""
        for case in await asyncio.to_thread(self._behind):
            await asyncio.to_thread(self._pump_one, case)
        await asyncio.to_thread(self._ask)
        return await self._send_due(client)

    async def _send_due(self, client: httpx.AsyncClient) -> int:
        chosen = await asyncio.to_thread(self._choose)
        await asyncio.gather(*(self._send(client, item) for item in chosen))
        return len(chosen)

    async def once(self) -> int:
        """One turn with a client of its own."""
        async with self._client() as client:
            return await self.turn(client)

    def _client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=16)
        return httpx.AsyncClient(
            timeout=_TIMEOUT_S, follow_redirects=False, limits=limits, trust_env=False
        )

    def _behind(self) -> tuple[str, ...]:
        return self.node.run(lambda connection: ordering.to_pump(self.node, connection))

    def _pump_one(self, case: str) -> None:
        self.node.run(lambda connection: ordering.pump_one(self.node, connection, case))

    def _ask(self) -> None:
        now = self.node.now()
        if self._next_ask is None or now >= self._next_ask:
            self._next_ask = now + missing.EVERY
            self.node.run(lambda connection: missing.ask(self.node, connection))

    def _choose(self) -> tuple[Outgoing, ...]:
        def choose(connection: Connection) -> tuple[Outgoing, ...]:
            now, policy = self.node.now(), load_policy()
            ready: list[Outgoing] = []
            for item in post.waiting(connection, now):
                lapsed = outbox.lapse(policy, item, now)
                if lapsed.state == "dead":
                    post.save(connection, lapsed, self._of(item), lapsed.reason)
                else:
                    ready.append(lapsed)
            if not self._known:
                self._known.update(post.destinations(connection))
            return outbox.due(policy, ready, self._known, now)

        return self.node.run(choose)

    async def _send(self, client: httpx.AsyncClient, item: Outgoing) -> None:
        policy = load_policy()
        begun, destination = outbox.begin(policy, item, self._of(item), self.node.now())
        self._known[item.destination] = destination
        attempt, error = await self._attempt(client, item)
        finished, after = outbox.finish(
            policy, begun, self._of(item), attempt, secrets.randbelow(10**6) / 10**6
        )
        self._known[item.destination] = after
        save = self.node.change(lambda connection: post.save(connection, finished, after, error))
        await asyncio.wrap_future(save)

    def _of(self, item: Outgoing) -> Destination:
        return self._known.get(item.destination, Destination(item.destination))

    async def _attempt(self, client: httpx.AsyncClient, item: Outgoing) -> tuple[Attempt, str]:
        """One attempt: how it ended, and in what words if not well."""
        with self.node.database.reading() as connection:
            known = cards.find(connection, item.destination)
            data = post.parcel(connection, item.parcel_id)
        if data is None:
            # Taken back since, as something later says more: nothing is left to deliver.
            return Attempt(self.node.now(), "200"), ""
        endpoint = known.card.endpoint if known else None
        if endpoint is None:
            return Attempt(self.node.now(), "unreachable"), "it has no endpoint: send a bundle"
        wire = Wire(client, self.node, allow_private=self.allow_private)
        reply = await wire.post(endpoint, INBOX_PATH, data)
        if reply.result == _UNKNOWN_SENDER:
            await wire.post(endpoint, CARDS_PATH, self.node.identity.card.envelope)
            reply = await wire.post(endpoint, INBOX_PATH, data)
        return Attempt(self.node.now(), reply.result, reply.retry_after), reply.words
