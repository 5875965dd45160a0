"""Clients without a key against the doors of a broker: resets, drips, and many from one place."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from steelyard.attest.http_signatures import HttpRequest, sign_request
from steelyard.weights.broker import BrokerClient, BrokerServer, Limits
from steelyard.weights.broker.drill import Clock
from steelyard.weights.broker.tls import server_context

from .brokers import ALICE, STORE, listening
from .certificates import certified

LIMITS = Limits(connections=6, address_connections=3, idle_s=0.5, request_s=0.8, connection_s=2.0)
REQUEST = b"GET /v1/header HTTP/1.1\r\n"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[BrokerServer, Clock]]:
    with listening(tmp_path, LIMITS) as found:
        yield found


def connected(server: BrokerServer, source: str = "127.0.0.1") -> socket.socket:
    place = server.server_address[:2]
    found = socket.create_connection(place, timeout=5, source_address=(source, 0))  # type: ignore[arg-type]
    found.settimeout(5)
    return found


def answered(server: BrokerServer, source: str) -> bytes:
    """What a request without a signature is told: 401 where the door is open."""
    with connected(server, source) as connection:
        try:
            connection.sendall(REQUEST + b"Host: " + server.authority.encode() + b"\r\n\r\n")
            return connection.recv(12)
        except OSError:
            return b""


def reset(connection: socket.socket) -> None:
    """Close with RST, as a client does that wants no more of it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_connections_that_end_before_tls_begins_take_no_place_for_ever(tmp_path: Path) -> None:
    certified(tmp_path, "server", certified(tmp_path, "root", None))
    tls = server_context(tmp_path / "server.pem")
    limits = Limits(connections=4, idle_s=0.5, request_s=0.8, connection_s=2.0)
    with listening(tmp_path, limits, tls) as (server, clock):
        for number in range(200):
            connection = connected(server)
            connection.sendall(b"\x16\x03\x01aaaa")
            reset(connection)
            if number % 20 == 0:
                time.sleep(0.02)
        time.sleep(1.5)
        trusted = ssl.create_default_context(cafile=str(tmp_path / "root.crt"))
        client = BrokerClient(server.url, ALICE, clock, trusted)
        assert [client.header() for _ in range(6)] == [STORE.header] * 6


def test_connections_that_are_reset_take_no_place_for_ever(
    served: tuple[BrokerServer, Clock],
) -> None:
    for _ in range(100):
        reset(connected(served[0]))
    time.sleep(0.3)
    assert answered(served[0], "127.0.0.1") == b"HTTP/1.1 401"


def dripping(server: BrokerServer, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            with connected(server) as connection:
                connection.sendall(REQUEST)
                while not stop.wait(0.2):
                    connection.sendall(b"a: b\r\n")
        except OSError:
            time.sleep(0.01)


def test_drips_from_one_address_keep_nobody_else_out(
    served: tuple[BrokerServer, Clock],
) -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=dripping, args=(served[0], stop)) for _ in range(12)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        seen = []
        for _ in range(10):
            seen.append(answered(served[0], "127.0.0.2"))
            time.sleep(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen == [b"HTTP/1.1 401"] * 10


@pytest.mark.parametrize(
    "start",
    [
        REQUEST,
        b"POST /v1/grants HTTP/1.1\r\nContent-Length: 8000\r\n\r\n",
        b"",
    ],
)
def test_a_request_that_does_not_come_in_time_is_cut_however_it_drips(
    served: tuple[BrokerServer, Clock], start: bytes
) -> None:
    began = time.monotonic()
    with connected(served[0]) as connection:
        try:
            connection.sendall(start)
            while time.monotonic() - began < 5:
                time.sleep(0.1)
                connection.sendall(b"a")
        except OSError:
            pass
    assert time.monotonic() - began < 1.8


def test_a_tls_handshake_that_drips_is_cut(tmp_path: Path) -> None:
    certified(tmp_path, "server", certified(tmp_path, "root", None))
    with listening(tmp_path, LIMITS, server_context(tmp_path / "server.pem")) as (server, _):
        began = time.monotonic()
        with connected(server) as connection:
            try:
                connection.sendall(b"\x16\x03\x01\x02\x00")
                while time.monotonic() - began < 5:
                    time.sleep(0.1)
                    connection.sendall(b"\x01")
            except OSError:
                pass
        assert time.monotonic() - began < 1.8


def test_one_address_has_its_share_of_the_doors_and_a_proxys_has_all(tmp_path: Path) -> None:
    limits = Limits(6, 3, idle_s=5.0, request_s=5.0)
    for proxied_as, expected in (("", 3), ("broker.example", 6)):
        folder = tmp_path / str(expected)
        folder.mkdir()
        with listening(folder, limits, proxied_as=proxied_as) as (server, _):
            held = [connected(server) for _ in range(8)]
            time.sleep(0.3)
            refused = [connection for connection in held if _is_closed(connection)]
            assert len(held) - len(refused) == expected
            for connection in held:
                connection.close()


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_an_answer_may_take_longer_than_a_request(tmp_path: Path) -> None:
    limits = Limits(request_s=0.5, connection_s=10.0, idle_s=5.0)
    with listening(tmp_path, limits) as (server, clock):
        alice = BrokerClient(server.url, ALICE, clock)
        request, fields = _signed(alice, clock)
        with connected(server) as connection:
            connection.sendall(f"GET {request} HTTP/1.1\r\n{fields}\r\n".encode())
            time.sleep(1.2)
            data = b""
            while piece := connection.recv(65536):
                data += piece
                time.sleep(0.02)
    assert data.endswith(STORE.read(0, 0, 1))


def _signed(client: BrokerClient, clock: Clock) -> tuple[str, str]:
    authority = client.url.removeprefix("http://")
    path = "/v1/streams/0/segments/0-0"
    fields = sign_request(
        HttpRequest("GET", authority, path), client.key, created=int(clock()), nonce=bytes(16)
    )
    lines = [f"Host: {authority}", *(f"{name}: {value}" for name, value in fields.items())]
    return path, "".join(f"{line}\r\n" for line in lines)
