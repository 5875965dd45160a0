"""Events that come together: each author hears of its own, whatever comes beside it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from tests.unit.server.node.federation import damage
from tests.unit.server.web.machines.served import Served

from steelyard.disclosure.case import Chain
from steelyard.kernel.errors import BrokenSeal, StorageError, UnknownName
from steelyard.server.node.ordering import Admitted
from steelyard.server.web.machines.arrivals import Arrivals
from steelyard.server.web.quotas import Quota


def together(served: Served, *bodies: bytes, burst: int = 100) -> list[Admitted | BaseException]:
    """What each of some events comes to that wait at the same time."""

    async def order() -> list[Admitted | BaseException]:
        arrivals = Arrivals(served.host, Quota(1, burst))
        return await asyncio.gather(
            *(arrivals.order(body) for body in bodies), return_exceptions=True
        )

    return asyncio.run(asyncio.wait_for(order(), 60))


def test_what_is_refused_harms_nothing_beside_it(served: Served) -> None:
    good, before = served.event(), served.size()
    place = good.index(b'"sig":"') + 7
    forged = good[:place] + good[place : place + 80][::-1] + good[place + 80 :]
    second = served.event(version="2")
    found = together(served, b"{", served.event("other"), forged, good, second, good)
    expected = (BrokenSeal, UnknownName, UnknownName, Admitted, BrokenSeal, Admitted)
    assert tuple(map(type, found)) == expected
    first, again = found[3], found[5]
    assert isinstance(first, Admitted)
    assert isinstance(again, Admitted)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.ordered is again.ordered
    assert served.size() == before + 1


def test_a_quota_is_used_up_by_what_was_signed_alone(served: Served) -> None:
    """Or a stranger could keep an author from being heard."""
    good = served.event()
    found = together(served, *[served.event("other")] * 5, good, good, burst=1)
    assert [type(item) for item in found[:5]] == [UnknownName] * 5
    assert isinstance(found[5], Admitted)
    assert isinstance(found[6], HTTPException)
    assert found[6].status_code == 429


def test_whoever_waits_hears_that_nothing_is_kept_any_more(served: Served) -> None:
    good = served.event()
    served.host.writer.close()
    found = together(served, good, good)
    assert [type(item) for item in found] == [StorageError] * 2


def test_a_case_that_is_not_in_memory_is_read_once_and_beside_the_others(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long one is verified for seconds: no event of another case waits for that."""
    warm, host = served.event(), served.host
    served.case = served.open_case()
    first = served.event()
    second = served.event(version="2")
    host.chains.drop(served.case)
    reading, may_go_on, asked = threading.Event(), threading.Event(), list[str]()
    read = host.chains.find_or_put_off

    def slow(connection: Connection, case: str) -> Chain | None:
        if case == served.case and not may_go_on.is_set():
            asked.append(case)
            reading.set()
            assert may_go_on.wait(60)
        return read(connection, case)

    monkeypatch.setattr(host.chains, "find_or_put_off", slow)

    async def order() -> list[Admitted | BaseException]:
        arrivals = Arrivals(host, Quota(1, 100))
        cold = [asyncio.create_task(arrivals.order(body)) for body in (first, first, second)]
        await asyncio.to_thread(reading.wait, 60)
        assert isinstance(await arrivals.order(warm), Admitted)
        assert not any(task.done() for task in cold)
        may_go_on.set()
        return await asyncio.gather(*cold, return_exceptions=True)

    found = asyncio.run(asyncio.wait_for(order(), 120))
    assert [type(item) for item in found] == [Admitted, Admitted, BrokenSeal]
    assert asked == [served.case]


def test_a_damaged_case_is_no_fault_of_an_author(served: Served) -> None:
    """It keeps its event, and reads of no fault in what it signed."""
    good = served.event()
    damage(served.host, served.case)
    (found,) = together(served, good)
    assert isinstance(found, StorageError)
    assert served.ask("POST", "/events", good).status_code == 503
    for what in ("entries", "checkpoint"):
        assert served.ask("GET", f"/cases/{served.case}/{what}", by="lab").status_code == 503
