"""The exfiltration drill: really tries to leak through a running broker, and says what it got.

Runs a broker on loopback over made-up segments and attacks it over HTTP, strategy by strategy.
Segments travel in earnest; **time is simulated**: the attacker's patience moves the broker's
clock, so that weeks pass in seconds. The measure is distinct segments in the attackers' hands in
the end, and whether an alarm sounded (spec/broker.md, section 7).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from steelyard.attest import generate_key
from steelyard.attest.http_signatures import NONCE_BYTES, HttpRequest, sign_request
from steelyard.kernel.errors import CannotVerify, UsageError
from steelyard.weights.broker.broker import Broker, Policy
from steelyard.weights.broker.client import BrokerClient
from steelyard.weights.broker.meter import Principal
from steelyard.weights.broker.service import BrokerServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.weights.broker.budget import Terms
    from steelyard.weights.broker.client import Answer

SEGMENT_BYTES: Final = 1 << 20
BYTES_PER_PARAMETER: Final = 2
_START_S: Final = 1_800_000_000.0
_STEP_LIMIT: Final = 20_000
_OK, _WAIT, _BLOCKED = 200, 429, 403


@dataclass(frozen=True, slots=True)
class MadeUpStore:
    """Segments that nobody needs to keep: each follows from its number."""

    segments: int
    model: str = "drill"
    artifact: str = sha256(b"drill").hexdigest()
    header: bytes = b"{}"
    leaves: bytes = b""
    segment_bytes: int = SEGMENT_BYTES

    @property
    def stream_segments(self) -> tuple[int, ...]:
        """One stream."""
        return (self.segments,)

    def read(self, stream: int, first: int, count: int) -> bytes:
        """Bytes that differ from segment to segment."""
        numbers = range(first, first + count)
        return b"".join(
            sha256(b"%d %d" % (stream, number)).digest() * (SEGMENT_BYTES // 32)
            for number in numbers
        )


@dataclass(slots=True)
class Clock:
    """Simulated time, moved by whoever waits."""

    now_s: float = _START_S

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a strategy came to.

    Attributes:
        strategy: Its name.
        leaked_bytes: Distinct ciphertext in the attackers' hands in the end.
        before_alarm_bytes: The same when the first alarm sounded, or in the end without one.
        model_share: The same as a share of the model.
        alarmed: Whether an alarm sounded.
        detection_s: Simulated seconds from the first request to the alarm; None without one.
        refused: Requests that were refused.
        budget_bytes: U / k: what may leak unseen.
    """

    strategy: str
    leaked_bytes: int
    before_alarm_bytes: int
    model_share: float
    alarmed: bool
    detection_s: float | None
    refused: int
    budget_bytes: int

    @property
    def is_held(self) -> bool:
        """Whether no more than the budget left, and an attack that got on was noticed."""
        return self.leaked_bytes <= self.budget_bytes and (self.alarmed or not self.leaked_bytes)


