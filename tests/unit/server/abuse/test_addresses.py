"""Endpoints, redirects and answers of others lead a node nowhere that it must not go.

The attacker names an address in its card, or answers a delivery. It sees nothing but the refusal
of its own parcel in its outbox; the victim sees a destination in trouble, with the reason.
"""

from __future__ import annotations

import asyncio
import gzip
import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection
from tests.unit.server.node.federation import Federation

from steelyard.server.node import About, Node
from steelyard.server.node.addresses import AddressDenied, NameUnknown, resolve
from steelyard.server.node.sending import Sender
from steelyard.server.node.wire import Reply, Wire
from steelyard.server.storage import Writer, post

from .listening import Answer, Listening, endless, head_of_an_answer, listening, plain

LIMIT_S = 30
INSIDE = (
    "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://0.0.0.0/",
    "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/",
    "https://100.64.0.1/", "https://[fd00::1]/", "https://[fe80::1]/", "https://[::]/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:a9fe:a9fe]/", "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:7f00:1::]/", "https://[2002:a9fe:a9fe::]/",
    "https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://224.0.0.1/",
    "https://192.0.0.192/", "https://198.18.0.1/", "https://255.255.255.255/",
)  # fmt: skip
ODD = (
    "http://93.184.216.34/", "file:///etc/passwd", "gopher://93.184.216.34/", "//93.184.216.34/",
    "https://user@93.184.216.34/", "https://u:p@93.184.216.34/", "https://93.184.216.34:99999/",
    "https://", "", "javascript:alert(1)",
)  # fmt: skip


@pytest.mark.parametrize("url", [*INSIDE, *ODD])
def test_no_address_inside_is_connected_to(url: str) -> None:
    with pytest.raises((AddressDenied, NameUnknown)):
        asyncio.run(resolve(url, allow_private=False))


@pytest.mark.parametrize(
    ("url", "netloc"),
    [
        ("https://93.184.216.34/x", "93.184.216.34:443"),
        ("https://[2606:2800:21f:cb07::1]:8443/", "[2606:2800:21f:cb07::1]:8443"),
        ("https://[64:ff9b::5db8:d822]/", "[64:ff9b::5db8:d822]:443"),
    ],
)
def test_what_was_checked_is_what_is_connected_to(url: str, netloc: str) -> None:
    assert asyncio.run(resolve(url, allow_private=False)).netloc == netloc


class Watched(Writer):
    """A writer that tells of each change it is asked to make."""

    def __init__(self, node: Node) -> None:
        self.asked: queue.Queue[Future[Any]] = queue.Queue()
        super().__init__(node.database, node.chains.drop_all, node.chains.undo)

    def submit(self, make: Callable[[Connection], Any]) -> Future[Any]:
        made = super().submit(make)
        self.asked.put(made)
        return made


def send_until_one_failed(node: Node) -> post.Health:
    """Send as a server does, until what became of a destination is on disk."""
    node.writer.close()
    node.writer = writer = Watched(node)

    def failed() -> post.Health | None:
        with node.database.reading() as connection:
            return next((item for item in post.health(connection) if item.failures), None)

    async def go() -> post.Health:
        sending = asyncio.create_task(Sender(node).run())
        while (found := failed()) is None:
            made = await asyncio.to_thread(writer.asked.get, timeout=LIMIT_S)
            await asyncio.wrap_future(made)
        sending.cancel()
        await asyncio.wait([sending])
        return found

    return asyncio.run(go())


def test_an_address_inside_is_told_in_the_state_of_the_post(
    federate: Callable[..., Federation],
) -> None:
    roles = {"coord": ("coordinator",), "lab-a": ("developer",)}
    inside = About("lab-a", roles["lab-a"], endpoint="https://127.0.0.1:9")
    two = federate(roles, about={"lab-a": inside})
    two.open("coord", "lab-a")
    health = send_until_one_failed(two["coord"])
    assert (health.destination, health.waiting) == (two.id("lab-a"), 1)
    assert "127.0.0.1 is at 127.0.0.1, which is not public" in health.last_error


def deliver(federation: Federation, answer: Answer) -> tuple[Reply, Listening]:
    """How a delivery to an endpoint ends that answers so."""

    async def go() -> tuple[Reply, Listening]:
        async with listening(answer) as there, httpx.AsyncClient(timeout=20) as client:
            wire = Wire(client, federation["coord"], allow_private=True)
            return await wire.post(there.url, "/inbox", b"parcel"), there

    return asyncio.run(go())


def test_a_redirect_is_not_followed(five: Federation) -> None:
    async def go() -> tuple[Reply, Listening]:
        async with listening(plain("200 OK")) as inside:
            moved = plain("307 Temporary Redirect", f"Location: {inside.url}/secret")
            async with listening(moved) as there, httpx.AsyncClient() as client:
                wire = Wire(client, five["coord"], allow_private=True)
                return await wire.post(there.url, "/inbox", b"parcel"), inside

    reply, inside = asyncio.run(go())
    assert (reply.result, inside.asked) == ("307", [])


def test_an_answer_without_end_is_read_no_further(five: Federation) -> None:
    begun = time.monotonic()
    reply, _ = deliver(five, endless(b"x" * 65_536))
    assert reply.result == "500"
    assert len(reply.words) <= 304
    assert time.monotonic() - begun < 10


def test_an_answer_in_drops_ends_with_its_time(five: Federation) -> None:
    async def go() -> Reply:
        bound = asyncio.timeout(None)

        async def drop(writer: asyncio.StreamWriter) -> None:
            await head_of_an_answer(writer)
            bound.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()

        async with listening(drop) as there, httpx.AsyncClient(timeout=None) as client:  # noqa: S113 - the bound is what is tested
            wire = Wire(client, five["coord"], allow_private=True, bounded=lambda: bound)
            return await wire.post(there.url, "/inbox", b"parcel")

    assert asyncio.run(go()) == Reply("timed-out", "no whole answer in time")


def test_names_that_are_answered_slowly_hold_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        answered.wait()
        raise OSError

    async def go() -> str:
        asked = [resolve("https://slow.example/", allow_private=False) for _ in range(64)]
        tasks = asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(20):
                return await asyncio.to_thread(lambda: "done")
        finally:
            answered.set()
            assert {type(error) for error in await tasks} == {NameUnknown}

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert asyncio.run(go()) == "done"


def test_a_compressed_answer_is_not_unpacked(five: Federation) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    answer = plain("500 Busy", "Content-Encoding: gzip", body=bomb)
    reply, there = deliver(five, answer)
    assert reply.result == "500"
    assert len(reply.words) <= 304
    assert b"accept-encoding: identity" in there.asked[0].lower()
    assert there.asked[0].lower().count(b"accept-encoding") == 1


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_a_plain_answer_is_understood(five: Federation, status: str) -> None:
    reply, there = deliver(five, plain(status, "Retry-After: 7", body=b"words"))
    code = status[:3]
    assert reply == Reply(code, "" if code == "200" else "404 words", "7")
    assert there.asked[0].startswith(b"POST /inbox HTTP/1.1\r\n")
