"""The DSSE envelope around a statement: signing, and opening without trust.

Decides whether a statement was signed by a key the caller supplied
(spec/statements.md, section Envelope; DSSE protocol v1.0.2). Exactly one
signature and one payload type exist here, so nothing can be confused with
anything else. Which keys are trusted is decided elsewhere.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.attest.statement import Statement
from steelyard.kernel import canonical_json, check_sha256, parse_json_object, read_base64
from steelyard.kernel.errors import BrokenSeal, CannotVerify, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.attest.keys import PrivateKey, PublicKey
    from steelyard.kernel import JsonObject

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_SIGNATURE_BYTES: Final = 64
_HINT: Final = "ask the issuer for the original file"


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: PAE of the DSSE protocol."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign_statement(statement: Statement, key: PrivateKey) -> bytes:
    """Sign a statement; equal statements and keys give equal bytes."""
    payload = statement.to_bytes()
    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    return canonical_json(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": _encode(payload),
            "signatures": [{"keyid": key.public_key.key_id, "sig": _encode(signature)}],
        }
    )


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope taken apart; a claim until `verified` has accepted it.

    Attributes:
        payload: What was signed.
        key_id: The key that is named.
        signature: 64 bytes.
    """

    payload: bytes
    key_id: str
    signature: bytes

    def verified(self, keys: Mapping[str, PublicKey], *, where: str = "envelope") -> bytes:
        """The payload, if a key that the caller supplied signed it; see `open_envelope`."""
        key = keys.get(self.key_id)
        if key is None:
            message = f"signed by key {self.key_id[:16]}, which is not among the keys given"
            raise BrokenSeal(message, where=where, hint=_HINT)
        if key.key_id != self.key_id:
            message = f"the key given as {self.key_id[:16]} is {key.key_id[:16]}"
            raise BrokenSeal(message, where=where, hint=_HINT)
        try:
            key.verify(self.signature, pre_authentication_encoding(PAYLOAD_TYPE, self.payload))
        except BrokenSeal as error:
            raise BrokenSeal(error.message, where=where, hint=_HINT) from error
        return self.payload


def read_envelope(data: bytes, *, where: str = "envelope") -> Envelope:
    """Take an envelope apart, believing nothing.

    Raises:
        BrokenSeal: not exactly this envelope format.
    """
    try:
        return _read(data, where)
    except CannotVerify as error:
        raise BrokenSeal(error.message, where=error.where or where, hint=_HINT) from error


def open_envelope(
    data: bytes, keys: Mapping[str, PublicKey], *, where: str = "envelope"
) -> Statement:
    """Verify an envelope and return the statement it carries.

    Args:
        data: The envelope's JSON.
        keys: Public keys by key id. A key found under an id that is not its
            own is refused, so the mapping itself need not be trusted.
        where: Name of the envelope in error messages.

    Raises:
        BrokenSeal: not exactly this envelope format, no such key, or a
            signature that the named key did not make.
    """
    payload = read_envelope(data, where=where).verified(keys, where=where)
    try:
        return Statement.from_bytes(payload, where=where)
    except CannotVerify as error:
        raise BrokenSeal(error.message, where=error.where or where, hint=_HINT) from error


def claimed_key_id(data: bytes, *, where: str = "envelope") -> str:
    """The key id an envelope names; a claim until `open_envelope` has accepted it.

    Raises:
        BrokenSeal: not exactly this envelope format.
    """
    return _signature_of(parse_json_object(data, where=where), where)[0]


def _read(data: bytes, where: str) -> Envelope:
    envelope = parse_json_object(data, where=where)
    key_id, signature = _signature_of(envelope, where)
    if envelope["payloadType"] != PAYLOAD_TYPE:
        message = f"payload type is {str(envelope['payloadType'])[:60]!r}, need {PAYLOAD_TYPE!r}"
        raise BrokenSeal(message, where=where)
    return Envelope(_decode(envelope["payload"], "payload", where), key_id, signature)


def _signature_of(envelope: JsonObject, where: str) -> tuple[str, bytes]:
    """Key id and signature of an envelope of exactly our shape."""
    if envelope.keys() != {"payloadType", "payload", "signatures"}:
        message = f"not a DSSE envelope: fields {sorted(envelope)[:6]}"
        raise BrokenSeal(message, where=where)
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        count = len(signatures) if isinstance(signatures, list) else "no list"
        message = f"an envelope carries exactly one signature, found {count}"
        raise BrokenSeal(message, where=where)
    match signatures[0]:
        case {"keyid": str(key_id), "sig": sig, **rest} if not rest:
            return _checked_key_id(key_id, where), _signature(sig, where)
        case _:
            message = "a signature has exactly the fields keyid and sig"
            raise BrokenSeal(message, where=where)


def _checked_key_id(key_id: str, where: str) -> str:
    try:
        check_sha256(key_id)
    except ValueError as error:
        raise BrokenSeal(str(error), where=f"{where}.keyid") from error
    return key_id


def _signature(value: object, where: str) -> bytes:
    signature = _decode(value, "sig", where)
    if len(signature) != _SIGNATURE_BYTES:
        message = f"an Ed25519 signature has {_SIGNATURE_BYTES} bytes, found {len(signature)}"
        raise BrokenSeal(message, where=where)
    return signature


def _encode(data: bytes) -> str:
    return base64.standard_b64encode(data).decode("ascii")


def _decode(value: object, field: str, where: str) -> bytes:
    try:
        return read_base64(value, field, where=where)
    except MalformedEvidence as error:
        raise BrokenSeal(error.message, where=where) from error
