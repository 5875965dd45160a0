from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from steelyard.attest import PrivateKey
from steelyard.attest.http_signatures import HttpRequest, sign_request
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import (
    CannotVerify,
    ConfigurationError,
    StorageError,
    TargetUnreachable,
    UsageError,
)
from steelyard.standard import check_schema
from steelyard.weights.broker import BrokerClient, BrokerServer, FolderStore, Limits
from steelyard.weights.broker.client import Answer, approvals_body
from steelyard.weights.broker.drill import Clock, MadeUpStore
from steelyard.weights.broker.fetch import hand_in_once
from steelyard.weights.broker.tls import server_context
from steelyard.weights.sealed import Sealing, seal_model
from steelyard.weights.sealed.header import LEAVES_NAME, stream_name

from .brokers import ALICE, BOB, CUSTODIANS, STORE, listening, make_broker, make_grant
from .certificates import certified

LIMITS = Limits(connections=3, idle_s=0.5, request_s=1.0, connection_s=2.0, body_bytes=8192)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[BrokerServer, Clock]]:
    with listening(tmp_path, LIMITS) as found:
        yield found


def client(served: tuple[BrokerServer, Clock], key: PrivateKey = ALICE) -> BrokerClient:
    return BrokerClient(served[0].url, key, served[1])


def sealed_store(folder: Path) -> FolderStore:
    """A store of weights that were really sealed."""
    publisher = PrivateKey.from_seed(b"p" * 32)
    (folder / "weights.bin").write_bytes(b"weights")
    sealing = Sealing("small", 1, [generate_identity(hybrid=False).recipient])
    now = datetime(2027, 1, 15, tzinfo=UTC)
    seal_model(folder / "weights.bin", folder / "sealed", sealing, publisher, now)
    return FolderStore.open(folder / "sealed", publisher.public_key)


