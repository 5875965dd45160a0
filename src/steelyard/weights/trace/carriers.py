"""Carriers: which weights take a mark, and how large a step each tensor can bear.

Decides the rule that a commitment states (spec/trace-mark.md, section Carriers) and the step of
a tensor, alpha times the standard deviation of its elements. Tensors whose mark anybody could round
away are no carriers. What is done with the step is decided in `marking`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import ml_dtypes
import numpy as np

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.kernel import JsonObject
    from steelyard.weights.tensors import TensorInfo
    from steelyard.weights.trace.tensor_files import Model, StoredTensor

CHUNK_ELEMENTS: Final = 1 << 20
"""Elements worked on at once: a multiple of the chips of one cipher block."""
EMBEDDINGS: Final = ("embed", "lm_head", "shared.weight", "wpe", "wte")
EXCLUDED: Final = ("bias", "ln_", "norm", "router")
MARKED_TYPES: Final = ("BF16", "F16", "F32")
_LEAST_EXTENT: Final = 16
_MATRIX_RANK: Final = 2
_STEP_BITS: Final = 12
_LATTICE_SHARE: Final = 0.99
_LATTICES: Final = (np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16))


@dataclass(frozen=True, slots=True)
class CarrierRule:
    """Which tensors are carriers: matrices of these types whose names contain none of these.

    Attributes:
        dtypes: Element types, as safetensors names them.
        exclude: Parts of names, in lower case, that keep a tensor unmarked.
        least_extent: Rows and columns that a carrier has at least.
    """

    dtypes: tuple[str, ...] = MARKED_TYPES
    exclude: tuple[str, ...] = (*EMBEDDINGS, *EXCLUDED)
    least_extent: int = _LEAST_EXTENT

    def selects(self, info: TensorInfo) -> bool:
        """Whether a tensor takes a mark."""
        name = info.name.lower()
        return (
            info.dtype in self.dtypes
            and len(info.shape) == _MATRIX_RANK
            and min(info.shape) >= self.least_extent
            and not any(part in name for part in self.exclude)
        )

    def to_json(self) -> JsonObject:
        """The rule as a commitment states it."""
        return {
            "dtypes": list(self.dtypes),
            "exclude": list(self.exclude),
            "least_extent": self.least_extent,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> CarrierRule:
        """The rule of a document that was held against its schema."""
        dtypes, exclude = (cast("list[str]", value[key]) for key in ("dtypes", "exclude"))
        return cls(tuple(dtypes), tuple(exclude), cast("int", value["least_extent"]))


@dataclass(frozen=True, slots=True)
class Carrier:
    """One marked tensor.

    Attributes:
        name: Name of the tensor in the source.
        rows: Rows there.
        columns: Columns there.
        step: What the mark adds to or takes from each element; exact in single precision.
    """

    name: str
    rows: int
    columns: int
    step: float

    @property
    def elements(self) -> int:
        """How many weights it has."""
        return self.rows * self.columns

    def to_json(self) -> JsonObject:
        """A row of a layout."""
        return {
            "name": self.name, "rows": self.rows, "columns": self.columns, "step": self.step,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: JsonObject) -> Carrier:
        """A row of a layout that was held against its schema."""
        rows, columns = (cast("int", value[key]) for key in ("rows", "columns"))
        return cls(str(value["name"]), rows, columns, cast("float", value["step"]))


def find_carriers(model: Model, rule: CarrierRule, alpha: float) -> tuple[Carrier, ...]:
    """The carriers of a source with their steps, in the order of names.

    F32 tensors of BF16 or F16 numbers are passed over: rounding would give back the source.

    Raises:
        ConfigurationError: no tensor is a carrier, or more is passed over than carries.
        MalformedEvidence: a carrier holds NaN or an infinity.
    """
    chosen = sorted(name for name, each in model.tensors.items() if rule.selects(each.info))
    if not chosen:
        message = "no tensor can carry a mark: need matrices of BF16, F16 or F32"
        hint = "quantized weights cannot be marked; mark them before they are quantized"
        raise ConfigurationError(message, where=str(model.root), hint=hint)
    found = {name: _carrier(model.tensors[name], alpha) for name in chosen}
    carriers = tuple(carrier for carrier in found.values() if carrier is not None)
    passed = sum(model.tensors[n].info.parameters for n, each in found.items() if each is None)
    if passed > sum(carrier.elements for carrier in carriers):
        message = f"{passed} weights are BF16 or F16 numbers stored as F32: rounding unmarks them"
        hint = "store the source in the type that its numbers have"
        raise ConfigurationError(message, where=str(model.root), hint=hint)
    return carriers


def chunks(elements: int) -> Iterator[tuple[int, int]]:
    """Start and length of the runs in which a tensor is worked on."""
    for start in range(0, elements, CHUNK_ELEMENTS):
        yield start, min(CHUNK_ELEMENTS, elements - start)


def _carrier(tensor: StoredTensor, alpha: float) -> Carrier | None:
    """The carrier and its step, or None where its elements lie on a coarser lattice."""
    sums: list[float] = []
    squares: list[float] = []
    near_mean = 0.0
    on_lattice = [0] * len(_LATTICES)
    for start, count in chunks(tensor.info.parameters):
        values = tensor.read(start, count)
        wide = values.astype(np.float64)
        if not np.isfinite(wide).all():
            message = f"tensor {tensor.name[:80]!r} holds NaN or an infinity"
            raise MalformedEvidence(message, where=str(tensor.file.entry.path))
        # Around a number near the mean: squares of a mean far off 0 would hide the deviation.
        near_mean = near_mean if sums else float(wide.mean())
        apart = wide - near_mean
        sums.append(float(apart.sum()))
        squares.append(float(apart @ apart))
        if tensor.info.dtype == "F32":
            for index, kind in enumerate(_LATTICES):
                with np.errstate(over="ignore"):
                    near = values.astype(kind)
                on_lattice[index] += int(np.count_nonzero(near == values))
    if max(on_lattice) >= _LATTICE_SHARE * tensor.info.parameters:
        return None
    mean = math.fsum(sums) / tensor.info.parameters
    variance = max(0.0, math.fsum(squares) / tensor.info.parameters - mean * mean)
    rows, columns = tensor.shape
    return Carrier(tensor.name, rows, columns, _short(alpha * math.sqrt(variance)))


def _short(step: float) -> float:
    """Rounded to 12 significant bits, so that no order of summing changes it."""
    mantissa, exponent = math.frexp(step)
    return math.ldexp(float(round(math.ldexp(mantissa, _STEP_BITS))), exponent - _STEP_BITS)
