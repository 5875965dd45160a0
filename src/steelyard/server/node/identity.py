"""Who a node speaks for: its keys, and the card that names them.

Decides where keys lie (mode 0600 below `keys/`) and how they are rotated: a new card, signed by
the root key, with the old signing key revoked or ended and the old encryption key kept to read
what came before. The card is written last and says which keys count, so that a rotation which was
cut off leaves a node that goes on as it was. The root key is needed for that alone and may be kept
elsewhere.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from steelyard.attest import PrivateKey, generate_key, load_private_key, save_key
from steelyard.attest.envelope import read_envelope
from steelyard.attest.recipients import generate_identity, load_identity, save_identity
from steelyard.attest.statement import Statement
from steelyard.disclosure.case import Card, open_card, sign_card
from steelyard.disclosure.case.organization import organization_id
from steelyard.disclosure.delivery.parcel import Receiver
from steelyard.disclosure.delivery.sealed_object import open_object
from steelyard.kernel import format_instant, read_bytes
from steelyard.kernel.errors import ConfigurationError, NotSatisfied
from steelyard.kernel.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from steelyard.disclosure.delivery.sealed_object import OpenedObject
    from steelyard.kernel import JsonObject

CARD_LIMIT_BYTES: Final = 256 * 1024
_KEYS: Final = "keys"
_KINDS: Final = ("signing", "encryption")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """An organization and what its node needs to speak for it.

    Attributes:
        key: Signs events, parcels and requests.
        receiver: Opens what others encrypted, also to earlier keys.
    """

    organization: str
    key: PrivateKey = field(repr=False)
    receiver: Receiver = field(repr=False)
    card: Card

    def open(self, sealed: bytes) -> OpenedObject:
        """Open an object that is sealed to any key that this organization has or had.

        Raises:
            NotSatisfied: to none of them.
            MalformedEvidence, BrokenSeal: no object, or one that was changed.
        """
        last: NotSatisfied | None = None
        for identity in self.receiver.identities.values():
            try:
                return open_object(sealed, self.organization, identity)
            except NotSatisfied as error:
                last = error
        raise last or NotSatisfied("this node has no key to decrypt with")


@dataclass(frozen=True, slots=True)
class About:
    """What an organization says of itself when its node is made."""

    name: str
    roles: tuple[str, ...]
    endpoint: str | None = None
    contacts: tuple[tuple[str, str], ...] = ()
    families: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    policy: str = ""


def create_identity(folder: Path, about: About, at: datetime) -> Identity:
    """Make the keys and the card of a new organization.

    Raises:
        ConfigurationError: a node is in the folder already, or keys of one.
        MalformedEvidence: what is said of the organization is not allowed in a card.
        StorageError: the disk refused.
    """
    _require_new(folder)
    root, key, identity = generate_key(), generate_key(), generate_identity(hybrid=True)
    since = format_instant(at)
    envelope = sign_card(
        {
            "name": about.name,
            "sequence": 1,
            "made": since,
            "keys": [_key(key, since)],
            "recipients": [{"pem": identity.recipient.pem.decode(), "retired": False}],
            "endpoint": about.endpoint,
            "contacts": [{"duty": duty, "address": address} for duty, address in about.contacts],
            "roles": list(about.roles),
            "profile": {
                "families": list(about.families),
                "modalities": list(about.modalities),
                "techniques": list(about.techniques),
            },
            "policy": about.policy,
        },
        root,
    )
    keys = folder / _KEYS
    save_key(root, keys / "root.key")
    save_key(key, keys / "signing-1.key")
    save_identity(identity, keys / "encryption-1.key")
    write_atomically(card_path(folder), envelope)
    return load_identity_of(folder)


def load_identity_of(folder: Path) -> Identity:
    """The identity of a node's folder.

    Raises:
        ConfigurationError: there is none, or its key is not named by its card.
        MalformedEvidence, BrokenSeal: the card is damaged.
    """
    if not card_path(folder).exists():
        raise ConfigurationError(
            "no node is here", where=str(folder), hint="steelyard serve --init makes one"
        )
    card = open_card(read_bytes(card_path(folder), limit_bytes=CARD_LIMIT_BYTES))
    current = {item.key.key_id for item in card.keys if item.until is None and not item.revoked}
    keys = _readable(folder, "signing", load_private_key)
    key = next((key for key in keys if key.public_key.key_id in current), None)
    identities = tuple(_readable(folder, "encryption", load_identity))
    receiver = Receiver.of(card.organization, identities)
    if key is None or card.recipient.key_id not in receiver.identities:
        kind = "signing" if key is None else "encryption"
        raise ConfigurationError(
            f"the {kind} key that the card names is not here, or damaged",
            where=str(folder / _KEYS),
            hint="put back what a backup has of keys/ and card.json",
        )
    return Identity(card.organization, key, receiver, card)


def rotate_keys(folder: Path, root: PrivateKey, at: datetime, *, revoke: bool) -> Identity:
    """Make new keys and a card that names them.

    Args:
        folder: The node's.
        root: The root key of the organization.
        at: Now.
        revoke: Whether the old signing key was lost to somebody: nothing that it signs from the
            new card on is believed. Otherwise it ends now.

    Raises:
        ConfigurationError: another organization's root key.
    """
    before = load_identity_of(folder)
    if organization_id(root.public_key) != before.organization:
        raise ConfigurationError("this root key is of another organization", where=str(folder))
    key, identity = generate_key(), generate_identity(hybrid=True)
    fields = _fields(before.card)
    since = format_instant(at)
    fields["keys"] = [_key(key, since), *(_ended(item, since, revoke) for item in fields["keys"])]
    old = [{**item, "retired": True} for item in fields["recipients"]]
    fields["recipients"] = [{"pem": identity.recipient.pem.decode(), "retired": False}, *old]
    fields |= {"sequence": before.card.sequence + 1, "made": since}
    envelope = sign_card(cast("JsonObject", fields), root)
    number = _free_number(folder, before.card.sequence + 1)
    save_key(key, folder / _KEYS / f"signing-{number}.key")
    save_identity(identity, folder / _KEYS / f"encryption-{number}.key")
    write_atomically(card_path(folder), envelope)
    return load_identity_of(folder)


def card_path(folder: Path) -> Path:
    """Where the card of a node lies, signed and for everybody."""
    return folder / "card.json"


def load_root(folder: Path) -> PrivateKey:
    """The root key, where it is kept with the node.

    Raises:
        ConfigurationError: it is kept elsewhere, or damaged.
    """
    path = folder / _KEYS / "root.key"
    if not path.exists():
        hint = "say where it is kept: --root FILE"
        raise ConfigurationError("the root key is not here", where=str(path), hint=hint)
    return load_private_key(path)


def _require_new(folder: Path) -> None:
    """Refuse a folder that holds a node, or what is left of one."""
    if card_path(folder).exists():
        raise ConfigurationError(
            "a node is here already",
            where=str(folder),
            hint=f"steelyard serve {folder} --admin-link prints a link that lets you in",
        )
    left = sorted(path.name for path in (folder / _KEYS).glob("*.key*"))
    if left:
        raise ConfigurationError(
            "keys are here without a card",
            where=str(folder / _KEYS),
            hint="put card.json back; or, if no node ever came of them, remove " + ", ".join(left),
        )


def _fields(card: Card) -> dict[str, Any]:
    """What a card says, less what its signature adds."""
    statement = Statement.from_bytes(read_envelope(card.envelope).payload)
    fields: dict[str, Any] = dict(statement.predicate)
    del fields["organization"], fields["root"]
    return fields


def _ended(item: dict[str, Any], since: str, revoke: bool) -> dict[str, Any]:  # noqa: FBT001
    until = item["until"] or since
    return {**item, "until": until, "revoked": item["revoked"] or revoke}


def _key(key: PrivateKey, since: str) -> JsonObject:
    pem = key.public_key.pem.decode()
    return {"pem": pem, "since": since, "until": None, "revoked": False}


def _readable(folder: Path, kind: str, load: Callable[[Path], T]) -> Iterator[T]:
    """Keys of a kind, the latest first; not one that was cut off while it was written."""
    for _, path in sorted(_numbered(folder, kind), reverse=True):
        with suppress(ConfigurationError):
            yield load(path)


def _free_number(folder: Path, first: int) -> int:
    """The first number that no key has, nor what a rotation left that was cut off."""
    taken = [number for kind in _KINDS for number, _ in _numbered(folder, kind)]
    return max(first, *(number + 1 for number in taken))


def _numbered(folder: Path, kind: str) -> Iterator[tuple[int, Path]]:
    """Key files of a kind, each after its number."""
    for path in (folder / _KEYS).glob(f"{kind}-*.key"):
        number = path.stem.removeprefix(f"{kind}-")
        if number.isdecimal():
            yield int(number), path
