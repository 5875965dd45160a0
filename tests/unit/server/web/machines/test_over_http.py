"""Two nodes over a real socket: what one sends, the other takes, strangers included."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from steelyard.kernel import utc_now
from steelyard.server.node import About, Node, create_identity, open_node, saying
from steelyard.server.node.saying import Invitation, Opening
from steelyard.server.node.sending import Sender
from steelyard.server.storage import organizations as cards
from steelyard.server.web.app import make_app
from steelyard.server.web.settings import Settings


class Listening:
    """A node that answers on loopback, and has just begun to."""

    def __init__(self, folder: Path, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        create_identity(folder, About(name, ("coordinator", "developer"), url), utc_now())
        self.node: Node = open_node(folder)
        app = make_app(self.node, Settings(folder, url=url, allow_private=True))
        config = uvicorn.Config(app, port=port, log_config=None, lifespan="off", ws="none")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def knows(self, other: Listening) -> None:
        card = other.node.identity.card
        self.node.run(lambda c: cards.keep(c, card, self.node.now(), trusted=True))

    def send(self) -> int:
        return asyncio.run(Sender(self.node, allow_private=True).once())

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
    time.sleep(3)  # what was signed before a node began is refused
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
    assert host.send() == 1
    assert lab.size(case) == 2
    body = {"handle": "model", "commitment": None, "version": "1", "guardrail": ""}
    lab.node.run(lambda c: saying.say(lab.node, c, case, "target", {**body}))
    assert lab.send() >= 1
    assert host.size(case) == 3
    assert host.send() >= 1
    assert lab.size(case) == 3
