"""Events that come together: each author hears of its own, whatever comes beside it."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from tests.unit.server.web.machines.served import Served

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
