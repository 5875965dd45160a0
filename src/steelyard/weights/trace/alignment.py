"""Alignment: what of a suspect's matrix is left when the source's matrix is taken away.

Decides where each row and column of the source lies in the suspect, and undoes what leaves a
network's function alone: other names, transposition, permuted and rescaled rows and columns, a
rotation of one side (spec/trace-mark.md, section Alignment). It looks at source and suspect,
never at a key, so the detector's false-positive bound holds whatever is done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

_LIKE: Final = 0.5
"""Cosine from which two rows, columns or tensors are the same one, damaged."""
_ROTATED_LIKE: Final = 0.9
_TYPICAL: Final = 0.9
_OUTLYING: Final = 4.0
"""In 0.9-quantiles of a row's sizes: 6.6 standard deviations of a Gaussian row."""
_LARGEST_ROTATION: Final = 4096
_WHOLE: Final = 0.98
_MATCHED: Final = 0.5
_PROBE: Final = 1024
_ROWS_AT_ONCE: Final = 256
_LARGEST: Final = 1e12
"""No weight is larger; squares of larger ones would leave single precision."""
_EXPLAINED: Final = 0.8
_MOST: Final = 0.9
_SAMPLE: Final = 1 << 18
_SCALE_ROUNDS: Final = 4
_LEAST_SCALE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Aligned:
    """A suspect's matrix in the source's rows and columns.

    Attributes:
        residual: Suspect minus source; 0 where a row or column of the source was not found.
        undone: What was undone, for people; empty where nothing had to be.
        found: Share of the source's elements that were found.
    """

    residual: Matrix
    undone: tuple[str, ...]
    found: float


def align(source: Matrix, suspect: Matrix) -> Aligned | None:
    """Find the source's rows and columns in a suspect, which may lack some of them.

    Returns:
        None where the two have nothing in common that could be undone.
    """
    suspect = np.clip(suspect, -_LARGEST, _LARGEST)
    if _is_transposed(source, suspect):
        suspect, turned = np.ascontiguousarray(suspect.T), ("transposed",)
    else:
        turned = ()
    whole = _aligned(source, suspect)
    if whole is None or whole.found < _WHOLE:
        # A few huge weights hide all others from a cosine; real weights have some, so they are
        # taken away only where nothing was found with them.
        tame = _aligned(source, _without_outliers(suspect))
        if tame is not None and (whole is None or tame.found > whole.found):
            whole = tame
    return whole and Aligned(whole.residual, (*turned, *whole.undone), whole.found)


def _aligned(source: Matrix, suspect: Matrix) -> Aligned | None:
    placed = _placed(source, suspect)
    if placed is None:
        return None
    suspect, keep, undone = placed
    unscaled = _unscaled(source, suspect)
    if _is_closer(source, suspect, unscaled, keep):
        suspect = unscaled
        undone = [*undone, "rescaled rows or columns"]
    residual = np.where(keep, suspect - source, np.float32(0.0))
    return Aligned(residual, tuple(undone), float(keep.mean()))


def _without_outliers(matrix: Matrix) -> Matrix:
    """Clip each row where a Gaussian one never is: a few huge weights would hide all others."""
    sizes = np.abs(matrix)
    rank = int(_TYPICAL * (matrix.shape[1] - 1))
    typical = np.partition(sizes, rank, axis=1)[:, rank, None]
    limit = np.where(typical > 0.0, _OUTLYING * typical, sizes.max(axis=1, keepdims=True))
    return np.clip(matrix, -limit, limit).astype(np.float32)


def _is_transposed(source: Matrix, suspect: Matrix) -> bool:
    if suspect.shape != source.shape:
        return suspect.T.shape == source.shape
    is_square = source.shape[0] == source.shape[1]
    return is_square and cosine(source, suspect) < _LIKE <= cosine(source, suspect.T)


def cosine(left: Matrix, right: Matrix) -> float:
    """Cosine of two matrices of one shape, taken as vectors; 0 where either is 0."""
    norms = float(np.linalg.norm(left)) * float(np.linalg.norm(right))
    return float(np.vdot(left, right)) / norms if norms else 0.0


def _placed(source: Matrix, suspect: Matrix) -> tuple[Matrix, NDArray[np.bool_], list[str]] | None:
    """The suspect with rows and columns where the source has them, and which were found."""
    every = np.ones(source.shape, bool)
    same = [ours == theirs for ours, theirs in zip(source.shape, suspect.shape, strict=True)]
    if all(same) and _like_rows(source, suspect).mean() >= _WHOLE:
        return suspect, every, []
    if same[1]:
        rows = _matched_rows(source, suspect)
        if rows.share >= _MATCHED:
            return suspect[rows.index], every & rows.found[:, None], rows.undone("rows")
    if same[0]:
        columns = _matched_rows(source.T, suspect.T)
        if columns.share >= _MATCHED:
            keep = every & columns.found[None, :]
            return suspect[:, columns.index], keep, columns.undone("columns")
    if not all(same):
        return None
    both = _matched_both(source, suspect)
    if both is not None:
        return both, every, ["permuted rows and columns"]
    return _rotated(source, suspect, every)


@dataclass(frozen=True, slots=True)
class _Match:
    """For each row of the source its row in the suspect, and whether it was found."""

    index: NDArray[np.intp]
    found: NDArray[np.bool_]
    offered: int

    @property
    def share(self) -> float:
        """Share of the suspect's rows that are rows of the source."""
        return float(self.found.sum()) / self.offered

    def undone(self, what: str) -> list[str]:
        """What of rows or columns had to be undone, for people."""
        if (self.index != np.arange(self.index.size))[self.found].any():
            return [f"permuted {what}"]
        return [] if self.found.all() else [f"missing {what}"]


