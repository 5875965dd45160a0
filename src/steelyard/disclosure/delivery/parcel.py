"""Parcels: what one node sends another, signed by the sender and encrypted to the receiver.

Decides spec/disclosure-delivery.md, section 3: which bytes are a parcel, that the organization it
names as sender signed it, and that it was made for the one that opens it. Whether a parcel is
fresh, or was received before, is for who keeps the ids of parcels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import Statement, Subject, claimed_key_id, open_envelope, sign_statement
from steelyard.attest.statement import predicate_type
from steelyard.disclosure.delivery.framing import (
    ORGANIZATION_PREFIX,
    check_organization,
    join_parts,
    pad,
    require_hybrid,
    require_organization,
    split_parts,
    unpad,
)
from steelyard.kernel import (
    check_label,
    check_name,
    exact_instant,
    format_instant,
    sha256_hex,
)
from steelyard.kernel.errors import (
    BrokenSeal,
    ConfigurationError,
    MalformedEvidence,
    NotSatisfied,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.attest.recipients import Identity, Recipient
    from steelyard.kernel import JsonObject

FORMAT: Final = "steelyard/disclosure-parcel/1"
PARCEL_KIND: Final = "disclosure-parcel"
PARCEL_LIMIT_BYTES: Final = 16 << 20
# A foreign envelope is JSON, which costs many times its length in memory once it is parsed.
ENVELOPE_LIMIT_BYTES: Final = 1 << 20
ATTACHMENT_LIMIT: Final = 64
# Most events and every acknowledgement fit, so they look alike.
_LEAST_BYTES: Final = 4096
_ID_BYTES: Final = 32
_MAGIC: Final = f"{FORMAT}\n".encode()
_HEAD_BYTES: Final = len(_MAGIC) + _ID_BYTES
# Canonical JSON only: another spelling would be the same parcel under another id.
_ENVELOPE: Final = re.compile(
    rb'\{"payload":"[A-Za-z0-9+/]+={0,2}","payloadType":"application/vnd\.in-toto\+json",'
    rb'"signatures":\[\{"keyid":"[0-9a-f]{64}","sig":"[A-Za-z0-9+/]{86}=="\}\]\}'
)
_TYPE: Final = predicate_type(PARCEL_KIND)
_WHERE: Final = "parcel"
_HINT: Final = "send large material as attachments, in several parcels"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one organization tells another.

    Attributes:
        sender: Id of the organization that signs.
        receiver: Id of the one organization that it is for.
        kind: What the body is; a lower-case identifier.
        case: Label of the case; None where it is about none.
        body: JSON; small, as long material goes into attachments.
        made: Whole seconds, UTC.
        attachments: Opaque bytes, as sealed objects, that the signature binds by digest.
    """

    sender: str
    receiver: str
    kind: str
    case: str | None
    body: JsonObject
    made: datetime
    attachments: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class SignedParcel:
    """A parcel with the envelope that proves who sent it; keep the envelope as evidence."""

    parcel: Parcel
    envelope: bytes = field(repr=False)

    @property
    def parcel_id(self) -> str:
        """SHA-256 of the envelope, lower hex: equal for every delivery of one parcel."""
        return sha256_hex(self.envelope)

    @property
    def key_id(self) -> str:
        """Id of the key that signed."""
        return claimed_key_id(self.envelope)


@dataclass(frozen=True, slots=True)
class Receiver:
    """The organization that opens parcels, and its private keys by key id; make it once."""

    organization: str
    identities: Mapping[str, Identity]

    @classmethod
    def of(cls, organization: str, identities: Iterable[Identity]) -> Receiver:
        """A receiver with the keys that it has now, and has had.

        Raises:
            ConfigurationError: no id of an organization.
        """
        require_organization(organization, where="receiver")
        return cls(organization, {key.recipient.key_id: key for key in identities})


def pack(
    parcel: Parcel, key: PrivateKey, recipient: Recipient, *, allow_classic: bool = False
) -> bytes:
    """Sign a parcel and encrypt it to its receiver; see `sign_parcel` and `encrypt_parcel`."""
    return encrypt_parcel(sign_parcel(parcel, key), recipient, allow_classic=allow_classic)


