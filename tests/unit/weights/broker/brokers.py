"""A broker of a test: made-up segments, a clock that the test moves, two parties of each kind."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from steelyard.attest import PrivateKey
from steelyard.weights.broker import (
    Approver,
    Broker,
    BrokerServer,
    Grant,
    Limits,
    Policy,
    Principal,
    Terms,
)
from steelyard.weights.broker.drill import Clock, MadeUpStore
from steelyard.weights.broker.store import Store

ALICE, BOB = (PrivateKey.from_seed(bytes([i]) * 32) for i in (1, 2))
CUSTODIANS = [PrivateKey.from_seed(bytes([i]) * 32) for i in (3, 4, 5)]
STORE = MadeUpStore(64)
# U / k = 16 MiB, a principal's quarter 4 MiB: four segments.
TERMS = Terms(2 * 16 * (1 << 20) * 2, detection_s=1000.0, safety=2.0)


def principal(key: PrivateKey, organization: str) -> Principal:
    return Principal(key.public_key.key_id, "name", organization)


POLICY = Policy(
    TERMS,
    {
        ALICE.public_key.key_id: (principal(ALICE, "Example Lab"), ALICE.public_key),
        BOB.public_key.key_id: (principal(BOB, "Sample Works"), BOB.public_key),
    },
    {
        key.public_key.key_id: Approver(name, name, key.public_key)
        for key, name in zip(CUSTODIANS, ("Example Lab", "Trust One", "Trust Two"), strict=True)
    },
)


def make_broker(
    folder: Path, clock: Clock | None = None, store: Store = STORE
) -> tuple[Broker, Clock]:
    clock = clock or Clock()
    return Broker(store, POLICY, folder / "ledger.jsonl", clock), clock


@contextmanager
def listening(
    folder: Path,
    limits: Limits,
    tls: ssl.SSLContext | None = None,
    *,
    host: str = "127.0.0.1",
    proxied_as: str = "",
    store: Store = STORE,
) -> Generator[tuple[BrokerServer, Clock]]:
    """A broker over HTTP whose clock is long after its start, so that buckets are full."""
    broker, clock = make_broker(folder, store=store)
    clock.now_s += 10_000.0
    server = BrokerServer((host, 0), broker, limits, tls, proxied_as, behind_proxy=bool(proxied_as))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server, clock
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        broker.close()


def make_grant(clock: Clock, *, purpose: str = "full-load", days: float = 1.0) -> Grant:
    now = datetime.fromtimestamp(clock.now_s, UTC)
    who = ALICE.public_key.key_id if purpose == "full-load" else ""
    expires = now + timedelta(days=days)
    return Grant(purpose, STORE.model, STORE.artifact, who, now, expires, "ab" * 16)  # type: ignore[arg-type]
