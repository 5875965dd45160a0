"""Two nodes over a real socket: what one sends, the other takes, strangers included."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from steelyard.kernel import utc_now
from steelyard.server.node import About, Node, create_identity, open_node, saying
from steelyard.server.node.saying import Invitation, Opening
from steelyard.server.node.sending import INBOX_PATH, Sender
from steelyard.server.storage import organizations as cards
from steelyard.server.web.app import make_app
from steelyard.server.web.settings import Settings

LIMIT_S = 60


class Watched:
    """An application that says when it has taken a parcel."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.taken: queue.Queue[None] = queue.Queue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            await send(message)
            if message.get("status") == 202 and scope["path"] == INBOX_PATH:
                self.taken.put(None)

        await self.app(scope, receive, watched)


class Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


class Listening:
    """A node that answers on loopback, and began to some time ago by its clock."""

    def __init__(self, folder: Path, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        create_identity(folder, About(name, ("coordinator", "developer"), url), utc_now())
        self.node: Node = open_node(folder)
        self.app = Watched(make_app(self.node, Settings(folder, url=url, allow_private=True)))
        config = uvicorn.Config(self.app, port=port, log_config=None, lifespan="off", ws="none")
        self.server = Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        assert self.server.listens.wait(LIMIT_S)
        # What was signed before a node began is refused.
        self.node.now = lambda: utc_now() + timedelta(seconds=10)

    def knows(self, other: Listening) -> None:
        card = other.node.identity.card
        self.node.run(lambda c: cards.keep(c, card, self.node.now(), trusted=True))

    def send(self, other: Listening, case: str, size: int) -> None:
        """Send until another node holds so much of a case."""

        async def go() -> None:
            sending = asyncio.create_task(Sender(self.node, allow_private=True).run())
            while other.size(case) < size:
                await asyncio.to_thread(other.app.taken.get, timeout=LIMIT_S)
            sending.cancel()
            await asyncio.wait([sending])

        asyncio.run(go())

    def size(self, case: str) -> int:
        with self.node.database.reading() as connection:
            chain = self.node.chains.find(connection, case)
        return chain.size if chain else 0

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.node.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Listening, Listening]]:
    made = Listening(tmp_path / "host", "Host"), Listening(tmp_path / "lab", "Lab")
    yield made
    for item in made:
        item.close()


def test_a_case_reaches_a_node_that_does_not_know_its_host(
    two: tuple[Listening, Listening],
) -> None:
    host, lab = two
    host.knows(lab)
    opening = Opening("A flaw", "What was found.", ("coordinator",))
    case = host.node.run(lambda c: saying.open_case(host.node, c, opening)).case
    invited = Invitation(lab.node.organization, ("developer",))
    host.node.run(lambda c: saying.invite(host.node, c, case, invited))
    host.send(lab, case, 2)
    assert lab.size(case) == 2
    body = {"handle": "model", "commitment": None, "version": "1", "guardrail": ""}
    lab.node.run(lambda c: saying.say(lab.node, c, case, "target", {**body}))
    lab.send(host, case, 3)
    assert host.size(case) == 3
    host.send(lab, case, 3)
    assert lab.size(case) == 3
