"""The custody in a header: who holds a share, and how a content key is put under it.

Decides the part `quorum` of sealed weights (spec/weights-quorum.md, sections 1 and 2).
Approvals are for `approval`, counting them for `opening`.
"""

from __future__ import annotations

import base64
import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from steelyard.attest import PublicKey
from steelyard.kernel.errors import BrokenSeal, ConfigurationError
from steelyard.weights.quorum.sharing import (
    ELEMENT_BYTES,
    require_members,
    share_secret,
    to_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.attest.recipients import Recipient
    from steelyard.kernel import JsonObject

_DOMAIN: Final = b"steelyard/weights-quorum/1 "
_NONCE: Final = bytes(12)
HALF_BYTES: Final = 32
LEAST_THRESHOLD: Final = 2


@dataclass(frozen=True, slots=True)
class Member:
    """A custodian before anything is sealed: who it is, and its two public keys."""

    name: str
    organization: str
    key: PublicKey
    recipient: Recipient

    @property
    def recipient_id(self) -> str:
        """Id of the key that a share is sealed to."""
        return self.recipient.key_id


@dataclass(frozen=True, slots=True)
class Custodian:
    """A custodian in a header.

    Attributes:
        name: For people.
        organization: Two custodians of one organization count once.
        key: Verifies its approvals.
        recipient_kind: Kind of the key that the share is sealed to.
        recipient_id: Id of that key.
        share: The sealed share.
    """

    name: str
    organization: str
    key: PublicKey
    recipient_kind: str
    recipient_id: str
    share: bytes


@dataclass(frozen=True, slots=True)
class Custody:
    """The part `quorum` of a header."""

    threshold: int
    custodians: tuple[Custodian, ...]
    commitments: tuple[int, ...]
    wrapped: bytes
    broker_kind: str = ""
    broker_id: str = ""
    broker_half: bytes = b""

    def to_json(self) -> JsonObject:
        """The custody as the header writes it."""
        broker: JsonObject = {
            "recipient": {"kind": self.broker_kind, "id": self.broker_id},
            "half": _encode(self.broker_half),
        }
        return {
            "threshold": self.threshold,
            "custodians": [
                {
                    "name": c.name,
                    "organization": c.organization,
                    "key": c.key.raw.hex(),
                    "recipient": {"kind": c.recipient_kind, "id": c.recipient_id},
                    "share": _encode(c.share),
                }
                for c in self.custodians
            ],
            "commitments": [to_bytes(value).hex() for value in self.commitments],
            "wrapped": _encode(self.wrapped),
            "broker": broker if self.broker_half else None,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Custody:
        """Read a custody that follows its schema.

        Raises:
            BrokenSeal: custodians are not distinct, too few organizations, or a commitment
                outside the group.
        """
        custodians = tuple(
            Custodian(
                name=c["name"],
                organization=c["organization"],
                key=PublicKey(bytes.fromhex(c["key"])),
                recipient_kind=c["recipient"]["kind"],
                recipient_id=c["recipient"]["id"],
                share=base64.b64decode(c["share"]),
            )
            for c in value["custodians"]
        )
        broker: dict[str, Any] = value["broker"] or {
            "recipient": {"kind": "", "id": ""},
            "half": "",
        }
        custody = cls(
            threshold=value["threshold"],
            custodians=custodians,
            commitments=tuple(int(text, 16) for text in value["commitments"]),
            wrapped=base64.b64decode(value["wrapped"]),
            broker_kind=broker["recipient"]["kind"],
            broker_id=broker["recipient"]["id"],
            broker_half=base64.b64decode(broker["half"]),
        )
        if fault := _fault(custody.threshold, custodians):
            raise BrokenSeal(fault, where="quorum")
        if len(custody.commitments) != custody.threshold:
            raise BrokenSeal("there is not one commitment for each approval", where="quorum")
        require_members(custody.commitments)
        return custody

    def unwrap(self, secret: int, half: bytes, core: bytes) -> bytes:
        """The content key, from the combined secret and the broker's half.

        Raises:
            BrokenSeal: another secret, half or model.
        """
        try:
            return AESGCM(_wrapping_key(secret, half, core)).decrypt(_NONCE, self.wrapped, core)
        except InvalidTag as error:
            raise BrokenSeal("the shares do not open this model") from error


def take_into_custody(
    content_key: bytes,
    core: bytes,
    members: Sequence[Member],
    threshold: int,
    broker: Recipient | None = None,
) -> Custody:
    """Put a content key under a quorum.

    Args:
        content_key: 32 bytes.
        core: Digest of the core, 32 bytes.
        members: The custodians, in their order.
        threshold: Approvals needed.
        broker: Who must add its half as well; None for nobody.

    Raises:
        ConfigurationError: too low a threshold, too few organizations, or one twice.
    """
    if fault := _fault(threshold, members):
        raise ConfigurationError(fault, where="quorum")
    secret, shares, commitments = share_secret(threshold, len(members))
    half = os.urandom(HALF_BYTES) if broker else b""
    wrapped = AESGCM(_wrapping_key(secret, half, core)).encrypt(_NONCE, content_key, core)
    custodians = tuple(
        Custodian(
            name=member.name,
            organization=member.organization,
            key=member.key,
            recipient_kind=member.recipient.kind,
            recipient_id=member.recipient.key_id,
            share=member.recipient.encrypt(to_bytes(share), share_info(core, index)),
        )
        for index, (member, share) in enumerate(zip(members, shares, strict=True), start=1)
    )
    if broker is None:
        return Custody(threshold, custodians, commitments, wrapped)
    sealed = broker.encrypt(half, half_info(core))
    return Custody(
        threshold, custodians, commitments, wrapped, broker.kind, broker.key_id, sealed
    )  # fmt: skip


def share_info(core: bytes, index: int) -> bytes:
    """HPKE info of the share of custodian `index`, counted from 1."""
    return _DOMAIN + b"share\x00" + core + index.to_bytes(4, "big")


def half_info(core: bytes) -> bytes:
    """HPKE info of the broker's half."""
    return _DOMAIN + b"half\x00" + core


def release_info(core: bytes, request: bytes) -> bytes:
    """HPKE info of a share that is released for a request, named by its digest."""
    return _DOMAIN + b"release\x00" + core + request


def canonical_name(text: str) -> str:
    """A name as it is compared: NFKC, without case, single spaces.

    Letters of other scripts that look alike stay different: telling them apart is the
    publisher's duty.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _fault(threshold: int, members: Sequence[Member] | Sequence[Custodian]) -> str:
    if not LEAST_THRESHOLD <= threshold <= len(members):
        return (
            f"a quorum of {threshold} among {len(members)} custodians: need at least 2, at most all"
        )
    if len({canonical_name(member.organization) for member in members}) < threshold:
        return f"a quorum of {threshold} needs custodians of as many organizations"
    for what in (
        [canonical_name(member.name) for member in members],
        [member.key.raw for member in members],
        [member.recipient_id for member in members],
    ):
        if len(set(what)) != len(what):
            return "a custodian is listed twice, or two share a key"
    return ""


def _wrapping_key(secret: int, half: bytes, core: bytes) -> bytes:
    info = _DOMAIN + b"wrap\x00" + core
    return HKDF(SHA256(), 32, None, info).derive(secret.to_bytes(ELEMENT_BYTES, "big") + half)


def _encode(data: bytes) -> str:
    return base64.standard_b64encode(data).decode("ascii")
