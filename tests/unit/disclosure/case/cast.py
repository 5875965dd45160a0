"""Organizations with fixed keys and a case that they share, for tests of cases."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from steelyard.attest import PrivateKey
from steelyard.attest.recipients import Identity
from steelyard.disclosure.case import (
    Card,
    CaseCheckpoint,
    Chain,
    Draft,
    Ordered,
    View,
    case_id,
    open_card,
    open_checkpoint,
    sign_card,
    sign_checkpoint,
    sign_event,
)
from steelyard.disclosure.case.event import FIRST
from steelyard.disclosure.case.organization import organization_id
from steelyard.disclosure.reproducer.commitment import Root
from steelyard.disclosure.reproducer.query import (
    Counts,
    Query,
    Ran,
    make_answer,
    sign_answer,
    sign_query,
)
from steelyard.disclosure.reproducer.verdict import Finding, Verdict
from steelyard.disclosure.states import load_tables
from steelyard.kernel import JsonObject, format_instant, parse_json_object

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
NONCE = "a" * 32
POLICY: JsonObject = {
    "level": "band",
    "rsvp_days": 7,
    "silent_days": 14,
    "publish_by_default": True,
}


def key(label: str) -> PrivateKey:
    """The signing key of a label; the same one every time."""
    return PrivateKey.from_seed(sha256(label.encode()).digest())


def key_row(private: PrivateKey, *, revoked: bool = False, **spans: datetime | None) -> JsonObject:
    """A signing key as a card lists it."""
    since, until = spans.get("since") or START, spans.get("until")
    return {
        "pem": private.public_key.pem.decode(),
        "since": format_instant(since),
        "until": format_instant(until) if until else None,
        "revoked": revoked,
    }


@cache
def recipient_row(label: str) -> str:
    """The PEM of a key to encrypt to."""
    seed = sha256(f"{label} recipient".encode()).digest()
    return Identity(X25519PrivateKey.from_private_bytes(seed)).recipient.pem.decode()


def card_fields(name: str, roles: Iterable[str], sequence: int = 1, **more: Any) -> JsonObject:  # noqa: ANN401
    """Fields of an ordinary card."""
    fields: JsonObject = {
        "name": name,
        "sequence": sequence,
        "made": format_instant(START),
        "keys": [key_row(key(name))],
        "recipients": [{"pem": recipient_row(name), "retired": False}],
        "endpoint": None,
        "contacts": [{"duty": "emergency", "address": f"{name}@example.org"}],
        "roles": list(roles),
        "profile": {"families": ["toy"], "modalities": ["text"], "techniques": []},
        "policy": "",
    }
    return {**fields, **more}


@dataclass
class Player:
    """An organization in a case: its keys, and where its own order stands."""

    name: str
    roles: tuple[str, ...]
    sequence: int = 0
    previous: str = FIRST
    key: PrivateKey = field(init=False)
    envelope: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.key = key(self.name)
        self.envelope = self.card_of()

    @property
    def root(self) -> PrivateKey:
        return key(f"{self.name} root")

    @property
    def id(self) -> str:
        return organization_id(self.root.public_key)

    @property
    def card(self) -> Card:
        return open_card(self.envelope)

    def card_of(self, sequence: int = 1, **more: Any) -> bytes:  # noqa: ANN401
        """A card of this organization."""
        return sign_card(card_fields(self.name, self.roles, sequence, **more), self.root)


@dataclass
class Scene:
    """A case at its host, in which time passes by a minute with each event."""

    host: Player
    players: dict[str, Player] = field(default_factory=dict[str, Player])
    now: datetime = START
    chain: Chain = field(init=False)

    def __post_init__(self) -> None:
        self.chain = Chain(case_id(self.host.id, NONCE))
        self.players[self.host.name] = self.host

    def copied(self) -> Scene:
        """The same scene, to go on from twice."""
        twin = copy(self)
        twin.chain = self.chain.copied()
        twin.players = {name: copy(player) for name, player in self.players.items()}
        return twin

    @property
    def view(self) -> View:
        return self.chain.view

    def __getitem__(self, name: str) -> Player:
        return self.players[name]

    def draft(self, name: str, kind: str, body: JsonObject, **changes: Any) -> Draft:  # noqa: ANN401
        """The next event of a player, who has seen everything."""
        player = self.players[name]
        size = self.chain.size
        made = Draft(
            case=self.chain.case,
            author=player.id,
            sequence=player.sequence + 1,
            previous=player.previous,
            seen_size=size,
            seen_head=self.chain.head if size else FIRST,
            at=self.now,
            kind=kind,
            body=body,
        )
        return replace(made, **changes)

    def say(self, name: str, kind: str, body: JsonObject | None = None, **changes: Any) -> Ordered:  # noqa: ANN401
        """Let a player say something, and the host order it a minute later."""
        self.now += timedelta(minutes=1)
        signer = changes.pop("key", self.players[name].key)
        envelope = sign_event(self.draft(name, kind, body or {}, **changes), signer)
        return self.order(name, envelope)

    def order(self, name: str, envelope: bytes) -> Ordered:
        """Let the host order a signed event."""
        found = self.chain.admit(envelope, self.now)
        self.players[name].sequence = found.event.sequence
        self.players[name].previous = found.event.digest
        return found

    def open(self, **changes: Any) -> Ordered:  # noqa: ANN401
        """Open the case."""
        body: JsonObject = {
            "nonce": NONCE,
            "title": "A flaw",
            "abstract": "One paragraph.",
            "tables": load_tables().digest,
            "policy": POLICY,
            "card": parse_json_object(self.host.envelope),
            "roles": list(self.host.roles),
        }
        return self.say(self.host.name, "open", {**body, **changes})

    def invite(self, name: str, *roles: str, by: str = "", **changes: Any) -> Ordered:  # noqa: ANN401
        """Let the host, or somebody else, take an organization in."""
        player = self.players.setdefault(name, Player(name, roles))
        body: JsonObject = {
            "card": parse_json_object(player.envelope),
            "roles": list(player.roles),
            "open_weights": False,
            "answer_by": format_instant(self.now + 7 * DAY),
        }
        return self.say(by or self.host.name, "invite", {**body, **changes})

    def object(self, label: str, *readers: str, tier: str = "h1", **more: Any) -> JsonObject:  # noqa: ANN401
        """A reference to an encrypted object."""
        reference: JsonObject = {
            "id": sha256(label.encode()).hexdigest(),
            "media_type": "text/plain",
            "bytes": 100,
            "tier": tier,
            "recipients": [self.players[name].id for name in readers],
        }
        return {**reference, **more}

    def report(self, *to: str, by: str = "finder") -> Ordered:
        """Let the finder report to organizations of the case."""
        body: JsonObject = {
            "object": self.object("report", *to),
            "to": [self.players[name].id for name in to],
        }
        return self.say(by, "report", body)

    def propose(self, by: str, days: int = 90) -> str:
        """Let somebody propose an embargo; returns what answers name it by."""
        body: JsonObject = {"until": format_instant(self.now + days * DAY), "text": "Say nothing."}
        return self.say(by, "propose", body).event.digest

    def embargo(self, by: str, other: str, days: int = 90) -> str:
        """Put an embargo in force."""
        terms = self.propose(by, days)
        self.say(other, "accept", {"terms": terms})
        return terms

    def ask(self, *to: str, by: str = "hub", **changes: Any) -> Query:  # noqa: ANN401
        """Let the coordinator ask organizations."""
        asked = self.query(**changes)
        envelope = parse_json_object(sign_query(asked, self.players[by].key))
        ids: list[Any] = [self.players[name].id for name in to]
        self.say(by, "query", {"query": envelope, "to": ids})
        return asked

    def query(self, **changes: Any) -> Query:  # noqa: ANN401
        """A query that stands for a week."""
        asked = Query(self.chain.case, "c" * 64, "verdict", "0" * 32, self.now, self.now + 7 * DAY)
        return replace(asked, **changes)

    def target(self, name: str, handle: str = "m1", version: str = "1") -> Ordered:
        """Let an organization name a target."""
        body: JsonObject = {
            "handle": handle,
            "commitment": None,
            "version": version,
            "guardrail": "",
        }
        return self.say(name, "target", body)

    def checkpoint(self, size: int | None = None, at: datetime | None = None) -> CaseCheckpoint:
        """What the host signs of the case as it stands, or stood."""
        size, at = self.chain.size if size is None else size, at or self.now
        head, host = self.chain.head_at(size), self.host
        note = sign_checkpoint(self.chain.case, size, head, host=host.id, key=host.key, at=at)
        return open_checkpoint(note, self.chain.case, host.id, host.card.keys_at(at))

    def answer(
        self,
        name: str,
        asked: Query,
        label: str = "",
        *,
        handle: str = "m1",
        **changes: Any,  # noqa: ANN401
    ) -> Ordered:
        """Let an organization answer with a sealed object that the coordinator reads."""
        sealed = self.object(label or f"{name} {handle} {asked.nonce}", "hub")
        body: JsonObject = {"target": handle, "query": asked.digest, "object": sealed}
        return self.say(name, "answer", body, **changes)


def rotated(scene: Scene, name: str, sequence: int = 2, **more: Any) -> bytes:  # noqa: ANN401
    """A later card of a player with another key, and its first one as `more` says."""
    player = scene[name]
    rows = more.pop("keys", [key_row(player.key, revoked=True), key_row(key(f"{name} new"))])
    return player.card_of(sequence, keys=rows, **more)


def bring(scene: Scene, name: str, envelope: bytes, signer: PrivateKey | None = None) -> None:
    """Let a player bring a later card into the case."""
    body: JsonObject = {"card": parse_json_object(envelope)}
    scene.say(name, "card", body, key=signer or scene[name].key)


def forked(scene: Scene) -> tuple[Scene, Scene]:
    """The same case as its host shows it to two participants."""
    left, right = scene.copied(), scene.copied()
    left.target("birch", "m1")
    right.target("cedar", "m2")
    return left, right


def sealed_answer(
    player: Player,
    asked: Query,
    verdict: Verdict,
    at: datetime,
    target: str = "m1",
    **changes: Any,  # noqa: ANN401
) -> bytes:
    """The plaintext of a sealed answer, with fields that its author made up."""
    finding = Finding(verdict, 0.5, 0.3, 0.7, 20, 0.0, None, "")
    counts, logs = Counts(10, 20, 20), Root("b" * 64, 40)
    ran = Ran(asked.reproducer, target, "steelyard/1", finding, counts, logs)
    answer = replace(make_answer(asked, ran, level=asked.level, now=at), **changes)
    return sign_answer(answer, player.key)


def small_case() -> Scene:
    """A hub that coordinates, a finder, two labs, and a deployer, without a report."""
    scene = Scene(Player("hub", ("coordinator",)))
    scene.open()
    scene.invite("finder", "reporter")
    scene.invite("birch", "developer")
    scene.invite("cedar", "developer")
    scene.invite("alder", "deployer")
    return scene


def reported_case() -> Scene:
    """The small case after the report went to everybody and both labs took it up."""
    scene = small_case()
    scene.report("hub", "birch", "cedar", "alder")
    for name in ("birch", "cedar"):
        scene.say(name, "judge", {"event": "validate", "reason": ""})
        scene.say(name, "judge", {"event": "accept", "reason": ""})
    return scene
