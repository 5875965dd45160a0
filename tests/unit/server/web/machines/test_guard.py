"""What stands before every route: sizes, times, headers, the log, and who is let in."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from tests.unit.server.web.machines.served import Served, problem

from steelyard.server.web.connections import Doors, protocol
from steelyard.server.web.guard import ACCESS, Guard, Limits, read_body, vouch
from steelyard.server.web.quotas import Quota


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    del scope
    body = await read_body(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % len(body)})


def ask(guard: Guard, body: bytes | AsyncIterator[bytes], path: str = "/") -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            return await client.post(path, content=body)

    return asyncio.run(send())


async def pieces(count: int, size: int = 10, every_s: float = 0.0) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size
        await asyncio.sleep(every_s)


PATHS = ("/", "/known")
LIMITS = Limits(body_bytes=100, paths={"/large": 1000}, idle_s=0.2, body_s=0.5)


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
def test_a_body_has_a_limit(size: int, status: int) -> None:
    announced = ask(Guard(echo, LIMITS), b"x" * size)
    streamed = ask(Guard(echo, LIMITS), pieces(1, size))
    assert announced.status_code == streamed.status_code == status
    assert ("connection" in announced.headers) == (status == 413)


def test_a_path_may_have_a_limit_of_its_own() -> None:
    guard = Guard(echo, LIMITS)
    assert ask(guard, b"x" * 1000, "/large/x").status_code == 200
    assert problem(ask(guard, b"x" * 1001, "/large/x")) == (
        413,
        "a body here has at most 1000 bytes",
    )


def test_an_announced_body_that_is_too_large_is_not_read() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError((scope, receive, send))

    assert ask(Guard(never, LIMITS), b"x" * 101).status_code == 413


def test_a_body_that_stops_is_given_up() -> None:
    assert problem(ask(Guard(echo, LIMITS), pieces(2, every_s=0.4))) == (
        408,
        "the body takes too long",
    )


def test_a_body_that_trickles_is_given_up() -> None:
    assert ask(Guard(echo, LIMITS), pieces(9, every_s=0.1)).status_code == 408
    assert ask(Guard(echo, LIMITS), pieces(2, every_s=0.1)).status_code == 200


def test_bodies_that_are_held_at_once_have_a_limit() -> None:
    guard = Guard(echo, Limits(body_bytes=100, waiting_bytes=150))

    async def both() -> list[int]:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            slow = asyncio.create_task(client.post("/", content=pieces(9, every_s=0.05)))
            await asyncio.sleep(0.3)
            found = [(await client.post("/", content=b"x" * 100)).status_code]
            found.append((await slow).status_code)
            found.append((await client.post("/", content=b"x" * 100)).status_code)
            return found

    assert asyncio.run(both()) == [503, 200, 200]


def test_strangers_take_a_part_of_what_is_held_alone() -> None:
    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/known":
            vouch(scope)
        await echo(scope, receive, send)

    guard = Guard(known, Limits(body_bytes=100, waiting_bytes=300, strangers_bytes=150))

    async def all_of_them() -> list[int]:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            began, go_on = asyncio.Event(), asyncio.Event()

            async def body() -> AsyncIterator[bytes]:
                yield b"x" * 90
                began.set()
                await go_on.wait()
                yield b"x" * 10

            slow = asyncio.create_task(client.post("/", content=body()))
            await began.wait()
            whole = b"x" * 100
            found = [(await client.post(path, content=whole)).status_code for path in PATHS]
            go_on.set()
            found.append((await slow).status_code)
            found += [(await client.post(path, content=whole)).status_code for path in PATHS]
            return found

    assert asyncio.run(all_of_them()) == [503, 200, 200, 200, 200]


def test_every_answer_has_the_security_headers(served: Served) -> None:
    for path, status in (("/health", 200), ("/no", 404), ("/events", 405)):
        response = served.ask("GET", path)
        assert response.status_code == status
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["strict-transport-security"].startswith("max-age=")
        assert response.headers["cache-control"] == "no-store"


def test_plain_http_promises_no_tls() -> None:
    assert "strict-transport-security" not in ask(Guard(echo, LIMITS), b"").headers
    assert "strict-transport-security" in ask(Guard(echo, LIMITS, is_secure=True), b"").headers


def test_what_fails_inside_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        raise KeyError("a secret")

    with caplog.at_level(logging.ERROR, "steelyard.failures"):
        response = ask(Guard(fail, LIMITS), b"")
    assert problem(response) == (500, "the node failed; nothing was changed")
    assert "secret" not in response.text
    assert "KeyError" in caplog.text


def test_the_log_has_routes_and_no_secrets(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, ACCESS.name):
        served.ask("GET", f"/cases/{served.case}/entries?from=1&token=hidden", by="lab")
        served.ask("GET", "/nothing/hidden")
    shown = [record.getMessage().rsplit(" ", 1)[0] for record in caplog.records
             if record.name == ACCESS.name]  # fmt: skip
    assert shown == [
        "192.0.2.7 GET /cases/{case}/entries 400 0",
        "192.0.2.7 GET - 404 0",
    ]


def test_behind_a_proxy_the_last_address_counts(caplog: pytest.LogCaptureFixture) -> None:
    async def who(scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"].append((b"x-forwarded-for", b"10.0.0.1, 198.51.100.4"))
        await Guard(echo, LIMITS, behind_proxy=True)(scope, receive, send)

    with caplog.at_level(logging.INFO, ACCESS.name):
        transport = httpx.ASGITransport(who)

        async def send() -> None:
            async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
                await client.get("/")

        asyncio.run(send())
    assert caplog.messages[0].startswith("198.51.100.4 GET")


def test_a_quota_is_refilled_evenly_and_forgets_who_is_gone() -> None:
    at = [0.0]
    quota = Quota(60, 2, now=lambda: at[0])
    quota.take("a")
    quota.take("a")
    with pytest.raises(Exception, match="too many at once"):
        quota.take("a")
    quota.take("b")
    at[0] = 1.0
    quota.take("a")
    for number in range(30_000):
        quota.take(str(number))
    assert len(quota._buckets) <= 20_001
    with pytest.raises(Exception, match="too many at once"):
        quota.take("a")
    at[0] = 100.0
    quota.take("a")


@contextmanager
def listening(doors: Doors, header_s: float, limits: Limits | None = None) -> Iterator[int]:
    """A real server, and its port."""
    limits = limits or Limits(idle_s=0.5, body_s=1.0)
    config = uvicorn.Config(
        Guard(echo, limits),
        port=0,
        http=protocol(doors, header_s=header_s),
        log_config=None,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def connect(port: int) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port))
    found.settimeout(5)
    return found


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side ends the connection before the time of the socket is over."""
    try:
        while connection.recv(100):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_a_header_that_does_not_come_is_not_waited_for() -> None:
    with listening(Doors(10, 10), header_s=0.3) as port:
        silent, slow = connect(port), connect(port)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x")
        assert hung_up(silent)
        assert hung_up(slow)


