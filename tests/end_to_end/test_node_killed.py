"""A node that is killed at random points under load keeps what it acknowledged."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import random
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from steelyard.attest.envelope import read_envelope
from steelyard.disclosure.case import Draft, replay, sign_event
from steelyard.kernel import sha256_hex, utc_now
from steelyard.server.node import About, Identity, create_identity, open_node, saying
from steelyard.server.node.saying import Invitation, Opening
from steelyard.server.storage import cases
from steelyard.server.storage import organizations as cards
from steelyard.server.web.serving import serve
from steelyard.server.web.settings import Settings

KILLS, STREAMS, EVENTS, PAUSE_S = 20, 6, 1500, 0.005


@dataclass
class Stream:
    """The events of one author in one case, in their order.

    Attributes:
        acknowledged: How many of them were.
    """

    case: str
    events: list[bytes]
    acknowledged: int = 0
    refused: list[str] = field(default_factory=list[str])

    def send(self, port: int, stop: threading.Event) -> None:
        """Send what is not acknowledged, one after the other, until the node is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            while self.acknowledged < len(self.events) and not stop.is_set():
                connection.request("POST", "/events", self.events[self.acknowledged])
                response = connection.getresponse()
                said = response.read()
                if response.status not in {200, 201}:
                    self.refused.append(f"{response.status} {said!r}")
                    return
                self.acknowledged += 1
                # So that none runs out of events before the last kill.
                time.sleep(PAUSE_S)
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()


def prepare(folder: Path) -> list[Stream]:
    """A node, cases, and events signed beforehand."""
    create_identity(folder, About("Host", ("coordinator",)), utc_now() - timedelta(minutes=1))
    node = open_node(folder)
    author = create_identity(folder / "author", About("Author", ("developer",)), utc_now())
    node.run(lambda c: cards.keep(c, author.card, node.now()))
    streams: list[Stream] = []
    for number in range(STREAMS):
        opening = Opening(f"Case {number}", "What was found.", ("coordinator",))
        case = node.run(lambda c, o=opening: saying.open_case(node, c, o)).case
        invited = Invitation(author.organization, ("developer",))
        node.run(lambda c, k=case, i=invited: saying.invite(node, c, k, i))
        chain = node.chains.held(case)
        assert chain is not None
        streams.append(Stream(case, notes(author, case, chain.size, chain.head)))
    node.close()
    return streams


def notes(author: Identity, case: str, size: int, head: str) -> list[bytes]:
    found: list[bytes] = []
    previous, at = "0" * 64, utc_now()
    for number in range(1, EVENTS + 1):
        reference = {
            "id": sha256_hex(f"{case}{number}".encode()),
            "media_type": "text/markdown",
            "bytes": 10,
            "tier": "h1",
            "recipients": [author.organization],
        }
        body = {"object": {**reference}, "about": None}
        draft = Draft(case, author.organization, number, previous, size, head, at, "note", {**body})
        found.append(sign_event(draft, author.key))
        previous = sha256_hex(read_envelope(found[-1]).payload)
    return found


def run(folder: Path, port: int) -> None:
    """The process that is killed."""
    node = open_node(folder)
    serve(node, Settings(folder, port=port, access_log=False), lambda _bound: None)
    node.close()


def start(folder: Path, port: int) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=run, args=(folder, port))
    process.start()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process
    process.kill()
    pytest.fail("the node did not start")


def load(streams: list[Stream], port: int) -> tuple[list[threading.Thread], threading.Event]:
    stop = threading.Event()
    threads = [threading.Thread(target=item.send, args=(port, stop)) for item in streams]
    for thread in threads:
        thread.start()
    return threads, stop


def test_what_was_acknowledged_outlives_twenty_kills(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    streams = prepare(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    chance = random.Random(os.environ.get("PYTEST_RANDOMLY_SEED", "1"))  # noqa: S311 - when to kill
    lives = 0
    for _ in range(KILLS):
        process = start(folder, port)
        before = sum(item.acknowledged for item in streams)
        threads, _stop = load(streams, port)
        time.sleep(chance.uniform(0.05, 0.6))
        process.kill()
        process.join()
        for thread in threads:
            thread.join()
        lives += sum(item.acknowledged for item in streams) > before
    assert [item.refused for item in streams] == [[]] * STREAMS
    assert lives >= KILLS // 4, "too few were killed while they worked"
    require_kept(folder, streams)


def require_kept(folder: Path, streams: list[Stream]) -> None:
    """Every acknowledged event stands once, in its place, in a case that verifies."""
    node = open_node(folder)
    for item in streams:
        with node.database.reading() as connection:
            stored = cases.entries(connection, item.case)
            stands = cases.stands(connection, item.case)
        chain = replay(item.case, stored)
        assert stands == (chain.size, chain.head)
        events = [entry.event for entry in stored[2:]]
        assert events == item.events[: len(events)]
        # One more may stand than was acknowledged: its answer was lost.
        assert len(events) - item.acknowledged in {0, 1}
    node.close()


def test_a_node_that_is_told_to_stop_answers_what_it_began(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    streams = prepare(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = start(folder, port)
    threads, _stop = load(streams, port)
    time.sleep(0.5)
    process.terminate()
    process.join(30)
    assert process.exitcode == 0
    for thread in threads:
        thread.join()
    assert sum(item.acknowledged for item in streams) > 0
    assert [item.refused for item in streams] == [[]] * STREAMS
    require_kept(folder, streams)
