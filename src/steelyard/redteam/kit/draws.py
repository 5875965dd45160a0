"""Deterministic draws from a seed, equal on every machine and Python version.

A stream of HMAC-SHA-256 blocks; the standard library's generators promise
stable bits but not stable `choice` or `shuffle`, and items must never change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from steelyard.kernel import keyed_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
_RANGE = 1 << 64


class Draws:
    """An endless stream of random numbers that depends on seed and label only."""

    def __init__(self, seed: bytes, label: str) -> None:
        """Start a stream; different labels on one seed are independent."""
        self._seed = seed
        self._label = label
        self._block = 0
        self._words: list[int] = []

    def real(self) -> float:
        """A number in [0, 1) with 53 random bits."""
        return (self._word() >> 11) / (1 << 53)

    def integer(self, low: int, high: int) -> int:
        """An integer with low <= value <= high, exactly uniform (by rejection)."""
        span = high - low + 1
        limit = _RANGE - _RANGE % span
        word = self._word()
        while word >= limit:
            word = self._word()
        return low + word % span

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, uniformly."""
        return options[self.integer(0, len(options) - 1)]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` distinct options in random order (Fisher and Yates)."""
        pool = list(options)
        for position in range(count):
            other = self.integer(position, len(pool) - 1)
            pool[position], pool[other] = pool[other], pool[position]
        return pool[:count]

    def _word(self) -> int:
        if not self._words:
            block = keyed_digest(self._seed, "steelyard/draws/1", self._label, self._block)
            self._words = [int.from_bytes(block[i : i + 8], "big") for i in range(0, 32, 8)]
            self._block += 1
        return self._words.pop(0)
