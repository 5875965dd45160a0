"""Checkpoints: what a host says its case looks like, and who has seen the same.

Decides whether a checkpoint is the host's, who cosigned it, and what two of them prove against
a host (spec/disclosure-case.md, section Checkpoints). A host that shows two histories, drops
an entry or goes back has signed the evidence itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from steelyard.attest.signed_note import (
    Checkpoint,
    cosign_note,
    read_checkpoint,
    read_note,
    sign_note,
    verify_cosignature,
    verify_signature,
)
from steelyard.kernel.errors import BrokenSeal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.attest.signed_note import Note
    from steelyard.disclosure.case.chain import Chain

FaultKind = Literal["fork", "rollback", "forbidden"]


@dataclass(frozen=True, slots=True)
class CaseCheckpoint:
    """A checkpoint that a host signed.

    Attributes:
        size: Entries.
        head: Hash of the last one.
        signed: When, by the host's clock.
        note: The signed text, with all signatures that came with it.
    """

    case: str
    host: str
    size: int
    head: str
    signed: datetime
    note: bytes

    def with_note(self, note: bytes) -> CaseCheckpoint:
        """The same checkpoint with other signatures beside the host's."""
        return replace(self, note=note)


@dataclass(frozen=True, slots=True)
class Fault:
    """What a host did, with the two notes that prove it.

    Attributes:
        kind: `fork`: two histories of one case; `rollback`: a shorter one, signed later;
            `forbidden`: an entry that had to be refused, as everybody who has the case can see.
        host: Whose signatures they are.
    """

    kind: FaultKind
    host: str
    text: str
    first: bytes
    second: bytes


def origin(case: str) -> str:
    """The origin of a case's checkpoints."""
    return f"steelyard/case/{case}"


def sign_checkpoint(
    case: str, size: int, head: str, *, host: str, key: PrivateKey, at: datetime
) -> bytes:
    """A checkpoint that a host signs, with the time in a cosignature of its own."""
    text = Checkpoint(origin(case), size, bytes.fromhex(head)).to_text()
    note = sign_note(text, host, key)
    return cosign_note(note, host, key, at=int(at.timestamp())).to_bytes()


def open_checkpoint(
    data: bytes, case: str, host: str, keys: Mapping[str, PublicKey]
) -> CaseCheckpoint:
    """A checkpoint of a case that its host signed.

    Raises:
        BrokenSeal: another case, another signer, or no time.
        MalformedEvidence: no checkpoint.
    """
    note = read_note(data, where="checkpoint")
    found = read_checkpoint(note, origin(case))
    verify_signature(note, host, keys)
    signed = _instant(verify_cosignature(note, host, keys))
    return CaseCheckpoint(case, host, found.size, found.root.hex(), signed, data)


def cosign(
    checkpoint: CaseCheckpoint, chain: Chain, *, by: str, key: PrivateKey, at: datetime
) -> bytes:
    """Add one's name to a checkpoint that agrees with the case as one holds it.

    Raises:
        BrokenSeal: it does not agree, or is of more than one holds.
    """
    require_same(checkpoint, chain)
    note = read_note(checkpoint.note, where="checkpoint")
    return cosign_note(note, by, key, at=int(at.timestamp())).to_bytes()


def cosigned_by(note: bytes, by: str, keys: Mapping[str, PublicKey]) -> datetime:
    """When an organization cosigned a note.

    Raises:
        BrokenSeal: it did not.
    """
    return _instant(verify_cosignature(read_note(note, where="checkpoint"), by, keys))


def join(first: bytes, second: bytes) -> bytes:
    """One checkpoint with the signatures of both.

    Raises:
        BrokenSeal: they are of two.
    """
    return _note(first).joined(_note(second)).to_bytes()


def require_same(checkpoint: CaseCheckpoint, chain: Chain) -> None:
    """Refuse a checkpoint of another history than the one that is held.

    Raises:
        BrokenSeal: with both heads, or because less is held.
    """
    if checkpoint.size > chain.size:
        message = f"the checkpoint is of {checkpoint.size} entries, {chain.size} are held"
        raise BrokenSeal(message, where=checkpoint.case[:16], hint="fetch the missing entries")
    held = chain.head_at(checkpoint.size)
    if held != checkpoint.head:
        raise BrokenSeal(
            f"after {checkpoint.size} entries the host signed {checkpoint.head[:16]}, "
            f"held is {held[:16]}: the host shows two histories",
            where=checkpoint.case[:16],
            hint="show both checkpoints to the other participants",
        )


def compare(
    first: CaseCheckpoint, second: CaseCheckpoint, chain: Chain | None = None
) -> Fault | None:
    """What two checkpoints of one case prove against their host; None where nothing.

    Args:
        first: One.
        second: Another.
        chain: A history that contains the larger of the two; shows whether the smaller one is
            of the same history. Without it only checkpoints of one size can contradict.

    Raises:
        BrokenSeal: of two cases, or of two hosts.
    """
    if (first.case, first.host) != (second.case, second.host):
        raise BrokenSeal("the checkpoints are of two cases or hosts", where="checkpoint")
    small, large = sorted((first, second), key=lambda item: item.size)
    if small.size == large.size and small.head != large.head:
        text = f"signed two histories of {small.size} entries"
        return Fault("fork", first.host, text, first.note, second.note)
    if chain is not None and _agrees(large, chain) and not _agrees(small, chain):
        text = (
            f"signed two histories: its {small.size} entries are not the first {small.size} "
            f"of its {large.size}"
        )
        return Fault("fork", first.host, text, small.note, large.note)
    if small.size < large.size and small.signed > large.signed:
        text = f"went back from {large.size} entries to {small.size}"
        return Fault("rollback", first.host, text, large.note, small.note)
    return None


def _agrees(checkpoint: CaseCheckpoint, chain: Chain) -> bool:
    held = checkpoint.size <= chain.size
    return held and chain.head_at(checkpoint.size) == checkpoint.head


def _note(data: bytes) -> Note:
    return read_note(data, where="checkpoint")


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BrokenSeal("the cosignature has no time", where="checkpoint") from error
