"""A case between two organizations with fixed keys, from which the vectors are made."""  # noqa: INP001 - beside its script

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from steelyard.attest import PrivateKey, Statement, sign_statement
from steelyard.attest.recipients import Identity
from steelyard.disclosure.case import Chain, Draft, Entry, case_id, sign_card, sign_event
from steelyard.disclosure.case.event import FIRST
from steelyard.disclosure.case.organization import organization_id
from steelyard.disclosure.states import load_tables
from steelyard.kernel import format_instant, parse_json_object

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
NONCE = "a" * 32


def key(label: str) -> PrivateKey:
    """The signing key of a label."""
    return PrivateKey.from_seed(sha256(label.encode()).digest())


def organization(name: str) -> str:
    """The id of the organization of a name."""
    return organization_id(key(f"{name} root").public_key)


def card(name: str, roles: list[str], **changes: Any) -> bytes:  # noqa: ANN401
    """An ordinary card, with changes."""
    seed = sha256(f"{name} recipient".encode()).digest()
    recipient = Identity(X25519PrivateKey.from_private_bytes(seed)).recipient
    fields: dict[str, Any] = {
        "name": name,
        "sequence": 1,
        "made": format_instant(START),
        "keys": [key_row(name)],
        "recipients": [{"pem": recipient.pem.decode(), "retired": False}],
        "endpoint": None,
        "contacts": [],
        "roles": roles,
        "profile": {"families": ["toy"], "modalities": [], "techniques": []},
        "policy": "",
    }
    return sign_card({**fields, **changes}, key(f"{name} root"))


def key_row(label: str, *, revoked: bool = False) -> dict[str, Any]:
    """A signing key as a card lists it."""
    pem = key(label).public_key.pem.decode()
    return {"pem": pem, "since": format_instant(START), "until": None, "revoked": revoked}


HUB, BIRCH = card("hub", ["coordinator"]), card("birch", ["developer"])
CASE = case_id(organization("hub"), NONCE)


def resigned(
    envelope: bytes, signer: PrivateKey, change: Callable[[dict[str, Any]], None]
) -> bytes:
    """The same statement with a change to its predicate, signed again."""
    statement = Statement.from_bytes(base64.b64decode(str(parse_json_object(envelope)["payload"])))
    predicate: dict[str, Any] = dict(statement.predicate)
    change(predicate)
    return sign_statement(replace(statement, predicate=predicate), signer)


def put(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    """A change of one field."""
    return lambda predicate: predicate.__setitem__(name, value)


class Said:
    """A chain at its host, to which events are added one by one."""

    def __init__(self) -> None:
        self.chain = Chain(CASE)
        self.now = START
        self.own = dict.fromkeys(("hub", "birch"), (0, FIRST))

    def draft(self, name: str, kind: str, body: dict[str, Any]) -> Draft:
        """The next event of an organization."""
        size = self.chain.size
        head = self.chain.head if size else FIRST
        sequence, previous = self.own[name]
        who = organization(name)
        return Draft(CASE, who, sequence + 1, previous, size, head, self.now, kind, body)

    def say(self, name: str, kind: str, body: dict[str, Any]) -> None:
        """Let an organization say something."""
        self.now += timedelta(minutes=1)
        taken = self.chain.admit(sign_event(self.draft(name, kind, body), key(name)), self.now)
        self.own[name] = (taken.event.sequence, taken.event.digest)

    def entries(self) -> list[Entry]:
        """Entries so far."""
        return [item.entry for item in self.chain.ordered]

    def with_event(self, name: str, kind: str, body: dict[str, Any], **changes: Any) -> list[Entry]:  # noqa: ANN401
        """Entries so far and one more, whether or not a host may order it."""
        signer = changes.pop("signer", key(name))
        ordered = changes.pop("ordered", self.now)
        event = sign_event(replace(self.draft(name, kind, body), **changes), signer)
        return [*self.entries(), Entry(self.chain.size, self.chain.head, ordered, event)]


def begun() -> Said:
    """A case with a developer in it."""
    said = Said()
    said.say(
        "hub",
        "open",
        {
            "nonce": NONCE,
            "title": "A flaw",
            "abstract": "One paragraph.",
            "tables": load_tables().digest,
            "policy": {
                "level": "band",
                "rsvp_days": 7,
                "silent_days": 14,
                "publish_by_default": True,
            },
            "card": parse_json_object(HUB),
            "roles": ["coordinator"],
        },
    )
    said.say(
        "hub",
        "invite",
        {
            "card": parse_json_object(BIRCH),
            "roles": ["developer"],
            "open_weights": False,
            "answer_by": format_instant(START + timedelta(days=7)),
        },
    )
    said.say("birch", "target", TARGET)
    return said


TARGET: dict[str, Any] = {"handle": "m1", "commitment": None, "version": "1", "guardrail": ""}
OTHER: dict[str, Any] = {**TARGET, "handle": "m2"}
