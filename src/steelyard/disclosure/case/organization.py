"""An organization's card: who it is, which keys speak for it, where it is reached.

Decides which card an organization has signed and which of two is the later one
(spec/disclosure-case.md, section Organizations). The id of an organization is its root key, so
nobody else can make a card for it and no name decides anything. Whom to trust is decided by
people.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import (
    Statement,
    Subject,
    open_envelope,
    parse_public_key,
    predicate_type,
    sign_statement,
)
from steelyard.attest.envelope import read_envelope
from steelyard.attest.recipients import parse_recipient
from steelyard.disclosure.case import shapes
from steelyard.kernel import canonical_json, parse_json_object, parse_yaml, sha256_hex
from steelyard.kernel.canonical import is_canonical
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.attest.recipients import Recipient
    from steelyard.kernel import JsonObject

CARD_KIND: Final = "organization-card"
CARD_LIMIT_BYTES: Final = 128 * 1024
ROLES: Final = (
    "reporter", "developer", "open-weight-developer", "deployer", "red-teamer", "coordinator",
    "regulator", "observer", "adjudicator",
)  # fmt: skip
"""What an organization can be in a case."""
NAMES_MODELS: Final = ("developer", "open-weight-developer", "deployer")
"""Roles of those who have targets: their models may be affected."""
_KEY: Final = shapes.fields(
    pem=shapes.signing_key,
    since=shapes.instant,
    until=shapes.nullable(shapes.instant),
    revoked=shapes.boolean,
)
_RECIPIENT: Final = shapes.fields(pem=shapes.recipient_key, retired=shapes.boolean)
_CONTACT: Final = shapes.fields(
    duty=shapes.choice("general", "emergency"), address=shapes.text(200)
)
_PROFILE: Final = shapes.fields(
    families=shapes.items(shapes.text(80), most=64),
    modalities=shapes.items(shapes.text(80), most=16),
    techniques=shapes.items(shapes.text(80), most=64),
)
_FIELDS: Final[dict[str, shapes.Check]] = {
    "organization": shapes.organization,
    "name": shapes.text(120),
    "sequence": shapes.integer(1, 2**31),
    "made": shapes.instant,
    "root": shapes.signing_key,
    "keys": shapes.items(_KEY, least=1, most=32),
    "recipients": shapes.items(_RECIPIENT, least=1, most=32),
    "endpoint": shapes.nullable(shapes.text(400)),
    "contacts": shapes.items(_CONTACT, most=16),
    "roles": shapes.items(shapes.choice(*ROLES), least=1, most=len(ROLES)),
    "profile": _PROFILE,
    "policy": shapes.text(4000, empty=True, lines=True),
}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that speaks for an organization, and while which instants."""

    key: PublicKey
    since: datetime
    until: datetime | None
    revoked: bool

    def speaks_at(self, at: datetime) -> bool:
        """Whether it speaks for its organization at an instant."""
        return not self.revoked and self.since <= at and (self.until is None or at <= self.until)


@dataclass(frozen=True)
class Card:
    """What an organization says of itself, signed by its root key.

    Attributes:
        organization: `org:` and the id of the root key.
        sequence: Grows with each card; the greatest one counts.
        keys: Keys that sign its events.
        recipients: Keys in use to encrypt to, the first preferred.
        endpoint: Where its node is reached; None for an organization without one.
        contacts: Pairs of duty and address.
        profile: Model families, modalities and techniques that it watches.
        envelope: The signed card.
    """

    organization: str
    name: str
    sequence: int
    made: datetime
    keys: tuple[SigningKey, ...]
    recipients: tuple[Recipient, ...]
    endpoint: str | None
    contacts: tuple[tuple[str, str], ...]
    roles: tuple[str, ...]
    profile: Mapping[str, tuple[str, ...]]
    policy: str
    envelope: bytes

    @cached_property
    def digest(self) -> str:
        """What this very card is named by."""
        return sha256_hex(self.envelope)

    @cached_property
    def _keys(self) -> dict[str, SigningKey]:
        return {item.key.key_id: item for item in self.keys}

    @property
    def recipient(self) -> Recipient:
        """The key to encrypt to."""
        return self.recipients[0]

    def keys_at(self, at: datetime) -> dict[str, PublicKey]:
        """Keys that speak for the organization at an instant, by key id."""
        return {name: item.key for name, item in self._keys.items() if item.speaks_at(at)}

    def to_json(self) -> JsonObject:
        """The envelope as a JSON object, for documents that carry it."""
        return parse_json_object(self.envelope)


def organization_id(root: PublicKey) -> str:
    """The id of the organization whose root key this is."""
    return f"org:{root.key_id}"


def sign_card(fields: JsonObject, root: PrivateKey) -> bytes:
    """A signed card.

    Args:
        fields: What the schema asks for, less `organization` and `root`.
        root: The organization's root key.

    Raises:
        MalformedEvidence: a field that the schema does not allow.
    """
    public = root.public_key
    predicate = {
        **fields,
        "organization": organization_id(public),
        "root": public.pem.decode("ascii"),
    }
    shapes.require_fields(predicate, _FIELDS, CARD_KIND)
    subject = Subject("organization", public.key_id)
    return sign_statement(Statement((subject,), predicate_type(CARD_KIND), predicate), root)


@lru_cache(maxsize=512)
def open_card(envelope: bytes) -> Card:
    """A card that its own root key signed.

    Raises:
        BrokenSeal: signed by another key, or about another organization.
        MalformedEvidence: against its schema, too large, with a key twice, or without a key in
            use to encrypt to.
    """
    if len(envelope) > CARD_LIMIT_BYTES:
        message = f"a card has at most {CARD_LIMIT_BYTES} bytes, found {len(envelope)}"
        raise MalformedEvidence(message, where=CARD_KIND)
    try:
        return _opened(envelope)
    except RecursionError as error:
        raise MalformedEvidence("nested too deeply", where=CARD_KIND) from error


