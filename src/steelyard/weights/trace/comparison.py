"""What marking, rounding or anything else did to weights, in numbers, without running a model.

Decides the change of every tensor between two models of one architecture. What a change does to
answers is measured in `bench/trace_damage.py`; here nothing is run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard.kernel.errors import CannotVerify
from steelyard.weights.trace.carriers import chunks

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject
    from steelyard.weights.trace.tensor_files import Model, StoredTensor


@dataclass(frozen=True, slots=True)
class TensorChange:
    """One tensor before and after.

    Attributes:
        name: Its name in both.
        elements: Its number of weights.
        changed: How many differ.
        relative: Norm of the difference over norm of the tensor before; 0 where both are 0.
        largest: Largest difference of a weight.
        power: Sum of squares before.
        distance: Sum of squares of the difference.
    """

    name: str
    elements: int
    changed: int
    relative: float
    largest: float
    power: float
    distance: float

    def to_json(self) -> JsonObject:
        """A row of the document."""
        return {
            "name": self.name,
            "elements": self.elements,
            "changed": self.changed,
            "relative": self.relative,
            "largest": self.largest,
        }


def compare_models(before: Model, after: Model) -> tuple[TensorChange, ...]:
    """The change of every tensor, in the order of names.

    Raises:
        CannotVerify: other tensors or shapes, or elements that cannot be read as numbers.
    """
    if before.tensors.keys() != after.tensors.keys():
        odd = min(before.tensors.keys() ^ after.tensors.keys())
        raise CannotVerify("is in one of the two models only", where=odd[:80])
    return tuple(
        _change(before.tensors[name], after.tensors[name]) for name in sorted(before.tensors)
    )


def overall(changes: tuple[TensorChange, ...]) -> float:
    """Norm of all differences over norm of all weights before."""
    return _ratio(
        math.fsum(change.distance for change in changes),
        math.fsum(change.power for change in changes),
    )


def _change(before: StoredTensor, after: StoredTensor) -> TensorChange:
    if before.shape != after.shape:
        message = f"has shape {list(before.shape)} before and {list(after.shape)} after"
        raise CannotVerify(message, where=before.name[:80])
    if before.info.dtype == after.info.dtype and not before.is_readable:
        return _opaque(before, after)
    for each in (before, after):
        if not each.is_readable:
            message = f"elements of type {each.info.dtype} cannot be compared with another type"
            raise CannotVerify(message, where=before.name[:80])
    changed, largest, power, distance = 0, 0.0, 0.0, 0.0
    for start, count in chunks(before.info.parameters):
        ours, theirs = (each.read(start, count).astype(np.float64) for each in (before, after))
        apart: Any = theirs - ours
        changed += int(np.count_nonzero(apart))
        largest = max(largest, float(np.abs(apart).max(initial=0.0)))
        power += float(ours @ ours)
        distance += float(apart @ apart)
    if not math.isfinite(power + distance):
        raise CannotVerify("holds NaN or an infinity", where=before.name[:80])
    relative = _ratio(distance, power)
    return TensorChange(
        before.name, before.info.parameters, changed, relative, largest, power, distance
    )


def _opaque(before: StoredTensor, after: StoredTensor) -> TensorChange:
    """Integers and packed types: equal, or not to be measured."""
    for start, count in chunks(before.info.size_bytes):
        kind = np.dtype(np.uint8)
        if (
            before.read_as(kind, start, count).tobytes()
            != after.read_as(kind, start, count).tobytes()
        ):
            message = f"elements of type {before.info.dtype} differ, and are no numbers here"
            raise CannotVerify(message, where=before.name[:80])
    return TensorChange(before.name, before.info.parameters, 0, 0.0, 0.0, 0.0, 0.0)


def _ratio(distance: float, power: float) -> float:
    if power <= 0.0:
        return 0.0 if distance <= 0.0 else 1.0
    return math.sqrt(distance / power)
