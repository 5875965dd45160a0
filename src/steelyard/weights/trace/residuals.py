"""Residuals: what of a suspect can carry a mark, tensor by tensor.

Decides which tensor of the suspect stands for which carrier, and the weighted, clipped residual
that chips are correlated with (spec/trace-mark.md, section Statistic). Without the source the
suspect's own weights are the residual. No key is looked at here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from steelyard.kernel.errors import BrokenSeal
from steelyard.weights.trace.alignment import Aligned, align, cosine
from steelyard.weights.trace.carriers import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from steelyard.weights.trace.carriers import Carrier
    from steelyard.weights.trace.tensor_files import Model, StoredTensor

_CLIP_MEDIANS: Final = 3.0
_MEDIAN_SAMPLE: Final = 1 << 18
_FINGERPRINT: Final = 1 << 12
_LIKE: Final = 0.5
_MATRIX_RANK: Final = 2


@dataclass(frozen=True, slots=True)
class Residual:
    """One carrier's part of the evidence.

    Attributes:
        carrier: The carrier.
        values: Weighted and clipped, flat and row by row as in the source.
        power: Sum of squares of `values`.
        reach: Sum of sizes of `values`: the correlation of a perfect fit.
        visible: Squared z that an intact mark would add under this much damage.
        note: What had to be undone, or why nothing was found.
        found: Share of the carrier's elements that were found.
    """

    carrier: Carrier
    values: NDArray[np.float32]
    power: float
    reach: float
    visible: float
    note: str
    found: float


class Comparison:
    """A suspect against its source, or alone."""

    def __init__(self, suspect: Model, source: Model | None, carriers: tuple[Carrier, ...]) -> None:
        self._suspect = suspect
        self._source = source
        self._carriers = carriers
        self._taken: set[str] = set()
        self._samples: dict[str, NDArray[np.float32]] = {}
        for carrier in carriers:
            self._require_source_of(carrier)

    def _require_source_of(self, carrier: Carrier) -> None:
        if self._source is None:
            return
        tensor = self._source.tensors.get(carrier.name)
        if tensor is None or tensor.shape != (carrier.rows, carrier.columns):
            message = f"has no tensor {carrier.name[:80]!r} as committed to"
            raise BrokenSeal(message, where=str(self._source.root))

    def residuals(self) -> Iterator[Residual]:
        """The residual of each carrier, in the order of the layout; one in memory at a time."""
        self._taken.clear()
        for carrier in self._carriers:
            aligned, note = self._aligned(carrier)
            if aligned is None:
                yield Residual(carrier, np.zeros(0, np.float32), 0.0, 0.0, 0.0, note, 0.0)
            else:
                yield _weighted(carrier, aligned, note)

    def _aligned(self, carrier: Carrier) -> tuple[Aligned | None, str]:
        if self._source is None:
            return self._alone(carrier)
        source = self._source.tensors[carrier.name].matrix()
        name, why = self._name_of(carrier)
        if name is not None:
            aligned = self._align(source, name)
            if aligned is not None:
                return aligned, "; ".join(aligned.undone)
            why = "has nothing in common with the source"
        other = self._search(carrier, source, name)
        if other is None:
            return None, why
        aligned = self._align(source, other)
        if aligned is None:
            return None, why
        return aligned, "; ".join((f"found as {other}", *aligned.undone))

    def _alone(self, carrier: Carrier) -> tuple[Aligned | None, str]:
        name, why = self._name_of(carrier)
        if name is None:
            return None, why
        matrix = self._suspect.tensors[name].matrix()
        if matrix.shape != (carrier.rows, carrier.columns):
            return None, "has another shape"
        values = _finite(matrix)
        if not values.any():
            return None, "holds no number but 0"
        return Aligned(values, (), 1.0), ""

    def _name_of(self, carrier: Carrier) -> tuple[str | None, str]:
        """The suspect's tensor of the carrier's name, with a prefix more or less if need be."""
        tensors = self._suspect.tensors
        name = carrier.name
        if name not in tensors:
            akin = [n for n in tensors if n.endswith(f".{name}") or name.endswith(f".{n}")]
            if len(akin) != 1:
                return None, "is missing"
            (name,) = akin
        if not tensors[name].is_readable:
            return None, f"has unreadable elements of type {tensors[name].info.dtype}"
        if len(tensors[name].shape) != _MATRIX_RANK:
            return None, "is no matrix"
        if 0 in tensors[name].shape:
            return None, "has no element"
        return name, ""

    def _align(self, source: NDArray[np.float32], name: str) -> Aligned | None:
        return align(source, _finite(self._suspect.tensors[name].matrix()))

    def _search(
        self, carrier: Carrier, source: NDArray[np.float32], tried: str | None
    ) -> str | None:
        """A tensor of another name with the carrier's content, by a sample of its elements."""
        wanted = _sample(source.ravel())
        for name, tensor in self._suspect.tensors.items():
            if name == tried or name in self._taken or not _comparable(tensor, carrier):
                continue
            if name not in self._samples:
                self._samples[name] = _finite(_sample(tensor.read()).astype(np.float32))
            if cosine(wanted[None, :], self._samples[name][None, :]) >= _LIKE:
                self._taken.add(name)
                return name
        return None


def _comparable(tensor: StoredTensor, carrier: Carrier) -> bool:
    return tensor.is_readable and tensor.shape == (carrier.rows, carrier.columns)


def _sample(flat: NDArray[Any]) -> NDArray[Any]:
    return flat[:: max(1, flat.size // _FINGERPRINT)][:_FINGERPRINT]


def _finite(values: NDArray[Any]) -> NDArray[np.float32]:
    """NaN and infinities of a damaged suspect as 0, which says nothing about anybody."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(values), values, np.float32(0.0)).astype(np.float32)


def _weighted(carrier: Carrier, aligned: Aligned, note: str) -> Residual:
    """Clip at three medians of the nonzero sizes; weight by step over mean square.

    The weight is that of the likelihood ratio of two Gaussian residuals whose means differ by
    the step: a tensor that was changed much counts for little.
    """
    flat = aligned.residual.ravel()
    limit = _CLIP_MEDIANS * _median_size(flat)
    clipped = np.clip(flat, -limit, limit)
    power = _energy(clipped) / max(1.0, flat.size * aligned.found)
    if power <= 0.0 or carrier.step <= 0.0:
        visible = flat.size * aligned.found if carrier.step > 0.0 else 0.0
        nothing = np.zeros(0, np.float32)
        return Residual(carrier, nothing, 0.0, 0.0, visible, note, aligned.found)
    weight = carrier.step / power
    values = clipped * np.float32(weight)
    return Residual(
        carrier,
        values,
        _energy(values),
        float(np.abs(values).sum(dtype=np.float64)),
        flat.size * aligned.found * min(1.0, carrier.step**2 / power),
        note,
        aligned.found,
    )


def _energy(flat: NDArray[np.float32]) -> float:
    """Sum of squares; runs are summed in double precision."""
    parts = (flat[start : start + count] for start, count in chunks(flat.size))
    return math.fsum(float(np.vdot(part, part)) for part in parts)


def _median_size(flat: NDArray[np.float32]) -> float:
    sample = np.abs(flat[:: max(1, flat.size // _MEDIAN_SAMPLE)])
    nonzero = sample[sample > 0.0]
    return float(np.median(nonzero)) if nonzero.size else float(np.abs(flat).max(initial=0.0))
