"""Wrapping the content key for whoever may open (spec/sealed-weights.md, section 6).

Decides which entry of a header belongs to an identity, and gives the content key or says
who could open instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.attest.recipients import Identity, Recipient
from steelyard.kernel.errors import BrokenSeal, NotSatisfied
from steelyard.weights.sealed.age import AgeIdentity, AgeRecipient
from steelyard.weights.sealed.floe import KEY_BYTES
from steelyard.weights.sealed.header import Wrapped

if TYPE_CHECKING:
    from steelyard.weights.sealed.header import Core, SealedHeader

AGE: Final = "age"


@dataclass(frozen=True, slots=True, repr=False)
class ReleasedKey:
    """A content key that a quorum released; `recorded_opening` makes it, and leaves the record."""

    content_key: bytes

    def __repr__(self) -> str:
        return "ReleasedKey(...)"


AnyRecipient = Recipient | AgeRecipient
AnyIdentity = Identity | AgeIdentity | ReleasedKey


def wrap(content_key: bytes, core: Core, recipient: AnyRecipient) -> Wrapped:
    """The content key for one recipient."""
    if isinstance(recipient, AgeRecipient):
        sealed = recipient.encrypt(content_key, bytes.fromhex(core.digest))
        return Wrapped(AGE, recipient.key_id, sealed)
    sealed = recipient.encrypt(content_key, core.key_info)
    return Wrapped(recipient.kind, recipient.key_id, sealed)


def unwrap(header: SealedHeader, identity: AnyIdentity) -> bytes:
    """The content key of a header, for an identity that may have it.

    Raises:
        BrokenSeal: the entry of this identity does not open.
        NotSatisfied: there is none.
    """
    if isinstance(identity, ReleasedKey):
        key = identity.content_key
    elif isinstance(identity, AgeIdentity):
        found = _entry(header, AGE, identity.recipient.key_id)
        key = identity.decrypt(found.wrapped, bytes.fromhex(header.core.digest))
    else:
        recipient = identity.recipient
        found = _entry(header, recipient.kind, recipient.key_id)
        key = identity.decrypt(found.wrapped, header.core.key_info)
    if len(key) != KEY_BYTES:
        raise BrokenSeal(f"a content key has {KEY_BYTES} bytes, found {len(key)}")
    return key


def identity_name(identity: Identity | AgeIdentity) -> str:
    """Id of the key that an identity opens with."""
    return identity.recipient.key_id


def _entry(header: SealedHeader, kind: str, key_id: str) -> Wrapped:
    for entry in header.recipients:
        if entry.kind == kind and entry.key_id == key_id:
            return entry
    message = f"key {key_id[:16]} is none of the {len(header.recipients)} recipients"
    hint = "recipients: " + ", ".join(entry.key_id[:16] for entry in header.recipients[:8])
    if header.custody is not None:
        hint = "ask the custodians: steelyard weights request"
    raise NotSatisfied(message, hint=hint)
