"""The Sigstore bundle around a signed manifest: read strictly, written plainly.

Decides whether bytes are an OMS bundle with one DSSE signature by a key or a certificate
chain (OMS v1.0, sections 4 and 11). Nothing read here is trusted before `trust` has
verified the signature over `Bundle.message`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from steelyard.attest import PAYLOAD_TYPE
from steelyard.attest.envelope import pre_authentication_encoding
from steelyard.kernel import parse_json_object, read_base64
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject, JsonValue

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLE_LIMIT_BYTES: Final = 256 << 20
CHAIN_LIMIT: Final = 8
_BASE64_LIMIT: Final = 64 << 10
_MATERIAL: Final = {"publicKey", "x509CertificateChain", "certificate"}
_EXTRAS: Final = {"tlogEntries": list, "timestampVerificationData": dict}


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The key that a bundle says it was made with.

    Attributes:
        hint: Fingerprint, empty in bundles of model_signing before 1.1.
        raw: The key itself in those, empty otherwise; never trusted.
    """

    hint: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class ChainClaim:
    """The certificates that a bundle brings along, as DER, the signer's first."""

    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that follows its format.

    Attributes:
        claim: Who is said to have signed.
        payload: The statement.
        signature: Over `message`.
        unchecked: Parts that are present and that nobody here verifies.
    """

    claim: KeyClaim | ChainClaim
    payload: bytes
    signature: bytes
    unchecked: tuple[str, ...] = ()

    @property
    def message(self) -> bytes:
        """The bytes that are signed (DSSE, PAE)."""
        return pre_authentication_encoding(PAYLOAD_TYPE, self.payload)

    def to_bytes(self) -> bytes:
        """The bundle's JSON."""
        if isinstance(self.claim, KeyClaim):
            material: JsonObject = {"publicKey": {"hint": self.claim.hint}}
        else:
            chain: list[JsonValue] = [{"rawBytes": _encode(c)} for c in self.claim.certificates]
            material = {"x509CertificateChain": {"certificates": chain}}
        value = {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {**material, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": _encode(self.payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": _encode(self.signature), "keyid": ""}],
            },
        }
        return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def parse_bundle(data: bytes, *, where: str = "bundle") -> Bundle:
    """Read a bundle.

    Raises:
        MalformedEvidence: over the limit, not strict JSON, another media or payload type,
            several signatures, a method that is not supported, a field that has no place.
    """
    if len(data) > BUNDLE_LIMIT_BYTES:
        message = f"a bundle has at most {BUNDLE_LIMIT_BYTES} bytes, found {len(data)}"
        raise MalformedEvidence(message, where=where)
    value = parse_json_object(data, where=where)
    _require(value, {"mediaType", "verificationMaterial", "dsseEnvelope"}, "bundle", where)
    if value["mediaType"] != MEDIA_TYPE:
        message = f"media type is {str(value['mediaType'])[:80]!r}, need {MEDIA_TYPE!r}"
        raise MalformedEvidence(message, where=where)
    claim, unchecked = _material(value["verificationMaterial"], where)
    payload, signature = _envelope(value["dsseEnvelope"], where)
    return Bundle(claim, payload, signature, unchecked)


def _material(value: object, where: str) -> tuple[KeyClaim | ChainClaim, tuple[str, ...]]:
    place = f"{where}.verificationMaterial"
    material = _object(value, place)
    unknown = material.keys() - _MATERIAL - _EXTRAS.keys()
    methods = sorted(material.keys() & _MATERIAL)
    if unknown or len(methods) != 1:
        message = f"need one of {sorted(_MATERIAL)}, found {sorted(material)[:6]}"
        raise MalformedEvidence(message, where=place)
    for name, kind in _EXTRAS.items():
        if name in material and not isinstance(material[name], kind):
            raise MalformedEvidence(f"{name} has the wrong type", where=place)
    if methods == ["certificate"]:
        message = "signed by Sigstore keyless signing (Fulcio certificate, Rekor log)"
        hint = "not supported: verify with `model_signing verify sigstore`, or sign with a key"
        raise MalformedEvidence(message, where=place, hint=hint)
    unchecked = tuple(name for name in _EXTRAS if material.get(name))
    inner = _object(material[methods[0]], f"{place}.{methods[0]}")
    if methods == ["publicKey"]:
        return _key_claim(inner, f"{place}.publicKey"), unchecked
    return _chain_claim(inner, f"{place}.x509CertificateChain"), unchecked


def _key_claim(value: JsonObject, where: str) -> KeyClaim:
    hint, raw = value.get("hint"), value.get("rawBytes")
    known = {"hint", "rawBytes", "keyDetails"}
    if value.keys() - known or not (hint or raw) or not isinstance(hint or "", str):
        raise MalformedEvidence("a public key is named by hint or rawBytes", where=where)
    if raw is None:
        return KeyClaim(cast("str", hint), b"")
    return KeyClaim(cast("str", hint or ""), _decode(raw, where, _BASE64_LIMIT))


def _chain_claim(value: JsonObject, where: str) -> ChainClaim:
    listed = value.get("certificates")
    if value.keys() != {"certificates"} or not isinstance(listed, list):
        raise MalformedEvidence("a chain has certificates, nothing else", where=where)
    if not 0 < len(listed) <= CHAIN_LIMIT:
        message = f"a chain has 1 to {CHAIN_LIMIT} certificates, found {len(listed)}"
        raise MalformedEvidence(message, where=where)
    fields = [_object(entry, where) for entry in listed]
    for entry in fields:
        _require(entry, {"rawBytes"}, "certificate", where)
    return ChainClaim(tuple(_decode(entry["rawBytes"], where, _BASE64_LIMIT) for entry in fields))


def _envelope(value: object, where: str) -> tuple[bytes, bytes]:
    place = f"{where}.dsseEnvelope"
    envelope = _object(value, place)
    _require(envelope, {"payload", "payloadType", "signatures"}, "envelope", place)
    if envelope["payloadType"] != PAYLOAD_TYPE:
        message = f"payload type is {str(envelope['payloadType'])[:80]!r}, need {PAYLOAD_TYPE!r}"
        raise MalformedEvidence(message, where=place)
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        count = len(signatures) if isinstance(signatures, list) else "no list"
        message = f"an envelope carries exactly one signature, found {count}"
        raise MalformedEvidence(message, where=place)
    match signatures[0]:
        case {"sig": sig, **rest} if rest in ({}, {"keyid": None}, {"keyid": ""}):
            payload = _decode(envelope["payload"], place, BUNDLE_LIMIT_BYTES)
            return payload, _decode(sig, place, _BASE64_LIMIT)
        case _:
            message = "a signature has the field sig, and a keyid that is empty or null"
            raise MalformedEvidence(message, where=place)


def _encode(data: bytes) -> str:
    return base64.standard_b64encode(data).decode("ascii")


def _decode(value: object, where: str, limit: int) -> bytes:
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise MalformedEvidence("expected base64 text of reasonable length", where=where)
    return read_base64(value, "this", where=where)


def _object(value: object, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise MalformedEvidence("expected an object", where=where)
    return cast("JsonObject", value)


def _require(value: JsonObject, fields: set[str], what: str, where: str) -> None:
    if value.keys() != fields:
        message = f"{what} has the fields {sorted(fields)}, found {sorted(value)[:8]}"
        raise MalformedEvidence(message, where=where)