def raw(served: tuple[BrokerServer, Clock], data: bytes) -> bytes:
    place = urlsplit(served[0].url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        connection.sendall(data)
        found = b""
        while piece := connection.recv(65536):
            found += piece
    return found


def detail(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["detail"]


def test_a_principal_gets_segments_header_and_status(
    served: tuple[BrokerServer, Clock],
) -> None:
    alice = client(served)
    answer = alice.segments(0, 3, 3)
    assert (answer.status, answer.body) == (200, STORE.read(0, 3, 1))
    assert alice.header() == STORE.header
    status = alice.status()
    assert (status["coverage_bytes"], status["alarmed"]) == (STORE.segment_bytes, False)
    assert client(served, BOB).status()["coverage_bytes"] == 0


def test_a_refusal_says_how_long_to_wait_and_nothing_of_others(
    served: tuple[BrokerServer, Clock],
) -> None:
    alice = client(served)
    alice.segments(0, 0, 0)
    answer = alice.segments(0, 1, 1)
    assert detail(answer) == (429, "new segments are slowed")
    assert answer.retry_after_s is not None
    # A minute at a principal's rate is one segment here.
    assert detail(alice.segments(0, 1, 40)) == (413, "ask for fewer segments")
    for number in range(1, 5):
        served[1].now_s += 10_000.0
        answer = alice.segments(0, number, number)
    with pytest.raises(CannotVerify) as caught:
        answer.require()
    assert caught.value.message == (
        "the broker answers 403: no new segments until people have looked"
    )


def test_a_grant_is_handed_in_and_used(served: tuple[BrokerServer, Clock]) -> None:
    alice = client(served)
    grant = make_grant(served[1])
    digest = alice.hand_in([grant.approve(key) for key in CUSTODIANS[1:]])
    assert digest == grant.digest
    for first in (0, 32):
        answer = alice.segments(0, first, first + 31, digest)
        assert answer.body == STORE.read(0, first, 32)
    assert client(served, BOB).segments(0, 0, 0, digest).status == 403


def test_a_grant_is_taken_once_and_a_second_time_said_to_be_there(
    served: tuple[BrokerServer, Clock],
) -> None:
    alice = client(served)
    grant = make_grant(served[1])
    approvals = [grant.approve(key) for key in CUSTODIANS[1:]]
    assert [hand_in_once(alice, approvals) for _ in range(2)] == [grant.digest] * 2
    again = alice.ask("POST", "/v1/grants", "", approvals_body(approvals))
    assert detail(again) == (409, "grant: this grant was handed in before")


def test_more_than_a_request_may_have_is_too_much_under_a_grant_too(tmp_path: Path) -> None:
    with listening(tmp_path, LIMITS, store=MadeUpStore(66)) as served:
        alice, grant = client(served), make_grant(served[1])
        digest = alice.hand_in([grant.approve(key) for key in CUSTODIANS[1:]])
        assert detail(alice.segments(0, 0, 64, digest)) == (413, "ask for fewer segments")
        assert len(alice.segments(0, 1, 64, digest).body) == 64 * STORE.segment_bytes


def test_a_status_follows_its_schema(served: tuple[BrokerServer, Clock]) -> None:
    status = client(served).status()
    check_schema(status, "broker-status", where="status")
    assert status == {
        "schema": "steelyard/broker-status/1",
        "model": "drill",
        "artifact": STORE.artifact,
        "coverage_bytes": 0,
        "coverage_limit_bytes": 4 << 20,
        "alarmed": False,
    }


def test_what_cannot_be_read_is_503_and_names_no_place(tmp_path: Path) -> None:
    store = sealed_store(tmp_path)
    with listening(tmp_path, LIMITS, store=store) as served:
        answer = client(served).segments(0, 0, 0)
        assert (answer.status, answer.body) == (200, store.read(0, 0, 1))
        (store.folder / stream_name(0)).unlink()
        (store.folder / LEAVES_NAME).unlink()
        for path in ("/v1/streams/0/segments/0-0", "/v1/leaves"):
            answer = client(served).ask("GET", path)
            assert detail(answer) == (503, "the sealed weights cannot be read any more")
            assert str(tmp_path).encode() not in answer.body


def _spoilt(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"not an entry\n")


@pytest.mark.parametrize("harm", [Path.unlink, _spoilt])
def test_a_ledger_that_was_harmed_is_503_and_names_no_place(
    served: tuple[BrokerServer, Clock], tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(tmp_path / "ledger.jsonl")
    message = "the ledger was changed by somebody else while this broker runs"
    for number in range(2):
        answer = client(served).segments(0, number, number)
        assert detail(answer) == (503, message)
        assert str(tmp_path).encode() not in answer.body


def _shortened(path: Path) -> None:
    os.truncate(path, 100)


@pytest.mark.parametrize("harm", [Path.unlink, _shortened])
def test_segments_that_are_gone_from_the_folder_are_a_storage_error(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    store = sealed_store(tmp_path)
    path = store.folder / stream_name(0)
    harm(path)
    with pytest.raises(StorageError) as caught:
        store.read(0, 0, 1)
    assert caught.value.message == "the sealed weights cannot be read any more"
    assert caught.value.where == str(path)


def test_limits_are_those_of_the_specification() -> None:
    assert Limits() == Limits(
        connections=64, address_connections=16, idle_s=10.0, request_s=5.0,
        connection_s=120.0, body_bytes=65536,
    )  # fmt: skip


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_a_broker_listens_on_an_address_of_ipv6(tmp_path: Path) -> None:
    with listening(tmp_path, LIMITS, host="::1") as (server, clock):
        assert server.url.startswith("http://[::1]:")
        assert BrokerClient(server.url, ALICE, clock).header() == STORE.header


def test_the_own_port_of_a_scheme_is_no_part_of_an_authority(tmp_path: Path) -> None:
    with listening(tmp_path, LIMITS, proxied_as="Broker.Example:443") as (server, clock):
        assert (server.scheme, server.authority) == ("https", "broker.example")
        assert server.url == f"http://127.0.0.1:{server.server_port}"
        place = BrokerClient(server.url, ALICE, clock)
        request = HttpRequest("GET", "broker.example", "/v1/header")
        fields = sign_request(request, ALICE, created=int(clock.now_s), nonce=bytes(16))
        assert place.send(request, fields | {"Host": "broker.example:443"}).status == 200


def test_a_client_signs_what_it_asks_for() -> None:
    for url, authority in (
        ("http://Broker.example:80", "broker.example"),
        ("https://broker.example:443", "broker.example"),
        ("https://broker.example:80", "broker.example:80"),
        ("http://[::1]:80", "[::1]"),
        ("http://[::1]:8766", "[::1]:8766"),
    ):
        assert BrokerClient(url, ALICE, Clock()).authority == authority


@pytest.mark.parametrize("host", ["é" * 70, "999.0.0.1", "192.0.2.1"])
def test_a_host_that_is_none_here_is_a_mistake_of_usage(tmp_path: Path, host: str) -> None:
    broker, _ = make_broker(tmp_path)
    with pytest.raises(UsageError) as caught:
        BrokerServer((host, 0), broker)
    assert caught.value.message.startswith("cannot listen: ")
    assert caught.value.hint == "choose another --host or --port"
    broker.close()


def test_roots_that_are_none_are_named(tmp_path: Path) -> None:
    certified(tmp_path, "server", certified(tmp_path, "root", None))
    with pytest.raises(ConfigurationError) as caught:
        server_context(tmp_path / "server.pem", tmp_path / "absent")
    assert caught.value.where == str(tmp_path / "absent")


def test_who_is_no_principal_gets_nothing(served: tuple[BrokerServer, Clock]) -> None:
    stranger = client(served, CUSTODIANS[0])
    assert stranger.segments(0, 0, 0).status == 401
    assert b"401 Unauthorized" in raw(served, _plain(served, "GET /v1/header HTTP/1.1"))


def _plain(served: tuple[BrokerServer, Clock], line: str, *fields: str) -> bytes:
    host = f"Host: {served[0].authority}"
    return "\r\n".join([line, host, *fields, "", ""]).encode()


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/streams/0/segments/0", "/v1/streams/00/segments/0-0", "/v1/streams/0/segments/-1-0",
     "/v1/streams/0/segments/9-3", "/v1/../v1/header", "/v1/streams/9/segments/0-0"],
)  # fmt: skip
def test_other_paths_are_not_found(served: tuple[BrokerServer, Clock], path: str) -> None:
    assert client(served).ask("GET", path).status == 404


def test_a_request_to_another_server_is_none_here(served: tuple[BrokerServer, Clock]) -> None:
    data = _plain(served, "GET /v1/header HTTP/1.1").replace(b"Host: 127.0.0.1", b"Host: 127.0.0.2")
    assert b"the request is for another server" in raw(served, data)


def test_a_field_that_is_there_twice_is_refused(served: tuple[BrokerServer, Clock]) -> None:
    data = _plain(served, "GET /v1/header HTTP/1.1", "Signature: sig1=:a:", "Signature: sig1=:b:")
    assert b"a field is there twice" in raw(served, data)


@pytest.mark.parametrize("length", ["8193", "-1", "1e3", ""])
def test_a_body_of_no_fit_length_is_not_read(
    served: tuple[BrokerServer, Clock], length: str
) -> None:
    data = _plain(served, "POST /v1/grants HTTP/1.1", f"Content-Length: {length}")
    assert b"413 Request Entity Too Large" in raw(served, data)


def test_a_request_made_twice_counts_once(served: tuple[BrokerServer, Clock]) -> None:
    alice = client(served)
    request = HttpRequest("GET", served[0].authority, "/v1/header")
    fields = sign_request(request, ALICE, created=int(served[1].now_s), nonce=bytes(16))
    assert alice.send(request, fields).status == 200
    assert detail(alice.send(request, fields)) == (401, "this request was made before")


def test_an_old_request_is_to_be_signed_again(served: tuple[BrokerServer, Clock]) -> None:
    late = BrokerClient(served[0].url, ALICE, lambda: served[1].now_s - 1000)
    assert detail(late.segments(0, 0, 0)) == (425, "the request is older than 120 s")


def test_slow_clients_are_cut_and_many_are_turned_away(
    served: tuple[BrokerServer, Clock],
) -> None:
    place = urlsplit(served[0].url)
    slow = [socket.create_connection((place.hostname, place.port), timeout=5) for _ in range(3)]
    time.sleep(0.2)
    with pytest.raises(TargetUnreachable):
        client(served).header()
    started = time.monotonic()
    for connection in slow:
        connection.settimeout(5)
        assert connection.recv(10) == b""
        connection.close()
    assert time.monotonic() - started < 4
    time.sleep(0.2)
    assert client(served).header() == STORE.header


def test_a_client_that_drips_is_cut_in_the_end(served: tuple[BrokerServer, Clock]) -> None:
    place = urlsplit(served[0].url)
    started = time.monotonic()
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        while time.monotonic() - started < 10:
            try:
                connection.sendall(b"G")
            except OSError:
                break
            time.sleep(0.1)
    assert time.monotonic() - started < 5


def test_tls_asks_clients_for_a_certificate(tmp_path: Path) -> None:
    root = certified(tmp_path, "root", None)
    certified(tmp_path, "server", root)
    certified(tmp_path, "client", root)
    tls = server_context(tmp_path / "server.pem", tmp_path / "root.crt")
    with listening(tmp_path, LIMITS, tls) as (server, clock):
        known = ssl.create_default_context(cafile=str(tmp_path / "root.crt"))
        bare = BrokerClient(server.url, ALICE, clock, known)
        with pytest.raises(TargetUnreachable):
            bare.header()
        shown = ssl.create_default_context(cafile=str(tmp_path / "root.crt"))
        shown.load_cert_chain(tmp_path / "client.pem")
        assert server.url.startswith("https://")
        assert BrokerClient(server.url, ALICE, clock, shown).header() == STORE.header
