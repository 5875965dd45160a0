"""Sending what is in the outbox, one destination never stopping another.

Decides how many parcels are under way at a time, and what becomes of each, by the rules of
`delivery.outbox`; how a parcel goes over the wire is for `wire`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

from steelyard.disclosure.delivery import outbox
from steelyard.disclosure.delivery.outbox import Attempt, Destination, Outgoing
from steelyard.disclosure.delivery.sending_policy import load_policy
from steelyard.server.node import ordering
from steelyard.server.node.missing import Seeker
from steelyard.server.node.wire import Wire
from steelyard.server.storage import organizations as cards
from steelyard.server.storage import post

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.server.node.node import Node

INBOX_PATH: Final = "/inbox"
CARDS_PATH: Final = "/cards"
AT_ONCE: Final = 32
"""How many parcels are under way at a time, to all destinations."""
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
    # Destination of each parcel that is under way, by the parcel's id.
    _under_way: dict[str, str] = field(default_factory=dict[str, str])
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _seeker: Seeker = field(init=False)

    def __post_init__(self) -> None:
        self._seeker = Seeker(self.node)

    async def run(self) -> None:
        """Keep followers up and send, until cancelled."""
        # A task that is cancelled before its first step has no end of its own.
        self._under_way.clear()
        async with _client() as client, asyncio.TaskGroup() as group:
            group.create_task(self._keep_up())
            group.create_task(self._send_on(client, group))

    async def _keep_up(self) -> None:
        """Put what followers lack into the outbox, for a tenth of the time at most.

        Where many follow, they hear a little later, rather than that events wait for them.
        """
        while True:
            for case in await asyncio.to_thread(self._behind):
                begun = time.monotonic()
                await asyncio.to_thread(self._pump_one, case)
                await asyncio.sleep((_PUMP_SHARE - 1) * (time.monotonic() - begun))
            await asyncio.to_thread(self._seeker.seek)
            await asyncio.sleep(self.every_s)

    async def _send_on(self, client: httpx.AsyncClient, group: asyncio.TaskGroup) -> None:
        """Send each parcel in a task of its own, so that none waits for the end of another."""
        while True:
            for item in await self._begin():
                group.create_task(self._send(client, item))
            # Not by `wait_for`, which on Python 3.11 loses a cancellation that meets the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every_s):
                    await self._woken.wait()
            self._woken.clear()

    def _behind(self) -> tuple[str, ...]:
        return self.node.run(lambda connection: ordering.to_pump(self.node, connection))

    def _pump_one(self, case: str) -> None:
        self.node.run(lambda connection: ordering.pump_one(self.node, connection, case))

    async def _begin(self) -> list[Outgoing]:
        """Begin the attempts that are due and that there is room for."""
        # What ends while the outbox is read may still be in what was read.
        before, chosen = frozenset(self._under_way), list[Outgoing]()
        ready = await asyncio.to_thread(self._ready)
        policy, now = load_policy(), self.node.now()
        fresh = [item for item in ready if item.parcel_id not in before]
        for item in outbox.due(policy, fresh, self._known, now):
            if self._has_room(item.destination):
                begun, destination = outbox.begin(policy, item, self._of(item.destination), now)
                self._known[item.destination] = destination
                self._under_way[item.parcel_id] = item.destination
                chosen.append(begun)
        return chosen

    def _ready(self) -> list[Outgoing]:
        """Parcels that may be sent now; those that have waited for too long are given up."""
        policy, now = load_policy(), self.node.now()
        with self.node.database.reading() as connection:
            if not self._known:
                self._known.update(post.destinations(connection))
            found = [outbox.lapse(policy, item, now) for item in post.waiting(connection, now)]
        lapsed = [item for item in found if item.state == "dead"]

        def give_up(connection: Connection) -> None:
            for item in lapsed:
                post.save(connection, item, self._of(item.destination), item.reason)

        if lapsed:
            self.node.run(give_up)
        return [item for item in found if item.state == "waiting"]

    def _has_room(self, destination: str) -> bool:
        """Whether one more parcel may be under way: nobody waits for who failed last.

        Of the room, destinations that failed last have a quarter of their own; the second half is
        for those to which nothing is under way yet.
        """
        under_way = list(self._under_way.values())
        failing = sum(self._of(name).failures > 0 for name in under_way)
        if self._of(destination).failures:
            return failing < AT_ONCE // 4
        return len(under_way) - failing < (AT_ONCE // 2 if destination in under_way else AT_ONCE)

    async def _send(self, client: httpx.AsyncClient, item: Outgoing) -> None:
        """Make an attempt that was begun, and keep how it ended."""
        policy, name = load_policy(), item.destination
        try:
            attempt, error = await self._attempt(client, item)
            jitter = secrets.randbelow(10**6) / 10**6
            finished, after = outbox.finish(policy, item, self._of(name), attempt, jitter)
            self._known[name] = after
            save = self.node.change(lambda c: post.save(c, finished, after, error))
            await asyncio.wrap_future(save)
        finally:
            del self._under_way[item.parcel_id]
            self._woken.set()

    def _of(self, destination: str) -> Destination:
        return self._known.get(destination, Destination(destination))

    async def _attempt(self, client: httpx.AsyncClient, item: Outgoing) -> tuple[Attempt, str]:
        """One attempt: how it ended, and in what words if not well."""
        endpoint, data = await asyncio.to_thread(self._load, item)
        if data is None:
            # Taken back since, as something later says more: nothing is left to deliver.
            return Attempt(self.node.now(), "200"), ""
        if endpoint is None:
            return Attempt(self.node.now(), "unreachable"), "it has no endpoint: send a bundle"
        wire = Wire(client, self.node, allow_private=self.allow_private)
        reply = await wire.post(endpoint, INBOX_PATH, data)
        if reply.result == _UNKNOWN_SENDER:
            await wire.post(endpoint, CARDS_PATH, self.node.identity.card.envelope)
            reply = await wire.post(endpoint, INBOX_PATH, data)
        return Attempt(self.node.now(), reply.result, reply.retry_after), reply.words

    def _load(self, item: Outgoing) -> tuple[str | None, bytes | None]:
        """Where a parcel goes, and what is sent."""
        with self.node.database.reading() as connection:
            known = cards.find(connection, item.destination)
            return known.card.endpoint if known else None, post.parcel(connection, item.parcel_id)


def _client() -> httpx.AsyncClient:
    # Room is given above: a parcel that waited for a connection would count as not answered.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
    return httpx.AsyncClient(
        timeout=_TIMEOUT_S, follow_redirects=False, limits=limits, trust_env=False
    )
