"""Sending notices beside each other, and on a disk that fails: nobody is told over and over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from sqlalchemy import Connection
from tests.unit.server.abuse.listening import listening, plain

from steelyard.server.node.ordering import FAILURES
from steelyard.server.node.telling import MOST_ATTEMPTS, Teller
from steelyard.server.storage import notices as rows
from steelyard.server.storage.notices import Notice

from .disks import failing
from .federation import Federation
from .test_notices import LIMIT_S, add, states, tell_once

UNENDED = "the attempt did not end"
TAKEN = plain("204 No Content")


@pytest.fixture
def lab(federate: Callable[..., Federation]) -> Federation:
    return federate({"lab-a": ("developer",)})


def teller_of(federation: Federation) -> Teller:
    return Teller(federation["lab-a"], allow_private=True, every_s=0.01)


@dataclass
class Hook:
    """A webhook that takes each notice once it is let."""

    called: asyncio.Queue[None] = field(default_factory=asyncio.Queue[None])
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        self.called.put_nowait(None)
        await self.answers.wait()
        await TAKEN(writer)


class Heard(logging.Handler):
    """Sets an event once a failure is told."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        assert "an attempt to send a notice is not kept" in record.getMessage()
        self.event.set()


@pytest.fixture
def failure_told() -> Iterator[asyncio.Event]:
    heard = Heard()
    FAILURES.addHandler(heard)
    yield heard.event
    FAILURES.removeHandler(heard)


@asynccontextmanager
async def running(teller: Teller) -> AsyncGenerator[None]:
    """A teller that runs for as long as the context lasts."""
    async with asyncio.timeout(LIMIT_S):
        task = asyncio.create_task(teller.run())
        yield
        task.cancel()
        await asyncio.wait([task])


def test_what_cannot_be_kept_is_not_sent(lab: Federation) -> None:
    async def go() -> None:
        async with listening(TAKEN) as one, listening(TAKEN) as other:
            for number in range(2):
                for there in (one, other):
                    add(lab, f"{number}", there.url)
            with failing(lab, "lab-a") as disk:
                disk.fails_to_commit = True
                for _ in range(3):
                    await tell_once(teller_of(lab))
            assert one.asked == other.asked == []
            assert states(lab) == [("waiting", 0, "")] * 4
            await tell_once(teller_of(lab))
            assert len(one.asked) == len(other.asked) == 2

    asyncio.run(go())
    assert states(lab) == [("sent", 1, "")] * 4


def test_attempts_whose_end_is_not_kept_become_rare_and_end(lab: Federation) -> None:
    async def go() -> None:
        with failing(lab, "lab-a") as disk:

            async def answer(writer: asyncio.StreamWriter) -> None:
                disk.fails_to_commit = True
                await TAKEN(writer)

            async with listening(answer) as there:
                add(lab, "matter", there.url)
                for tried in range(1, MOST_ATTEMPTS + 1):
                    for _ in range(2):
                        disk.fails_to_commit = False
                        await tell_once(teller_of(lab))
                        assert len(there.asked) == tried
                    state = "waiting" if tried < MOST_ATTEMPTS else "dead"
                    assert states(lab) == [(state, tried, UNENDED)]
                    lab.clock.forward(minutes=2.0 ** (tried - 1))
                disk.fails_to_commit = False
                await tell_once(teller_of(lab))
                assert len(there.asked) == MOST_ATTEMPTS

    asyncio.run(go())


def test_an_end_that_is_not_kept_cuts_nothing_off_at_other_addresses(
    lab: Federation, failure_told: asyncio.Event
) -> None:
    async def go() -> None:
        slow = Hook()
        with failing(lab, "lab-a") as disk:

            async def quick(writer: asyncio.StreamWriter) -> None:
                await slow.called.get()
                disk.fails_to_commit = True
                await TAKEN(writer)
                await failure_told.wait()
                disk.fails_to_commit = False
                slow.answers.set()

            async with listening(slow) as one, listening(quick) as other:
                add(lab, "one", one.url)
                add(lab, "two", other.url)
                await tell_once(teller_of(lab))

    asyncio.run(go())
    assert states(lab) == [("sent", 1, ""), ("waiting", 1, UNENDED)]


def test_an_address_that_is_slow_holds_nothing_that_is_written_later(lab: Federation) -> None:
    async def go() -> None:
        slow, quick = Hook(), Hook()
        quick.answers.set()
        async with listening(slow) as one, listening(quick) as other:
            add(lab, "first", one.url)
            async with running(teller_of(lab)):
                await slow.called.get()
                add(lab, "second", one.url)
                for number in range(3):
                    add(lab, f"urgent {number}", other.url)
                    await quick.called.get()
                assert slow.called.empty()
                slow.answers.set()
                await slow.called.get()
            assert (len(one.asked), len(other.asked)) == (2, 3)

    asyncio.run(go())
    assert states(lab)[0] == ("sent", 1, "")


def test_what_ends_while_notices_are_read_is_not_sent_again(
    lab: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        loop, slow, due, teller = asyncio.get_running_loop(), Hook(), rows.due, teller_of(lab)

        async def first_ends() -> None:
            slow.answers.set()
            await asyncio.wait([first])

        def due_before(connection: Connection, at: datetime, each: int) -> tuple[Notice, ...]:
            """What was due before the first attempts ended, told after they did."""
            found = due(connection, at, each)
            asyncio.run_coroutine_threadsafe(first_ends(), loop).result(LIMIT_S)
            return found

        async with listening(slow) as there:
            add(lab, "one", there.url)
            add(lab, "two", there.url)
            first = asyncio.create_task(tell_once(teller))
            await slow.called.get()
            monkeypatch.setattr(rows, "due", due_before)
            await tell_once(teller)
            assert len(there.asked) == 2

    asyncio.run(go())
    assert states(lab) == [("sent", 1, "")] * 2
