"""A client before a broker that means it ill, and before what people type."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from steelyard.kernel.errors import CannotVerify, MalformedEvidence, TargetUnreachable, UsageError
from steelyard.weights.broker import BrokerClient, fetch
from steelyard.weights.broker.drill import Clock
from steelyard.weights.broker.fetch import hand_in_once

from .brokers import ALICE


@contextmanager
def answering(status: int, body: bytes, **fields: str) -> Generator[BrokerClient]:
    """A server that says the same to everybody."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - as http.server names it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield BrokerClient(f"http://127.0.0.1:{server.server_port}", ALICE, Clock())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("wait", ["9" * 20, "9" * 400, "86400", "61"])
def test_a_broker_cannot_make_a_client_sleep_for_years(
    monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(fetch.time, "sleep", slept.append)
    with (
        answering(425, b'{"detail":"later"}', Retry_After=wait) as client,
        pytest.raises(CannotVerify) as caught,
    ):
        hand_in_once(client, [b"{}"])
    assert caught.value.message == "the broker answers 425: later"
    assert slept == [60.0] * 5


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"grant":1}', b'{"grant":"x"}', b"[]", b"", b"\xff", b'{"grant":"' + b"A" * 64],
)
def test_an_answer_that_names_no_grant_is_refused(body: bytes) -> None:
    for ask in (hand_in_once, BrokerClient.hand_in):
        with answering(200, body) as client, pytest.raises(MalformedEvidence) as caught:
            ask(client, [b"{}"])
        assert caught.value.where == "broker"


@pytest.mark.parametrize("approval", [b"", b"x", b"\xff\xfe", b"[]", b'{"a":1,"a":2}', b"[" * 9999])
def test_an_approval_that_is_none_is_told_by_its_number(approval: bytes) -> None:
    client = BrokerClient("http://127.0.0.1:1", ALICE, Clock())
    for ask in (hand_in_once, BrokerClient.hand_in):
        with pytest.raises(MalformedEvidence) as caught:
            ask(client, [b"{}", approval])
        assert caught.value.where == "approval 2"


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://a b", "http://x:y", "http://x:99999", "http://\udcff", "http://é",
     "http://", "ftp://x", "x", "", "http://x/path", "http://u:p@x", "http://[::1]x:1", "http://x?",
     "http://[1:2]", f"http://{'a' * 64}", f"http://{'a.' * 130}", "http://x\n", "http://x:"],
)  # fmt: skip
def test_what_is_no_address_is_a_mistake_of_usage(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        BrokerClient(url, ALICE, Clock())
    assert caught.value.message == f"{url[:80]!r} is no address of a broker"


@pytest.mark.parametrize(
    "url", ["http://x", "https://a-b.example.org:8766", "http://[::1]:80", "http://127.0.0.1:1"]
)
def test_addresses_are_taken_as_they_are(url: str) -> None:
    assert BrokerClient(url, ALICE, Clock()).url == url


@pytest.mark.parametrize("ask", [BrokerClient.header, BrokerClient.leaves, BrokerClient.status])
def test_who_does_not_answer_cannot_be_reached(ask: Callable[[BrokerClient], object]) -> None:
    with pytest.raises(TargetUnreachable, match="the broker does not answer"):
        ask(BrokerClient("http://127.0.0.1:1", ALICE, Clock()))
