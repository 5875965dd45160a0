"""Changing who can open, without touching the streams (spec/sealed-weights.md, section 8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.kernel import write_atomically
from steelyard.kernel.errors import ConfigurationError, UsageError
from steelyard.weights.sealed.floe import start_decryption
from steelyard.weights.sealed.header import HEADER_NAME, PARAMETERS, read_header
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


def rewrap(
    path: Path, identity: AnyIdentity, expect: Expect, recipients: Sequence[AnyRecipient],
    quorum: Quorum | None, key: PrivateKey,
) -> SealedHeader:  # fmt: skip
    """Write a header with exactly these recipients and this quorum, as the next edition.

    It revokes nobody who has seen the content key, nor anybody who keeps a copy of the old
    header: to revoke, seal anew.

    Args:
        path: Folder of sealed weights.
        identity: Opens them now.
        expect: The publisher, who signs again.
        recipients: Who can open from now on.
        quorum: Who can open together; None for nobody.
        key: Signs the new header.

    Raises:
        UsageError: the key is not the publisher's.
        BrokenSeal: header or content key do not belong to the streams.
        NotSatisfied: this identity may not open.
        StorageError: the disk refused; the old header is kept.
    """
    if not recipients and quorum is None:
        raise ConfigurationError("nobody could open", hint="name a --recipient or a --quorum")
    if key.public_key != expect.signer:
        message = f"the header must stay signed by {expect.signer.key_id[:16]}"
        hint = "give the publisher's key with --key; another publisher seals anew"
        raise UsageError(message, hint=hint)
    header = read_header(path, expect)
    content_key = unwrap(header, identity)
    for number, stream in enumerate(header.streams):
        associated = header.core.associated(number, stream.plain_bytes)
        start_decryption(content_key, associated, stream.header, PARAMETERS)
    changed = replace(
        header,
        recipients=tuple(wrap(content_key, header.core, r) for r in recipients),
        custody=quorum and quorum.take(content_key, header.core),
        edition=header.edition + 1,
    )
    write_atomically(path / HEADER_NAME, checked_envelope(changed, key), hint=SPACE_HINT)
    return changed
