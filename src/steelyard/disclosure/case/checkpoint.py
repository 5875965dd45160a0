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
    SIGNATURE_LIMIT,
    Checkpoint,
    Note,
    cosign_note,
    read_checkpoint,
    read_note,
    sign_note,
    signed_part,
    verify_cosignature,
    verify_signature,
)
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.attest import PrivateKey, PublicKey
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
        proof: The signed text with its host's signatures alone, to be shown to anybody.
    """

    case: str
    host: str
    size: int
    head: str
    signed: datetime
    note: bytes
    proof: bytes

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
    proof = signed_part(note, host, keys).to_bytes()
    return CaseCheckpoint(case, host, found.size, found.root.hex(), signed, data, proof)


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


def join(
    known: bytes | None, shown: CaseCheckpoint, keys: Mapping[str, Mapping[str, PublicKey]]
) -> CaseCheckpoint:
    """A checkpoint as it is kept: signed by its host, with a cosignature of each participant.

    Nothing else is kept, nor more than leaves room for one's own cosignature: whoever passes a
    note on could fill it.

    Args:
        known: The note that is kept of the same checkpoint; None for none.
        shown: What came.
        keys: Keys of the participants, by organization and any label.

    Raises:
        BrokenSeal: they are of two checkpoints.
    """
    held = _kept(known, shown, keys[shown.host]) or shown.with_note(shown.proof)
    note, came = _note(held.note), _note(shown.note)
    names = {name for name, _ in note.signatures}
    added = list[tuple[str, bytes]]()
    for name, data in came.signatures:
        if len(note.signatures) + len(added) >= SIGNATURE_LIMIT - 1:
            break
        if name in names or name not in keys:
            continue
        try:
            verify_cosignature(Note(came.text, ((name, data),)), name, keys[name])
        except BrokenSeal:
            continue
        names.add(name)
        added.append((name, data))
    return held.with_note(note.joined(Note(came.text, tuple(added))).to_bytes())


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


def compare(first: CaseCheckpoint, second: CaseCheckpoint) -> Fault | None:
    """What two checkpoints of one case prove against their host by themselves; None for nothing.

    Of two sizes they can be of two histories; `fault.prove_fork` knows.

    Raises:
        BrokenSeal: of two cases, or of two hosts.
    """
    if (first.case, first.host) != (second.case, second.host):
        raise BrokenSeal("the checkpoints are of two cases or hosts", where="checkpoint")
    small, large = sorted((first, second), key=lambda item: item.size)
    if small.size == large.size and small.head != large.head:
        text = f"signed two histories of {small.size} entries"
        return Fault("fork", first.host, text, first.proof, second.proof)
    if small.size < large.size and small.signed > large.signed:
        text = f"went back from {large.size} entries to {small.size}"
        return Fault("rollback", first.host, text, large.proof, small.proof)
    return None


def _kept(
    known: bytes | None, shown: CaseCheckpoint, keys: Mapping[str, PublicKey]
) -> CaseCheckpoint | None:
    """What is kept of a checkpoint; None where no key signed it that still counts."""
    if known is None:
        return None
    try:
        return open_checkpoint(known, shown.case, shown.host, keys)
    except (BrokenSeal, MalformedEvidence):
        return None


def _note(data: bytes) -> Note:
    return read_note(data, where="checkpoint")


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BrokenSeal("the cosignature has no time", where="checkpoint") from error
