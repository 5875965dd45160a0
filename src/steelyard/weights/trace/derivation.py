"""The derivation: a signed statement of what a marked copy is a copy of, and how it differs.

Decides that a marked folder is the one stated, that it was derived from the stated source, and,
with the source at hand, that it differs by nothing but marks of the stated size
(spec/trace-mark.md, section Derivation). It names no recipient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from steelyard.attest import Statement, Subject, open_envelope, predicate_type, sign_statement
from steelyard.kernel import digest_file, exact_instant, format_instant
from steelyard.kernel.errors import (
    BrokenSeal,
    NotSatisfied,
)
from steelyard.standard import check_schema, require_schema
from steelyard.weights.trace.carriers import chunks, find_carriers
from steelyard.weights.trace.commitment import Method
from steelyard.weights.trace.marking import marked_values
from steelyard.weights.trace.tensor_files import FLOAT_TYPES

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.kernel import JsonObject
    from steelyard.weights.trace.carriers import Carrier
    from steelyard.weights.trace.commitment import Commitment
    from steelyard.weights.trace.tensor_files import Model, StoredTensor, TensorFile

KIND: Final = predicate_type("trace-derivation")


@dataclass(frozen=True, slots=True)
class Changes:
    """How much of a source a mark changes.

    Attributes:
        tensors: Carriers.
        elements: Their weights.
        largest_step: Largest step of any carrier.
    """

    tensors: int
    elements: int
    largest_step: float

    @classmethod
    def of(cls, carriers: tuple[Carrier, ...]) -> Changes:
        """The changes that these carriers make."""
        elements = sum(carrier.elements for carrier in carriers)
        return cls(len(carriers), elements, max(carrier.step for carrier in carriers))

    def to_json(self) -> JsonObject:
        """The changes as a statement carries them."""
        return {
            "tensors": self.tensors,
            "elements": self.elements,
            "largest_step": self.largest_step,
        }


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a statement says of a marked copy.

    Attributes:
        marked: Name and manifest root of the copy.
        source: Name and manifest root of what it was made from.
        method: How it was marked.
        changes: How much.
        commitment: Digest of the commitment's envelope.
        issued: When, by the signer's word.
    """

    marked: Subject
    source: Subject
    method: Method
    changes: Changes
    commitment: str
    issued: datetime

    def to_predicate(self) -> JsonObject:
        """What is signed."""
        return {
            "changes": self.changes.to_json(),
            "commitment": self.commitment,
            "issued": format_instant(self.issued),
            "method": self.method.to_json(),
            "source": {"name": self.source.name, "sha256": self.source.sha256},
        }


def sign_derivation(derivation: Derivation, key: PrivateKey) -> bytes:
    """The signed envelope of a derivation."""
    predicate = derivation.to_predicate()
    check_schema(predicate, "trace-derivation", where="derivation")
    return sign_statement(Statement((derivation.marked,), KIND, predicate), key)


def open_derivation(data: bytes, key: PublicKey, *, now: datetime, where: str) -> Derivation:
    """Verify who signed a derivation, and that it is one.

    Raises:
        BrokenSeal: another signer, another kind, or an instant to come.
        MalformedEvidence: not of the schema.
    """
    statement = open_envelope(data, {key.key_id: key}, where=where)
    if statement.predicate_type != KIND or len(statement.subjects) != 1:
        message = f"is {statement.predicate_type!r}, not a derivation of one model"
        raise BrokenSeal(message, where=where)
    derivation = _parsed(statement, where)
    if derivation.issued > now:
        message = f"claims to be made at {format_instant(derivation.issued)}, which is to come"
        raise BrokenSeal(message, where=where, hint="compare clocks with the owner")
    return derivation


def _parsed(statement: Statement, where: str) -> Derivation:
    predicate = statement.predicate
    require_schema(predicate, "trace-derivation", where=where)
    issued = exact_instant(cast("str", predicate["issued"]), where=where)
    source = cast("dict[str, str]", predicate["source"])
    changes = cast("dict[str, Any]", predicate["changes"])
    return Derivation(
        marked=statement.subjects[0],
        source=Subject(source["name"], source["sha256"]),
        method=Method.from_json(cast("JsonObject", predicate["method"])),
        changes=Changes(
            changes["tensors"], changes["elements"], float(changes["largest_step"])
        ),
        commitment=cast("str", predicate["commitment"]),
        issued=issued,
    )  # fmt: skip


