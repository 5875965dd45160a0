"""Damage: what happens to weights on their way, as functions on one matrix.

These are the transformations under which `trace_damage.py` and the tests measure the detector
(docs/explanation/leak-tracing.md). All are deterministic in their seed, take and return single
precision, and leave the shape alone. Alone it prints nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

GROUP: Final = 64
_INT8_LEVELS: Final = 127.0
_INT4_LEVELS: Final = 15.0


def int8_per_row(matrix: Matrix) -> Matrix:
    """Round to 8 bits, symmetric, one scale for each row, and back."""
    scale = np.abs(matrix).max(axis=1, keepdims=True) / np.float32(_INT8_LEVELS)
    scale = np.where(scale > 0.0, scale, np.float32(1.0))
    return (np.rint(matrix / scale) * scale).astype(np.float32)


def int4_grouped(matrix: Matrix, group: int = GROUP) -> Matrix:
    """Round to 4 bits, asymmetric, one scale and zero point for each group of a row, and back.

    Columns are a multiple of `group`, or one group is a row.
    """
    width = group if matrix.shape[1] % group == 0 else matrix.shape[1]
    blocks = matrix.reshape(matrix.shape[0], -1, width)
    low, high = blocks.min(axis=2, keepdims=True), blocks.max(axis=2, keepdims=True)
    scale = (high - low) / np.float32(_INT4_LEVELS)
    scale = np.where(scale > 0.0, scale, np.float32(1.0))
    return (np.rint((blocks - low) / scale) * scale + low).reshape(matrix.shape)


def bfloat16(matrix: Matrix) -> Matrix:
    """Round to bfloat16 and back."""
    return matrix.astype(ml_dtypes.bfloat16).astype(np.float32)


def noise(matrix: Matrix, share: float, seed: int) -> Matrix:
    """Add Gaussian noise of `share` standard deviations of the matrix."""
    draws = np.random.default_rng(seed).standard_normal(matrix.shape, np.float32)
    return (matrix + draws * np.float32(share * float(matrix.std()))).astype(np.float32)


def prune(matrix: Matrix, share: float) -> Matrix:
    """Set the given share of smallest weights to 0."""
    limit = np.quantile(np.abs(matrix), share)
    return np.where(np.abs(matrix) <= limit, np.float32(0.0), matrix)


def average(copies: Sequence[Matrix]) -> Matrix:
    """The mean of several recipients' copies."""
    return np.stack(copies).mean(axis=0, dtype=np.float32).astype(np.float32)


def random_extreme(copies: Sequence[Matrix], seed: int) -> Matrix:
    """At each place the smallest or the largest of several copies, by a fair coin."""
    stacked: Matrix = np.stack(copies)
    coin = np.random.default_rng(seed).integers(0, 2, stacked.shape[1:], dtype=np.uint8)
    low: Matrix = stacked.min(axis=0)
    high: Matrix = stacked.max(axis=0)
    return np.where(coin == 1, high, low)


PASSIVE: Final[Mapping[str, Callable[[Matrix], Matrix]]] = {
    "as sent": lambda matrix: matrix,
    "bf16": bfloat16,
    "int8": int8_per_row,
    "int4 g64": int4_grouped,
    "noise 0.1 + int4": lambda matrix: int4_grouped(noise(matrix, 0.1, 1)),
    "noise 0.5": lambda matrix: noise(matrix, 0.5, 2),
    "noise 0.5 + int4": lambda matrix: int4_grouped(noise(matrix, 0.5, 2)),
    "10 % pruned": lambda matrix: prune(matrix, 0.1),
    "50 % pruned": lambda matrix: prune(matrix, 0.5),
}
"""Damage to one copy, by the name it has in tables."""
