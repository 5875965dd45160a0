"""Sending over real sockets: who does not answer keeps nothing from those who do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from steelyard.disclosure.case import Card
from steelyard.disclosure.delivery.sending_policy import load_policy
from steelyard.server.node import About, Node, create_identity
from steelyard.server.node.letters import FETCH
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.node.sending import Sender
from steelyard.server.storage import organizations as cards
from steelyard.server.storage import post

from .federation import START, Federation

LIMIT_S = 30


@dataclass
class Peer:
    """A node at a real address that answers each parcel once it is let."""

    answers: asyncio.Event
    card: Card | None = None
    asked: asyncio.Queue[int] = field(default_factory=asyncio.Queue[int])

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                await reader.readexactly(int(length))
                self.asked.put_nowait(int(length))
                await self.answers.wait()
                writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def letter(self, node: Node, number: int) -> None:
        """Put a parcel for this peer into an outbox."""
        assert self.card is not None
        card, letter = self.card, Letter(FETCH, f"{number:064x}", {"size": 0})
        node.run(lambda c: send_to(node, c, card, letter))


@asynccontextmanager
async def peers(folder: Path, node: Node, count: int, *, slow: bool) -> AsyncGenerator[list[Peer]]:
    """So many peers that the node knows; slow ones answer when the context ends."""
    answers, made = asyncio.Event(), list[Peer]()
    if not slow:
        answers.set()
    async with AsyncExitStack() as stack:
        for number in range(count):
            peer = Peer(answers)
            server = await asyncio.start_server(peer.talk, "127.0.0.1", 0)
            stack.callback(server.close)
            name = f"{'slow' if slow else 'fast'}-{number}"
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            about = About(name, ("developer",), url)
            peer.card = create_identity(folder / name, about, START).card
            node.run(lambda c, card=peer.card: cards.keep(c, card, START))
            made.append(peer)
        yield made
        answers.set()


async def sending(node: Node, act: Callable[[], Awaitable[None]]) -> None:
    """Do something while a node sends, within a time that only a failure takes."""
    async with asyncio.timeout(LIMIT_S):
        task = asyncio.create_task(Sender(node, allow_private=True, every_s=0.01).run())
        await act()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def node(federate: Callable[..., Federation]) -> Node:
    return federate({"coord": ("coordinator",)})["coord"]


def test_a_destination_that_does_not_answer_stops_no_other(tmp_path: Path, node: Node) -> None:
    async def go() -> None:
        async with (
            peers(tmp_path, node, 1, slow=True) as [silent],
            peers(tmp_path, node, 1, slow=False) as [quick],
        ):

            async def act() -> None:
                silent.letter(node, 0)
                await silent.asked.get()
                for number in range(3):
                    quick.letter(node, number)
                    await quick.asked.get()

            await sending(node, act)
            assert silent.asked.empty()

    asyncio.run(go())


def test_many_that_do_not_answer_leave_room_for_others(tmp_path: Path, node: Node) -> None:
    """Each of them with more to be told than goes at a time."""

    async def go() -> None:
        async with (
            peers(tmp_path, node, 6, slow=True) as silent,
            peers(tmp_path, node, 1, slow=False) as [quick],
        ):

            async def act() -> None:
                for peer in silent:
                    for number in range(12):
                        peer.letter(node, number)
                for peer in silent:
                    await peer.asked.get()
                quick.letter(node, 0)
                await quick.asked.get()

            await sending(node, act)

    asyncio.run(go())


def test_an_attempt_that_was_cut_off_is_made_again_by_the_next_sender(
    tmp_path: Path, node: Node
) -> None:
    async def go() -> None:
        async with peers(tmp_path, node, 1, slow=True) as [peer]:
            asked: list[int] = []

            async def act() -> None:
                asked.append(await peer.asked.get())

            peer.letter(node, 0)
            await sending(node, act)
            await sending(node, act)
            assert asked[0] == asked[1]

    asyncio.run(go())


def test_a_parcel_whose_task_never_ran_is_sent_by_the_same_sender(
    tmp_path: Path, node: Node
) -> None:
    async def go() -> None:
        async with (
            asyncio.timeout(LIMIT_S),
            peers(tmp_path, node, 1, slow=False) as [peer],
        ):
            peer.letter(node, 0)
            sender = Sender(node, allow_private=True, every_s=0.01)
            first = asyncio.create_task(sender.run())

            def cutting() -> datetime:
                """Cancel the sender when it begins the attempt, before that has a task."""
                if threading.current_thread() is threading.main_thread():
                    first.cancel()
                return START

            node.now = cutting
            await asyncio.wait([first])
            assert peer.asked.empty()
            node.now = lambda: START + timedelta(seconds=load_policy().lease_s)
            second = asyncio.create_task(sender.run())
            await peer.asked.get()
            second.cancel()
            await asyncio.wait([second])

    asyncio.run(go())


def test_a_sender_that_is_cancelled_as_a_parcel_ends_stops(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> bool:
        sender, waits = Sender(node, every_s=LIMIT_S), asyncio.Event()
        wait = sender._woken.wait

        async def waiting() -> bool:
            waits.set()
            return await wait()

        monkeypatch.setattr(sender._woken, "wait", waiting)
        task = asyncio.create_task(sender.run())
        await waits.wait()
        sender._woken.set()
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=LIMIT_S / 2)
        task.cancel()
        return task in ended

    assert asyncio.run(go())


def test_what_is_under_way_is_not_sent_again(tmp_path: Path, node: Node) -> None:
    async def go() -> None:
        async with (
            peers(tmp_path, node, 1, slow=True) as [silent],
            peers(tmp_path, node, 1, slow=False) as [quick],
        ):

            async def act() -> None:
                silent.letter(node, 0)
                await silent.asked.get()
                for number in range(20):
                    quick.letter(node, number)
                    await quick.asked.get()
                silent.answers.set()
                silent.letter(node, 1)
                await silent.asked.get()

            await sending(node, act)
            assert (silent.asked.empty(), quick.asked.empty()) == (True, True)
            with node.database.reading() as connection:
                assert post.dead_letters(connection) == ()

    asyncio.run(go())