def unpack(
    data: bytes, receiver: Receiver, keys: Callable[[str], Mapping[str, PublicKey]]
) -> Parcel:
    """Open a parcel and return what was sent; see `open_parcel`."""
    return open_parcel(data, receiver, keys).parcel


def sign_parcel(parcel: Parcel, key: PrivateKey) -> SignedParcel:
    """Sign a parcel; equal parcels and keys give equal bytes, hence one id.

    Raises:
        ConfigurationError: a field that the format does not allow, or too much of it.
        MalformedEvidence: a body that has no canonical JSON.
    """
    try:
        _check(parcel)
    except (ValueError, MalformedEvidence) as error:
        raise ConfigurationError(str(error), where=_WHERE) from error
    predicate: JsonObject = {
        "sender": parcel.sender,
        "receiver": parcel.receiver,
        "kind": parcel.kind,
        "case": parcel.case,
        "body": parcel.body,
        "made": format_instant(parcel.made),
    }
    statement = Statement(_subjects(parcel.receiver, parcel.attachments), _TYPE, predicate)
    envelope = sign_statement(statement, key)
    if len(envelope) > ENVELOPE_LIMIT_BYTES:
        message = f"envelope of {len(envelope):,} bytes, at most {ENVELOPE_LIMIT_BYTES:,} are sent"
        raise ConfigurationError(message, where=_WHERE, hint=_HINT)
    return SignedParcel(parcel, envelope)


def encrypt_parcel(
    signed: SignedParcel, recipient: Recipient, *, allow_classic: bool = False
) -> bytes:
    """Encrypt a signed parcel to its receiver; only the key's id is readable from outside.

    Args:
        signed: The parcel.
        recipient: A key of the receiver.
        allow_classic: Take an X25519 key without ML-KEM too.

    Raises:
        ConfigurationError: more than 16 MiB.
        NotSatisfied: a key without ML-KEM, where that is not allowed.
    """
    parcel = signed.parcel
    require_hybrid(recipient, parcel.receiver, allow_classic=allow_classic)
    sender = bytes.fromhex(parcel.sender.removeprefix(ORGANIZATION_PREFIX))
    content = join_parts((sender, signed.envelope, *parcel.attachments))
    key_id = recipient.key_id
    sealed = recipient.encrypt(pad(content, least=_LEAST_BYTES), _info(parcel.receiver, key_id))
    data = _MAGIC + bytes.fromhex(key_id) + sealed
    if len(data) > PARCEL_LIMIT_BYTES:
        message = f"{len(data):,} bytes, and at most {PARCEL_LIMIT_BYTES:,} are sent"
        raise ConfigurationError(message, where=_WHERE, hint=_HINT)
    return data


def open_parcel(
    data: bytes, receiver: Receiver, keys: Callable[[str], Mapping[str, PublicKey]]
) -> SignedParcel:
    """Open a parcel that somebody sent.

    Args:
        data: Foreign bytes.
        receiver: Who opens it.
        keys: Gives the keys by key id that an organization signs with; none for a stranger.

    Raises:
        MalformedEvidence: no parcel, over a limit, or against its format.
        NotSatisfied: encrypted to a key that this receiver has not.
        BrokenSeal: changed, signed by none of the sender's keys, or made for another receiver.
    """
    key_id = receiver_key_id(data)
    identity = receiver.identities.get(key_id)
    if identity is None:
        message = f"encrypted to key {key_id[:16]}, which is none of {receiver.organization[:20]}"
        raise NotSatisfied(message, where=_WHERE, hint="ask the sender which key it was given")
    content = identity.decrypt(data[_HEAD_BYTES:], _info(receiver.organization, key_id))
    sender, envelope, attachments = _split(unpad(content, least=_LEAST_BYTES, where=_WHERE))
    statement = open_envelope(envelope, keys(sender), where=_WHERE)
    parcel = _read(statement, attachments)
    if parcel.sender != sender:
        message = f"signed as {parcel.sender[:20]}, delivered as from {sender[:20]}"
        raise BrokenSeal(message, where=_WHERE)
    if parcel.receiver != receiver.organization:
        message = f"made for {parcel.receiver[:20]}, not for {receiver.organization[:20]}"
        raise BrokenSeal(message, where=_WHERE, hint="somebody passed on what was sent to it alone")
    return SignedParcel(parcel, envelope)


