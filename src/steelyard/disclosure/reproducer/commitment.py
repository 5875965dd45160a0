"""Salted commitments: to variants that are kept back, and to the logs behind an answer.

Decides the leaves and the root that are published, and that a set is the one under a root
(spec/reproducer.md, section Commitments). Variants are short and samples have few outcomes,
so every leaf has a salt of 32 bytes. Who may ask for an opening is for the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.attest import derive_salt, merkle_root
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import BrokenSeal

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
    return use.encode() + b"\x00" + salt + canonical_json(value)