def require_roots(derivation: Derivation, marked_root: str, source_root: str | None) -> Derivation:
    """Check that a derivation is about these folders; return it.

    Args:
        derivation: As verified.
        marked_root: Manifest root of the copy at hand.
        source_root: Root of the model that was evaluated and signed; None not to ask.

    Raises:
        BrokenSeal: it is about another copy, or another source.
    """
    if derivation.marked.sha256 != marked_root:
        message = f"is about {derivation.marked.sha256[:16]}, the folder is {marked_root[:16]}"
        hint = "a file was changed, added or removed after marking, or it is another copy"
        raise BrokenSeal(message, where="marked copy", hint=hint)
    if source_root is not None and derivation.source.sha256 != source_root:
        message = f"derives from {derivation.source.sha256[:16]}, not from {source_root[:16]}"
        raise BrokenSeal(message, where="source")
    return derivation


def require_commitment(derivation: Derivation, commitment: Commitment) -> Derivation:
    """Check that a copy was made under a commitment, and after it; return the derivation.

    Raises:
        BrokenSeal: another commitment, source or method, or a commitment of later date.
    """
    if derivation.commitment != commitment.digest:
        message = f"was made under commitment {derivation.commitment[:16]}, not this one"
        raise BrokenSeal(message, where="commitment")
    same = (derivation.source, derivation.method) == (commitment.source, commitment.method)
    if not same or derivation.issued < commitment.created:
        message = "source, method or date disagree with the commitment it names"
        raise BrokenSeal(message, where="commitment")
    return derivation


def require_only_marks(source: Model, marked: Model, derivation: Derivation) -> Changes:
    """Compare copy and source weight by weight; return what the marks change.

    Every weight of a carrier must be the source's plus or minus the step, rounded; everything
    else must be equal byte for byte. Which of the two each is stays the recipient's secret.

    Raises:
        NotSatisfied: anything else differs, or the statement understates the changes.
    """
    carriers = find_carriers(source, derivation.method.rule, derivation.method.alpha)
    changes = Changes.of(carriers)
    if changes != derivation.changes:
        message = f"the statement says {derivation.changes}, the method gives {changes}"
        raise NotSatisfied(message, where="changes")
    _require_equal_files(source, marked)
    steps = {carrier.name: carrier.step for carrier in carriers}
    for name, tensor in source.tensors.items():
        _require_marked(tensor, marked.tensors[name], steps.get(name))
    return changes


def _require_equal_files(source: Model, marked: Model) -> None:
    """Same names; same headers of tensor files; same bytes of all others."""
    names, copied = ([entry.name for entry in each.entries] for each in (source, marked))
    if names != copied:
        odd = min(set(names) ^ set(copied))
        raise NotSatisfied("is in one of the two folders only", where=odd)
    files = {file.entry.name: file for file in marked.files}
    theirs = {file.entry.name: file for file in source.files}
    for ours, entry in zip(source.entries, marked.entries, strict=True):
        if entry.name in theirs:
            is_same = _header(theirs[entry.name]) == _header(files[entry.name])
        else:
            is_same = digest_file(ours.path) == digest_file(entry.path)
        if not is_same:
            raise NotSatisfied("differs from the source, and is no mark", where=entry.name)


def _header(file: TensorFile) -> bytes:
    with file.entry.path.open("rb") as stream:
        return stream.read(file.header.header_bytes)


def _require_marked(source: StoredTensor, marked: StoredTensor, step: float | None) -> None:
    kind = FLOAT_TYPES.get(source.info.dtype, np.dtype(np.uint8))
    size = source.info.size_bytes // kind.itemsize
    for start, count in chunks(size):
        ours = source.read_as(kind, start, count)
        theirs = marked.read_as(kind, start, count)
        if not _is_marked(ours, theirs, step):
            what = "is no carrier, and differs" if step is None else "differs by more than its mark"
            raise NotSatisfied(what, where=source.name[:80])


def _is_marked(ours: NDArray[Any], theirs: NDArray[Any], step: float | None) -> bool:
    if step is None:
        return ours.tobytes() == theirs.tobytes()
    one = np.ones(1, np.float32)
    fits = np.zeros(ours.shape, bool)
    whole = np.dtype(f"<u{ours.dtype.itemsize}")
    for sign in (one, -one):
        fits |= marked_values(ours, sign, step).view(whole) == theirs.view(whole)
    return bool(fits.all())
