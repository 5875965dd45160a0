"""Changing who can open, without touching the streams (spec/sealed-weights.md, section 8)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.kernel import write_atomically
from steelyard.kernel.errors import ConfigurationError, UsageError
from steelyard.weights.sealed.floe import start_decryption
from steelyard.weights.sealed.header import HEADER_NAME, PARAMETERS
from steelyard.weights.sealed.recipients import unwrap, wrap
from steelyard.weights.sealed.stream_writer import checked_envelope
from steelyard.weights.staging import SPACE_HINT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from steelyard.attest import PrivateKey
    from steelyard.weights.sealed.header import Expect, SealedHeader
    from steelyard.weights.sealed.recipients import AnyIdentity, AnyRecipient
    from steelyard.weights.sealed.stream_writer import Quorum


@dataclass(frozen=True, slots=True)
class Rewrapping:
    """Exactly who can open from now on.

    Attributes:
        recipients: Who can open alone.
        quorum: Who can open together; None for nobody.
        key: Of the publisher; signs the new header.
    """

    recipients: Sequence[AnyRecipient]
    quorum: Quorum | None
    key: PrivateKey


def rewrapped(
    header: SealedHeader, identity: AnyIdentity, expect: Expect, change: Rewrapping
) -> tuple[SealedHeader, bytes]:
    """The next edition of a verified header, and its envelope. The streams are not looked at.

    It revokes nobody who has seen the content key, nor anybody who keeps a copy of the old
    header: to revoke, seal anew.

    Args:
        header: As it stands.
        identity: Opens the weights now.
        expect: The publisher, who signs again.
        change: Who can open from now on.

    Raises:
        ConfigurationError: nobody could open.
        UsageError: the key is not the publisher's.
        BrokenSeal: the content key is not that of the streams that the header names.
        NotSatisfied: this identity may not open.
    """
    if not change.recipients and change.quorum is None:
        hint = "name a recipient with --to, or custodians with --quorum"
        raise ConfigurationError("nobody could open", hint=hint)
    if change.key.public_key != expect.signer:
        message = f"the header must stay signed by {expect.signer.key_id[:16]}"
        hint = "give the publisher's key with --key; another publisher seals anew"
        raise UsageError(message, hint=hint)
    content_key = unwrap(header, identity)
    for number, stream in enumerate(header.streams):
        associated = header.core.associated(number, stream.plain_bytes)
        start_decryption(content_key, associated, stream.header, PARAMETERS)
    changed = replace(
        header,
        recipients=tuple(wrap(content_key, header.core, r) for r in change.recipients),
        custody=change.quorum and change.quorum.take(content_key, header.core),
        edition=header.edition + 1,
    )
    return changed, checked_envelope(changed, change.key)


def replace_header(path: Path, envelope: bytes) -> None:
    """Put another header over the streams of a folder, whole or not at all.

    Raises:
        StorageError: the disk refused; the old header is kept.
    """
    write_atomically(path / HEADER_NAME, envelope, hint=SPACE_HINT)
