"""Dense integer codes for the keys of records: integers or strings, chunk by chunk.

Strings are compared by a 64-bit hash of their characters, and each is then held against
the key it was taken for, so that two keys of one hash are an error, never a mixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]
    Hashes = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15  # odd; the multiplier of splitmix64 and of Fibonacci hashing
_WORD_BYTES = 8
_WORD_BITS = 64
_SLOTS_PER_KEY = 16
_LEAST_BITS, _MOST_BITS = 10, 22


class KeyTable:
    """Codes 0, 1, 2, ... for keys, given chunk by chunk as new keys appear."""

    __slots__ = ("_bits", "_hashes", "_keys", "_order", "_slots")

    def __init__(self) -> None:
        self._keys: NDArray[Any] | None = None
        self._hashes = np.zeros(0, dtype=np.uint64)
        self._order = np.zeros(0, dtype=np.intp)
        self._bits, self._slots = _LEAST_BITS, np.zeros(0, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def keys(self) -> NDArray[Any]:
        """Keys by code, shape [keys]."""
        return np.zeros(0, dtype=np.int64) if self._keys is None else self._keys

    def codes(self, keys: NDArray[Any]) -> Whole:
        """Code of each key, shape [records]; new keys get new codes.

        Raises:
            ValueError: keys that are neither integers nor strings, or of another kind
                than before; two strings of one hash, which chance does not bring about.
        """
        keys = self._alike(keys)
        hashes = _hashes_of(keys)
        codes = self._known(hashes)
        missing = np.flatnonzero(codes < 0)
        if len(missing):
            self._extend(keys[missing], hashes[missing])
            codes[missing] = self._searched(hashes[missing])
        if keys.dtype.kind in "SU" and not np.array_equal(self.keys[codes], keys):
            message = "two keys have the same hash; give integers instead of strings"
            raise ValueError(message)
        return codes

    def _alike(self, keys: NDArray[Any]) -> NDArray[Any]:
        """Keys as integers or strings, of the kind met before."""
        if keys.dtype.kind in "OT":
            keys = keys.astype(str)
        if keys.dtype.kind not in "iubSU":
            message = f"keys are integers or strings, found {keys.dtype}"
            raise ValueError(message)
        kind = keys.dtype.kind if keys.dtype.kind in "SU" else "i"
        if kind == "i":
            keys = keys.astype(np.int64, copy=False)
        if self._keys is not None and kind != self._keys.dtype.kind:
            message = f"keys are of one kind, found {keys.dtype} after {self._keys.dtype}"
            raise ValueError(message)
        return keys

    def _known(self, hashes: Hashes) -> Whole:
        """Codes by one look into the slots, then by search; -1 where unknown."""
        if not len(self):
            return np.full(len(hashes), -1)
        codes = self._slots[_slot(hashes, self._bits)].astype(np.int64)
        doubtful = np.flatnonzero(self._hashes[codes] != hashes)
        if len(doubtful):
            codes[doubtful] = self._searched(hashes[doubtful])
        return codes

    def _searched(self, hashes: Hashes) -> Whole:
        place = np.searchsorted(self._hashes, hashes, sorter=self._order)
        codes = self._order.take(place, mode="clip")
        return np.where(self._hashes[codes] == hashes, codes, -1)

    def _extend(self, keys: NDArray[Any], hashes: Hashes) -> None:
        new, first = np.unique(hashes, return_index=True)
        known = keys[first]
        self._keys = known if self._keys is None else np.concatenate([self._keys, known])
        self._hashes = np.concatenate([self._hashes, new])
        self._order = np.argsort(self._hashes, kind="stable")
        wanted = (_SLOTS_PER_KEY * len(self)).bit_length()
        self._bits = min(max(wanted, _LEAST_BITS), _MOST_BITS)
        # Where two keys share a slot one is found there, the other by search.
        self._slots = np.zeros(1 << self._bits, dtype=np.int32)
        self._slots[_slot(self._hashes, self._bits)] = np.arange(len(self))


def _slot(hashes: Hashes, bits: int) -> NDArray[np.intp]:
    return ((hashes * np.uint64(_GOLDEN)) >> np.uint64(_WORD_BITS - bits)).astype(np.intp)


def _hashes_of(keys: NDArray[Any]) -> Hashes:
    """Integers themselves; of strings a sum of their words times fixed odd numbers.

    Trailing zeros add nothing, so a string's hash does not depend on the width it is
    stored in.
    """
    if keys.dtype.kind == "i":
        return keys.view(np.uint64) if keys.flags.c_contiguous else keys.astype(np.uint64)
    words = -(-keys.dtype.itemsize // _WORD_BYTES)
    letter = 4 if keys.dtype.kind == "U" else 1
    padded = np.ascontiguousarray(keys, dtype=f"{keys.dtype.kind}{words * _WORD_BYTES // letter}")
    table = padded.view(np.uint64).reshape(len(keys), words)
    hashes = np.zeros(len(keys), dtype=np.uint64)
    for place in range(words):
        hashes += table[:, place] * np.uint64(_multiplier(place))
    return hashes


def _multiplier(place: int) -> int:
    """The place-th output of splitmix64 (Steele, Lea and Flood, OOPSLA 2014), made odd."""
    mask = (1 << _WORD_BITS) - 1
    mixed = ((place + 1) * _GOLDEN) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return (mixed ^ (mixed >> 31)) | 1
