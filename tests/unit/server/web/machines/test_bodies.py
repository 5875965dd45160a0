"""Whose bodies are held at once, and how much of them."""

from __future__ import annotations

import asyncio
import gc

import pytest
from starlette.types import Receive, Scope, Send
from tests.unit.server.web.machines.begun import begin, send

from steelyard.disclosure.case.event import EVENT_LIMIT_BYTES
from steelyard.disclosure.delivery.parcel import PARCEL_LIMIT_BYTES
from steelyard.server.web import guard as guards
from steelyard.server.web.bodies import network_of
from steelyard.server.web.guard import Guard, Limits, read_body, vouch
from steelyard.server.web.settings import Quotas

LIMITS = Limits(body_bytes=100, waiting_bytes=400, strangers_bytes=200, sender_bytes=100)
WHOLE = b"x" * 100


async def known_by_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Vouches for the key that stands in the path."""
    if key := scope["path"].removeprefix("/"):
        vouch(scope, key)
    await read_body(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_one_address_leaves_room_for_others() -> None:
    async def go() -> None:
        guard = Guard(known_by_path, LIMITS)
        held = [await begin(guard, b"x" * 50) for _ in range(3)]
        assert [one.status for one in held] == [0, 0, 503]
        assert await send(guard, b"x") == 503
        assert await send(guard, WHOLE, address="192.0.2.8") == 200
        assert [await one.end() for one in held] == [200, 200, 503]
        assert await send(guard, WHOLE) == 200

    asyncio.run(go())


def test_all_addresses_of_one_network_have_the_room_of_one() -> None:
    async def go() -> None:
        guard = Guard(known_by_path, LIMITS)
        held = await begin(guard, WHOLE, address="2001:db8::1")
        assert await send(guard, b"x", address="2001:db8::2") == 503
        assert await send(guard, WHOLE, address="2001:db8:0:1::2") == 200
        assert await held.end() == 200

    asyncio.run(go())


def test_one_key_leaves_room_for_others_and_for_strangers_at_its_address() -> None:
    async def go() -> None:
        guard = Guard(known_by_path, LIMITS)
        held = await begin(guard, WHOLE, path="/one")
        assert await send(guard, b"x", path="/one", address="192.0.2.8") == 503
        assert await send(guard, WHOLE, path="/other") == 200
        assert await send(guard, WHOLE) == 200
        assert await held.end() == 200
        assert await send(guard, WHOLE, path="/one") == 200

    asyncio.run(go())


def test_behind_a_proxy_the_address_is_that_of_the_client() -> None:
    async def go() -> None:
        guard = Guard(known_by_path, LIMITS, behind_proxy=True)
        first, second, third = [
            await begin(guard, WHOLE, headers={"X-Forwarded-For": f"203.0.113.9, {address}"})
            for address in ("198.51.100.4", "198.51.100.5", "198.51.100.4")
        ]
        assert [first.status, second.status, third.status] == [0, 0, 503]
        assert [await first.end(), await second.end()] == [200, 200]

    asyncio.run(go())


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no:address", "no:other", False),
    ],
)
def test_of_ipv6_the_network_counts(one: str, other: str, is_same: bool) -> None:  # noqa: FBT001
    assert (network_of(one) == network_of(other)) is is_same


def test_the_largest_parcel_of_one_sender_has_room_and_blocks_no_other_stranger() -> None:
    limits, connections = Limits(), Quotas().connections_per_address
    assert limits.sender_bytes >= PARCEL_LIMIT_BYTES
    assert limits.sender_bytes >= connections * EVENT_LIMIT_BYTES
    assert 2 * limits.sender_bytes <= limits.strangers_bytes
    assert limits.strangers_bytes + 2 * limits.sender_bytes <= limits.waiting_bytes


def test_a_request_leaves_nothing_that_refers_to_itself() -> None:
    """What does stays in memory until the interpreter looks for it."""

    def bodies() -> int:
        return sum(type(item) is guards._Body for item in gc.get_objects())

    async def go() -> int:
        guard = Guard(known_by_path, LIMITS)
        before = bodies()
        for _ in range(10):
            await send(guard, WHOLE)
        return bodies() - before

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(go()) == 0
    finally:
        gc.enable()