@dataclass(slots=True)
class Attack:
    """One attack on one broker: the attackers, their loot, and their patience."""

    terms: Terms
    folder: Path
    clock: Clock = field(default_factory=Clock)
    loot: set[int] = field(default_factory=set[int])
    refused: int = 0
    alarm_s: float | None = None
    loot_at_alarm: int | None = None
    server: BrokerServer | None = None
    keys: list[PrivateKey] = field(default_factory=list["PrivateKey"])

    def __post_init__(self) -> None:
        """Four attackers of two organizations."""
        self.keys = [generate_key() for _ in range(4)]

    @property
    def segments(self) -> int:
        """Segments of the model."""
        return max(1, self.terms.parameters * BYTES_PER_PARAMETER // SEGMENT_BYTES)

    @property
    def steps(self) -> int:
        """Segments that a strategy tries to get: two more than the budget settle it."""
        return min(self.segments, _budget_segments(self.terms) + 2)

    def start(self) -> BrokerServer:
        """Start a broker on the ledger that is there."""
        policy = Policy(self.terms, dict(map(_entry, enumerate(self.keys))), {})
        store = MadeUpStore(self.segments)
        broker = Broker(store, policy, self.folder / "ledger.jsonl", self.clock)
        server = self.server = BrokerServer(("127.0.0.1", 0), broker)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        # Requests of the first seconds after a start are refused: they could be replayed ones.
        self.clock.now_s += 5
        return server

    def stop(self) -> None:
        """End the broker, as a crash would: nothing is said to it."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server.broker.close()
            self.server = None

    def client(self, attacker: int = 0, ahead_s: float = 0.0) -> BrokerClient:
        """One attacker's connection, its clock ahead or behind."""
        server = self.server or self.start()
        return BrokerClient(server.url, self.keys[attacker], lambda: self.clock.now_s + ahead_s)

    def take(self, attacker: int, number: int, *, ahead_s: float = 0.0) -> Answer:
        """Ask for one segment, and keep what comes."""
        answer = self.client(attacker, ahead_s).segments(0, number, number)
        if answer.status == _OK and answer.body == MadeUpStore(self.segments).read(0, number, 1):
            self.loot.add(number)
        else:
            self.refused += 1
        if self.alarm_s is None and self.server is not None and self.server.broker.alarms:
            self.alarm_s, self.loot_at_alarm = self.clock.now_s, len(self.loot)
        return answer

    def take_patiently(self, attacker: int, number: int) -> bool:
        """Wait as long as the broker says; False once it says no for good."""
        while True:
            answer = self.take(attacker, number)
            if answer.status != _WAIT:
                return answer.status == _OK
            self.clock.now_s += answer.retry_after_s or 1.0


def _entry(numbered: tuple[int, PrivateKey]) -> tuple[str, tuple[Principal, PublicKey]]:
    number, key = numbered
    public = key.public_key
    return public.key_id, (
        Principal(public.key_id, f"attacker-{number}", f"organization-{number // 2}"),
        public,
    )


def greedy(attack: Attack) -> None:
    """One principal, as fast as it is let."""
    for number in range(attack.steps):
        if not attack.take_patiently(0, number):
            return


def slow(attack: Attack) -> None:
    """One principal, always a tenth below its rate, so that no limit of speed is met."""
    rate = attack.terms.rate_bytes_per_s * attack.terms.principal_share
    for number in range(attack.steps):
        attack.clock.now_s += 1.1 * SEGMENT_BYTES / rate
        if attack.take(0, number).status == _BLOCKED:
            return


def colluding(attack: Attack) -> None:
    """Four principals of two organizations, each asking for other segments."""
    open_for = [0, 1, 2, 3]
    for number in range(attack.steps):
        while open_for:
            attacker = open_for[number % len(open_for)]
            if attack.take_patiently(attacker, number):
                break
            open_for.remove(attacker)
        if not open_for:
            return


def decoys(attack: Attack) -> None:
    """Nine reads of what was had already for each new segment, to look like inference."""
    for number in range(attack.steps):
        if not attack.take_patiently(0, number):
            return
        for _ in range(9):
            attack.take(0, number // 2)


def restarts(attack: Attack) -> None:
    """A restart of the broker after every segment, to make it forget."""
    for number in range(attack.steps):
        attack.stop()
        if not attack.take_patiently(0, number):
            return


def clock_games(attack: Attack) -> None:
    """Requests dated ahead and behind, and a broker's clock that is set back and forth."""
    for number in range(attack.steps):
        for ahead_s in (-100_000.0, 100_000.0):
            attack.take(0, number, ahead_s=ahead_s)
        attack.clock.now_s -= 3600.0
        attack.stop()
        attack.start()
        attack.clock.now_s += 3600.0
        if not attack.take_patiently(0, number):
            return


def replays(attack: Attack) -> None:
    """A victim's signed request shown again by who overheard it, also across a restart."""
    client = attack.client(1)
    path = "/v1/streams/0/segments/0-0"
    request = HttpRequest("GET", client.authority, path)
    while (answer := client.segments(0, 0, 0)).status == _WAIT:
        attack.clock.now_s += answer.retry_after_s or 1.0
    fields = sign_request(
        request, client.key, created=int(attack.clock.now_s), nonce=bytes(NONCE_BYTES)
    )
    if client.send(request, fields).status != _OK:
        raise CannotVerify("the victim's own request was refused", where="drill")
    for is_restarted in (False, True):
        if is_restarted:
            attack.stop()
            # The attacker takes the victim's broker to be at the same address.
            fresh = attack.client(1)
            request = HttpRequest("GET", fresh.authority, path)
            fields = sign_request(
                request, client.key, created=int(attack.clock.now_s) - 5, nonce=b"\x01" * 16
            )
            client = fresh
        if client.send(request, fields).status == _OK:
            attack.loot.add(0)
        else:
            attack.refused += 1


STRATEGIES: Final[dict[str, Callable[[Attack], None]]] = {
    "greedy": greedy,
    "slow": slow,
    "colluding": colluding,
    "decoys": decoys,
    "restarts": restarts,
    "clock-games": clock_games,
    "replays": replays,
}


def run_drill(name: str, terms: Terms, folder: Path) -> Outcome:
    """Attack a fresh broker by one strategy.

    Args:
        name: A key of `STRATEGIES`.
        terms: Budgets of the broker; the model has two bytes a parameter.
        folder: Empty, for the ledger.

    Raises:
        UsageError: a budget of more segments than a drill could ask for.
    """
    needed = _budget_segments(terms)
    if needed > _STEP_LIMIT:
        message = f"the budget is {needed} segments, a drill asks for {_STEP_LIMIT} at most"
        hint = "try fewer --parameters or a larger --safety: the formula is the same"
        raise UsageError(message, where="drill", hint=hint)
    with _attack(terms, folder) as attack:
        began = attack.clock.now_s
        STRATEGIES[name](attack)
        leaked = len(attack.loot) * SEGMENT_BYTES
        return Outcome(
            name,
            leaked,
            leaked if attack.loot_at_alarm is None else attack.loot_at_alarm * SEGMENT_BYTES,
            len(attack.loot) / attack.segments,
            attack.alarm_s is not None,
            None if attack.alarm_s is None else attack.alarm_s - began,
            attack.refused,
            int(terms.coverage_bytes),
        )


def _budget_segments(terms: Terms) -> int:
    return int(terms.coverage_bytes // SEGMENT_BYTES)


@contextmanager
def _attack(terms: Terms, folder: Path) -> Generator[Attack]:
    folder.mkdir(parents=True, exist_ok=True)
    attack = Attack(terms, folder)
    attack.start()
    try:
        yield attack
    finally:
        attack.stop()