def _unit_rows(matrix: Matrix) -> Matrix:
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    safe = np.where(norms > 0.0, norms, 1.0).astype(np.float32)
    return matrix / safe


def _like_rows(source: Matrix, suspect: Matrix) -> NDArray[np.bool_]:
    cosines = np.einsum("rc,rc->r", _unit_rows(source), _unit_rows(suspect))
    return np.abs(cosines) >= _LIKE


def _matched_rows(source: Matrix, suspect: Matrix) -> _Match:
    """Each row of the source with the row of the suspect most like it, each used once."""
    stride = max(1, source.shape[1] // _PROBE)
    left, right = _unit_rows(source[:, ::stride]), _unit_rows(suspect[:, ::stride])
    index, best = _largest(left, lambda rows: np.abs(rows @ right.T))
    order = np.argsort(-best, kind="stable")
    first = np.zeros(index.size, bool)
    first[order[np.unique(index[order], return_index=True)[1]]] = True
    return _Match(index, first & (best >= _LIKE), suspect.shape[0])


def _matched_both(source: Matrix, suspect: Matrix) -> Matrix | None:
    """Undo a permutation of rows and one of columns: rows by their sorted sizes first."""
    rows = _nearest(np.sort(np.abs(source), axis=1), np.sort(np.abs(suspect), axis=1))
    guess = suspect[rows]
    columns = _matched_rows(source.T, guess.T)
    if columns.share < _MATCHED:
        return None
    moved = suspect[:, columns.index]
    final = _matched_rows(source, moved)
    placed = moved[final.index]
    return placed if _like_rows(source, placed).mean() >= _WHOLE else None


def _nearest(wanted: Matrix, offered: Matrix) -> NDArray[np.intp]:
    """For each row of `wanted` the nearest row of `offered`, after taking common shape away."""
    mean = wanted.mean(axis=0)
    left, right = wanted - mean, offered - mean
    power = (right * right).sum(axis=1)[None, :]
    return _largest(left, lambda rows: 2.0 * (rows @ right.T) - power)[0]


def _largest(
    left: Matrix, compared: Callable[[Matrix], Matrix]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Where each row of `left` compares largest, and how large: some rows at a time.

    All pairs of rows at once would be 90 GB for an embedding of 150,000 words.
    """
    index = np.zeros(left.shape[0], np.intp)
    best = np.zeros(left.shape[0], np.float32)
    for start in range(0, left.shape[0], _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        found = compared(left[part])
        index[part] = found.argmax(axis=1)
        best[part] = np.take_along_axis(found, index[part, None], axis=1)[:, 0]
    return index, best


def _rotated(
    source: Matrix, suspect: Matrix, every: NDArray[np.bool_]
) -> tuple[Matrix, NDArray[np.bool_], list[str]] | None:
    """Undo a rotation of the rows' or of the columns' space (orthogonal Procrustes problem)."""
    best: tuple[float, Matrix] | None = None
    for left, right, is_turned in ((source, suspect, False), (source.T, suspect.T, True)):
        if left.shape[1] > min(_LARGEST_ROTATION, 2 * left.shape[0]):
            continue
        u, _, v = np.linalg.svd(left.T @ right)
        back = right @ (u @ v).T
        like = cosine(left, back)
        if like >= _ROTATED_LIKE and (best is None or like > best[0]):
            best = like, back.T if is_turned else back
    return (best[1], every, ["rotated"]) if best else None


def _scales(source: Matrix, suspect: Matrix) -> Matrix:
    """For each row the factor by which the suspect's is longer, by least squares."""
    power = np.einsum("rc,rc->r", source, source)
    shared = np.einsum("rc,rc->r", source, suspect)
    factors = np.where(power > 0.0, shared / np.where(power > 0.0, power, 1.0), 1.0)
    usable = np.abs(factors) >= _LEAST_SCALE
    return np.where(usable, factors, 1.0).astype(np.float32)


def _is_closer(source: Matrix, suspect: Matrix, unscaled: Matrix, keep: NDArray[np.bool_]) -> bool:
    """Whether rescaling explains a good part of most differences; of noise alone it does not."""
    stride = max(1, source.size // _SAMPLE)
    chosen = keep.ravel()[::stride]
    before, after = (
        np.abs(each - source).ravel()[::stride][chosen] for each in (suspect, unscaled)
    )
    return float(np.quantile(after, _MOST)) < _EXPLAINED * float(np.quantile(before, _MOST))


def _unscaled(source: Matrix, suspect: Matrix) -> Matrix:
    """Undo factors of rows and of columns in turns, first of the side that explains more."""
    by_rows = cosine(source, suspect / _scales(source, suspect)[:, None])
    by_columns = cosine(source, suspect / _scales(source.T, suspect.T)[None, :])
    if by_columns > by_rows:
        return _unscaled_rows_first(source.T, suspect.T).T
    return _unscaled_rows_first(source, suspect)


def _unscaled_rows_first(source: Matrix, suspect: Matrix) -> Matrix:
    for _ in range(_SCALE_ROUNDS):
        suspect = suspect / _scales(source, suspect)[:, None]
        suspect = suspect / _scales(source.T, suspect.T)[None, :]
    return suspect
