"""The Merkle tree of RFC 9162, section 2.1, over SHA-256.

Decides the root of an ordered list of leaves and whether a leaf lies under a
root. Leaves are prefixed 0x00 and nodes 0x01, so none can pass for the other.
What the leaves are is defined in spec/passport.md.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from steelyard.kernel.errors import BrokenSeal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HASH_BYTES = 32


def merkle_root(leaves: Iterable[bytes]) -> str:
    """Root over `leaves` in order, lower hex (RFC 9162, section 2.1.1)."""
    level = _leaf_hashes(leaves)
    if not level:
        return sha256(b"").hexdigest()
    while len(level) > 1:
        level = _parents(level)
    return level[0].hex()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Sibling hashes from leaf `index` up to the root (RFC 9162, section 2.1.3.1).

    Raises:
        IndexError: no such leaf.
    """
    if not 0 <= index < len(leaves):
        message = f"no leaf {index} among {len(leaves)}"
        raise IndexError(message)
    proof: list[bytes] = []
    level = _leaf_hashes(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        level, index = _parents(level), index // 2
    return tuple(proof)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: str
) -> bytes:
    """Check that `leaf` is number `index` of `size` under `root`; return it.

    RFC 9162, section 2.1.3.2: `first` and `last` are the positions of the
    current node and of the rightmost node of its level.

    Raises:
        BrokenSeal: it is not, or the proof has another length.
    """
    if not 0 <= index < size:
        message = f"no leaf {index} in a tree of {size}"
        raise BrokenSeal(message)
    first, last = index, size - 1
    node = sha256(b"\x00" + leaf).digest()
    for sibling in proof:
        if last == 0 or len(sibling) != _HASH_BYTES:
            message = "the inclusion proof has the wrong length"
            raise BrokenSeal(message)
        if first & 1 or first == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        first, last = first >> 1, last >> 1
    if last != 0 or node.hex() != root:
        message = f"leaf {index} is not under root {root[:16]}"
        raise BrokenSeal(message)
    return leaf


def _leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    return [sha256(b"\x00" + leaf).digest() for leaf in leaves]


def _parents(level: list[bytes]) -> list[bytes]:
    """One level up. An odd last node moves up unpaired, which is RFC 9162's split."""
    pairs = zip(level[::2], level[1::2], strict=False)
    parents = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    if len(level) % 2:
        parents.append(level[-1])
    return parents