def _opened(envelope: bytes) -> Card:
    claimed = _root_of(envelope)
    statement = open_envelope(envelope, {claimed.key_id: claimed}, where=CARD_KIND)
    if statement.predicate_type != predicate_type(CARD_KIND):
        raise BrokenSeal("this is no organization card", where=CARD_KIND)
    fields = shapes.require_fields(statement.predicate, _FIELDS, CARD_KIND)
    name = organization_id(claimed)
    subjects = (Subject("organization", claimed.key_id),)
    if fields["organization"] != name or statement.subjects != subjects:
        raise BrokenSeal("the card is of another organization than its root", where=CARD_KIND)
    if not is_canonical(envelope, parse_json_object(envelope)):
        raise MalformedEvidence("the card is not in canonical JSON", where=CARD_KIND)
    return _card(fields, envelope)


def card_from_json(value: object) -> Card:
    """The card of an envelope that a document carries; errors as for `open_card`."""
    return open_card(canonical_json(value))


def require_later(old: Card, new: Card) -> Card:
    """The new card of the same organization, which must be later than the old one.

    Raises:
        BrokenSeal: of another organization, not later, another card of the same sequence, or
            one in which a revoked key is not revoked, or left out: it could come back later.
    """
    if new.organization != old.organization:
        raise BrokenSeal("the card is of another organization", where=CARD_KIND)
    if new.sequence <= old.sequence:
        message = f"card {new.sequence} is not later than card {old.sequence}"
        raise BrokenSeal(message, where=CARD_KIND, hint="an old card was sent again")
    revoked = {item.key.key_id for item in new.keys if item.revoked}
    for item in old.keys:
        if item.revoked and item.key.key_id not in revoked:
            message = f"key {item.key.key_id[:16]} was revoked and must stay so"
            raise BrokenSeal(message, where=CARD_KIND, hint="list it with revoked: true")
    return new


def look_alikes(name: str, others: Mapping[str, str]) -> tuple[str, ...]:
    """Ids of organizations whose names could be taken for this one by a reader.

    Compares names without marks, case, spaces and punctuation, with letters of other scripts
    that look like Latin ones replaced (a part of Unicode TR 39's confusables).

    Args:
        name: The name asked about.
        others: Names by organization id.
    """
    own = _skeleton(name)
    return tuple(sorted(key for key, other in others.items() if _skeleton(other) == own))


def look_alike_names(names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Names of others that could be taken for each organization's; only those that have any.

    Args:
        names: Names by organization id.
    """
    alike: dict[str, list[str]] = {}
    for key, name in names.items():
        alike.setdefault(_skeleton(name), []).append(key)
    return {
        key: tuple(names[other] for other in keys if other != key)
        for keys in alike.values()
        if len(keys) > 1
        for key in keys
    }


@cache
def _confusable() -> Mapping[int, str]:
    entry = files("steelyard.disclosure.case") / "data" / "look_alikes.yaml"
    content = cast("dict[str, Any]", parse_yaml(entry.read_text("utf-8"), where=str(entry)))
    letters = cast("dict[str, str]", content["letters"])
    return {ord(char): latin for latin, chars in letters.items() for char in chars}


def _skeleton(name: str) -> str:
    """A name as a hurried reader sees it."""
    plain = unicodedata.normalize("NFKD", name).translate(_confusable())
    plain = plain.casefold().translate(_confusable())
    letters = "".join(char for char in plain if char.isalnum())
    return letters.replace("rn", "m").replace("vv", "w")


def _root_of(envelope: bytes) -> PublicKey:
    """The root key that a card claims; verified by whoever opens the card with it."""
    payload = parse_json_object(read_envelope(envelope, where=CARD_KIND).payload, where=CARD_KIND)
    predicate = payload.get("predicate")
    root = predicate.get("root") if isinstance(predicate, dict) else None
    shapes.signing_key(root, CARD_KIND)
    return parse_public_key(cast("str", root).encode(), where=CARD_KIND)


def _card(fields: JsonObject, envelope: bytes) -> Card:
    read = cast("dict[str, Any]", fields)
    current = [item["pem"] for item in read["recipients"] if not item["retired"]]
    if not current:
        raise MalformedEvidence("no key in use to encrypt to", where=CARD_KIND)
    keys = tuple(_signing_key(item) for item in read["keys"])
    if len({item.key for item in keys}) != len(keys):
        raise MalformedEvidence("a signing key stands twice", where=CARD_KIND)
    return Card(
        organization=read["organization"],
        name=read["name"],
        sequence=read["sequence"],
        made=shapes.read_instant(read["made"]),
        keys=keys,
        recipients=tuple(parse_recipient(pem.encode(), where=CARD_KIND) for pem in current),
        endpoint=read["endpoint"],
        contacts=tuple((item["duty"], item["address"]) for item in read["contacts"]),
        roles=tuple(read["roles"]),
        profile={name: tuple(values) for name, values in read["profile"].items()},
        policy=read["policy"],
        envelope=envelope,
    )


def _signing_key(item: dict[str, Any]) -> SigningKey:
    return SigningKey(
        key=parse_public_key(item["pem"].encode(), where=CARD_KIND),
        since=shapes.read_instant(item["since"]),
        until=None if item["until"] is None else shapes.read_instant(item["until"]),
        revoked=item["revoked"],
    )