def test_a_second_request_is_not_waited_for_either() -> None:
    with listening(Doors(10, 10), header_s=0.3) as port:
        connection = connect(port)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in connection.recv(1000)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert hung_up(connection)


def test_a_header_without_end_is_cut_off() -> None:
    with listening(Doors(10, 10), header_s=5) as port:
        connection = connect(port)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            send_for_ever(connection, b"X-A: " + b"a" * 1000 + b"\r\n")


def send_for_ever(connection: socket.socket, part: bytes) -> None:
    for _ in range(1_000_000):
        connection.sendall(part)


def test_one_address_cannot_take_every_place() -> None:
    with listening(Doors(10, 2), header_s=5) as port:
        first, second, third = connect(port), connect(port), connect(port)
        assert hung_up(third)
        second.close()
        first.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in first.recv(1000)
        threading.Event().wait(0.1)
        again = connect(port)
        again.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in again.recv(1000)
        for connection in (first, again):
            connection.close()


WHOLE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


@pytest.mark.parametrize(
    ("head", "body"),
    [(WHOLE, b"x" * 5_000_000), (CHUNKED, PIECE * 100 + b"0\r\n\r\n")],
)
def test_who_sends_too_much_reads_why_it_is_refused(head: bytes, body: bytes) -> None:
    with listening(Doors(10, 10), header_s=5, limits=Limits(body_bytes=100)) as port:
        for _ in range(5):
            connection = connect(port)
            connection.sendall(head)
            connection.sendall(body)
            answer = all_of(connection)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert answer.endswith(b'"type":"about:blank"}')
            assert answer.count(b"connection: close") == 1


def test_the_answer_to_a_body_that_is_refused_does_not_wait_for_the_rest() -> None:
    with listening(Doors(10, 10), header_s=5, limits=Limits(body_bytes=100)) as port:
        connection = connect(port)
        connection.sendall(WHOLE)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("limits", [{"rest_bytes": 1 << 20}, {"rest_s": 0.2}])
def test_the_rest_of_a_refused_body_is_taken_within_limits(limits: dict[str, Any]) -> None:
    bounded = Limits(body_bytes=100, **limits)
    with listening(Doors(10, 10), header_s=5, limits=bounded) as port:
        connection = connect(port)
        connection.sendall(CHUNKED)
        with pytest.raises(ConnectionError):
            send_for_ever(connection, PIECE)


def test_after_a_body_that_was_read_a_connection_is_used_again() -> None:
    with listening(Doors(10, 10), header_s=5) as port:
        connection = connect(port)
        for _ in range(2):
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            assert b"200 OK" in connection.recv(1000)
