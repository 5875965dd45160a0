"""Salted commitments: to variants that are kept back, and to the logs behind an answer.

Decides the leaves and the root that are published, and that an opening lies under one
(spec/reproducer.md, section Commitments). Variants are short and samples have few outcomes,
so every leaf has a salt of 32 bytes. Who may ask for an opening is for the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import derive_salt, inclusion_proof, merkle_root, verify_inclusion
from steelyard.attest.commitment import require_salt
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.disclosure.reproducer.scenario import Variant
    from steelyard.kernel import JsonObject

VARIANT: Final = "steelyard/sealed-variant/1"
SAMPLE: Final = "steelyard/logged-sample/1"


@dataclass(frozen=True, slots=True)
class Root:
    """What is published of a list of documents.

    Attributes:
        root: Merkle root (RFC 9162) over salted leaves, hex.
        size: Number of leaves.
    """

    root: str
    size: int

    def to_json(self) -> JsonObject:
        """As documents hold it."""
        return {"root": self.root, "size": self.size}


@dataclass(frozen=True, slots=True)
class Opening:
    """One document under a root.

    Attributes:
        index: Its place, from 0.
        salt: 32 bytes.
        value: The document.
        proof: Sibling hashes from leaf to root.
    """

    index: int
    salt: bytes
    value: JsonObject
    proof: tuple[bytes, ...]

    def to_json(self) -> JsonObject:
        """As it is handed over."""
        proof: list[Any] = [node.hex() for node in self.proof]
        return {
            "index": self.index, "salt": self.salt.hex(), "value": self.value, "proof": proof,
        }  # fmt: skip


def commit(values: Sequence[JsonObject], secret: bytes, use: str) -> Root:
    """Commit to documents in order.

    Args:
        values: At least one document.
        secret: 32 random bytes, from which the salts derive; kept with the documents.
        use: `VARIANT` or `SAMPLE`, so that neither passes for the other.

    Raises:
        ConfigurationError: a shorter secret.
    """
    return Root(merkle_root(_leaves(values, secret, use)), len(values))


def open_at(values: Sequence[JsonObject], secret: bytes, use: str, index: int) -> Opening:
    """The opening of one document.

    Raises:
        IndexError: no such document.
    """
    leaves = _leaves(values, secret, use)
    proof = inclusion_proof(leaves, index)
    return Opening(index, derive_salt(secret, use, index), values[index], proof)


def verify_opening(root: Root, opening: Opening, use: str) -> JsonObject:
    """Check an opening; return the document that was committed to.

    Raises:
        BrokenSeal: it does not lie under the root.
        ConfigurationError: the salt has not 32 bytes.
    """
    leaf = _leaf(opening.salt, opening.value, use)
    verify_inclusion(leaf, opening.index, root.size, opening.proof, root.root)
    return opening.value


def read_opening(value: object, *, where: str) -> Opening:
    """An opening from its JSON.

    Raises:
        MalformedEvidence: other fields or types.
    """
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    match fields:
        case {"index": int(index), "salt": str(salt), "value": dict(), "proof": list()}:
            try:
                nodes = tuple(bytes.fromhex(node) for node in fields["proof"])
                return Opening(index, bytes.fromhex(salt), fields["value"], nodes)
            except (ValueError, TypeError) as error:
                raise MalformedEvidence("salt and proof are hex", where=where) from error
        case _:
            message = "an opening has index, salt, value and proof"
            raise MalformedEvidence(message, where=where)


def open_variants(root: Root, variants: Sequence[Variant], secret: bytes) -> tuple[Variant, ...]:
    """Check a whole sealed set; none may be left out, since the worst ones would be.

    Raises:
        BrokenSeal: another number of variants, or others than were committed to.
    """
    if len(variants) != root.size:
        message = f"{root.size} variants were sealed, {len(variants)} are opened"
        raise BrokenSeal(message, hint="open all of them: a choice would not be a sample")
    found = commit([variant.to_json() for variant in variants], secret, VARIANT)
    if found != root:
        message = f"the variants have root {found.root[:16]}, not {root.root[:16]}"
        raise BrokenSeal(message, hint="these are not the variants that were sealed")
    return tuple(variants)


def _leaves(values: Sequence[JsonObject], secret: bytes, use: str) -> list[bytes]:
    salts = [derive_salt(secret, use, index) for index in range(len(values))]
    return [_leaf(salt, value, use) for salt, value in zip(salts, values, strict=True)]


def _leaf(salt: bytes, value: JsonObject, use: str) -> bytes:
    require_salt(salt)
    return use.encode() + b"\x00" + salt + canonical_json(value)
