"""Delivery: from a model and a list of recipients to commitment, copies and derivations.

Puts the parts of this package in order: commit before the first copy, mark under the commitment,
state what was derived. Each rule stands in its own module; times and keys are arguments.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from steelyard.attest import Subject, manifest_root
from steelyard.kernel import check_label, check_name, sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError
from steelyard.weights.trace.carriers import find_carriers
from steelyard.weights.trace.commitment import (
    Commitment,
    layout_digest,
    layout_salt,
    make_method,
    sign_commitment,
)
from steelyard.weights.trace.derivation import Changes, Derivation, sign_derivation
from steelyard.weights.trace.marking import mark_folder
from steelyard.weights.trace.register import Register
from steelyard.weights.trace.tensor_files import open_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from steelyard.attest import PrivateKey
    from steelyard.weights.trace.carriers import CarrierRule

RECIPIENT_LIMIT: Final = 100_000
_COLUMNS: Final = ("pseudonym", "identity")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the owner chooses.

    Attributes:
        name: Name of the model in statements.
        alpha: Size of a mark in standard deviations of a tensor.
        family_error: Probability at most that anybody innocent is named.
        rule: Which tensors are carriers.
    """

    name: str
    alpha: float
    family_error: float
    rule: CarrierRule


@dataclass(frozen=True, slots=True)
class Committed:
    """A new commitment: the envelope to publish and the register to keep."""

    envelope: bytes
    register: Register
    commitment: Commitment


def commit_model(
    folder: Path,
    identities: Mapping[str, str],
    terms: Terms,
    secret: bytes,
    signer: tuple[PrivateKey, datetime],
) -> Committed:
    """Fix carriers, method and recipients of a model.

    Args:
        folder: The source.
        identities: Who each pseudonym is; the text may be empty.
        terms: What the owner chooses.
        secret: 32 random bytes of this commitment alone.
        signer: Key that signs, and the present.
    """
    key, now = signer
    method = make_method(terms.alpha, terms.rule, terms.family_error, len(identities))
    carriers = find_carriers(open_model(folder), terms.rule, terms.alpha)
    register = Register(secret, identities, carriers)
    commitment = Commitment(
        source=Subject(terms.name, manifest_root(folder)),
        method=method,
        created=now,
        layout=layout_digest(layout_salt(secret), carriers),
        recipients={opening.pseudonym: opening.commitment for opening in register.openings()},
    )
    envelope = sign_commitment(commitment, key)
    signed = replace(commitment, digest=sha256_hex(envelope), signer=key.public_key.key_id)
    return Committed(envelope, register, signed)


def deliver(
    folder: Path,
    commitment: Commitment,
    register: Register,
    recipient: tuple[str, Path],
    signer: tuple[PrivateKey, datetime],
    progress: Callable[[int, int], None] = lambda _done, _planned: None,
) -> bytes:
    """Write one recipient's copy; returns the signed derivation.

    Args:
        folder: The source.
        commitment: As verified, or as just made.
        register: The owner's.
        recipient: Pseudonym, and the new folder for the copy.
        signer: Key that signs, and the present.
        progress: Called with bytes written and to write.

    Raises:
        BrokenSeal: folder, register or recipient are not those committed to.
    """
    pseudonym, out = recipient
    opening = commitment.require_opened_by(register.opening(pseudonym))
    evidence = register.evidence(pseudonym)
    carriers = commitment.require_layout(evidence.salt, evidence.carriers)
    require_source(folder, commitment)
    mark_folder(open_model(folder), carriers, opening.key, out, progress)
    key, now = signer
    derivation = Derivation(
        marked=Subject(commitment.source.name, manifest_root(out)),
        source=commitment.source,
        method=commitment.method,
        changes=Changes.of(carriers),
        commitment=commitment.digest,
        issued=now,
    )
    return sign_derivation(derivation, key)


def require_source(folder: Path, commitment: Commitment) -> Path:
    """Check that a folder is the source committed to; return it.

    Raises:
        BrokenSeal: its manifest root is another.
    """
    root = manifest_root(folder)
    if root != commitment.source.sha256:
        message = f"has root {root[:16]}, the commitment is about {commitment.source.sha256[:16]}"
        hint = "give the unmarked folder as it was when it was committed to"
        raise BrokenSeal(message, where=str(folder), hint=hint)
    return folder


def read_recipients(text: str, *, where: str) -> dict[str, str]:
    """Read a CSV of recipients: column `pseudonym`, and `identity` if it is to be bound.

    Raises:
        ConfigurationError: other columns, a bad name, a recipient twice, none, or too many.
    """
    rows = csv.DictReader(io.StringIO(text), strict=True)
    found: dict[str, str] = {}
    try:
        if tuple(rows.fieldnames or ()) not in (_COLUMNS, _COLUMNS[:1]):
            message = f"columns are {list(rows.fieldnames or ())[:4]}, need pseudonym[,identity]"
            raise ConfigurationError(message, where=where)
        for row in rows:
            _add(found, row, f"{where}:{rows.line_num}")
    except csv.Error as error:
        raise ConfigurationError(f"no CSV: {error}", where=where) from error
    if not 0 < len(found) <= RECIPIENT_LIMIT:
        message = f"need 1 to {RECIPIENT_LIMIT} recipients, found {len(found)}"
        raise ConfigurationError(message, where=where)
    return found


def _add(found: dict[str, str], row: dict[str | Any, str | Any], where: str) -> None:
    pseudonym, identity = row["pseudonym"], row.get("identity") or ""
    try:
        check_name(pseudonym)
        if identity:
            check_label(identity)
    except ValueError as error:
        raise ConfigurationError(str(error), where=where) from error
    if pseudonym is None or None in row or pseudonym in found:
        raise ConfigurationError("a recipient twice, or too many columns", where=where)
    found[pseudonym] = identity