def receiver_key_id(data: bytes) -> str:
    """Id of the key that a parcel is encrypted to: all that can be read from outside.

    Raises:
        MalformedEvidence: no parcel, or over the limit.
    """
    if len(data) > PARCEL_LIMIT_BYTES:
        message = f"{len(data):,} bytes, and at most {PARCEL_LIMIT_BYTES:,} are read"
        raise MalformedEvidence(message, where=_WHERE)
    if not data.startswith(_MAGIC) or len(data) < _HEAD_BYTES:
        raise MalformedEvidence("this is no parcel", where=_WHERE)
    return data[len(_MAGIC) : _HEAD_BYTES].hex()


def _info(receiver: str, key_id: str) -> bytes:
    return f"{FORMAT}\0{receiver}\0{key_id}".encode()


def _subjects(receiver: str, attachments: tuple[bytes, ...]) -> tuple[Subject, ...]:
    names = [Subject("receiver", receiver.removeprefix(ORGANIZATION_PREFIX))]
    for number, attachment in enumerate(attachments):
        names.append(Subject(f"attachment-{number}", sha256_hex(attachment)))
    return tuple(names)


def _split(content: bytes) -> tuple[str, bytes, tuple[bytes, ...]]:
    """The sender that was claimed, the envelope, the attachments."""
    match split_parts(content, most=2 + ATTACHMENT_LIMIT, where=_WHERE):
        case (sender, envelope, *attachments) if len(sender) == _ID_BYTES:
            pass
        case _:
            message = "a parcel holds a sender, an envelope and attachments"
            raise MalformedEvidence(message, where=_WHERE)
    if len(envelope) > ENVELOPE_LIMIT_BYTES or not _ENVELOPE.fullmatch(envelope):
        message = f"no envelope in canonical JSON of at most {ENVELOPE_LIMIT_BYTES:,} bytes"
        raise MalformedEvidence(message, where=_WHERE)
    return f"{ORGANIZATION_PREFIX}{sender.hex()}", envelope, tuple(attachments)


def _read(statement: Statement, attachments: tuple[bytes, ...]) -> Parcel:
    """A parcel from what its sender signed."""
    if statement.predicate_type != _TYPE:
        message = f"the statement is of type {statement.predicate_type[:60]!r}, not of a parcel"
        raise BrokenSeal(message, where=_WHERE)
    match cast("dict[str, Any]", statement.predicate):
        case {
            "sender": str(sender),
            "receiver": str(receiver),
            "kind": str(kind),
            "case": str() | None as case,
            "body": dict(),
            "made": str(made),
            **rest,
        } if not rest:
            instant = exact_instant(made, where=_WHERE)
            body = cast("JsonObject", statement.predicate["body"])
            parcel = Parcel(sender, receiver, kind, case, body, instant, attachments)
        case _:
            message = "a parcel has sender, receiver, kind, case, body and made"
            raise MalformedEvidence(message, where=_WHERE)
    try:
        _check(parcel)
    except ValueError as error:
        raise MalformedEvidence(str(error), where=_WHERE) from error
    if statement.subjects != _subjects(receiver, attachments):
        message = "receiver or attachments are others than were signed"
        raise BrokenSeal(message, where=_WHERE)
    return parcel


def _check(parcel: Parcel) -> None:
    """Refuse fields that the format does not allow.

    Raises:
        ValueError: with what was found.
    """
    check_organization(parcel.sender)
    check_organization(parcel.receiver)
    check_name(parcel.kind)
    if parcel.case is not None:
        check_label(parcel.case)
    if len(parcel.attachments) > ATTACHMENT_LIMIT:
        message = f"{len(parcel.attachments)} attachments, at most {ATTACHMENT_LIMIT} are sent"
        raise ValueError(message)
