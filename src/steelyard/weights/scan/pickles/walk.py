"""Every pickle of a file, one behind the other, and what stands behind them.

Decides where a loader would stop reading: after one pickle, after several, or, in the legacy
format of torch, after five and the raw storages that the fourth names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.pickles.machine import Machine
from steelyard.weights.scan.pickles.opcodes import OpcodesSpent
from steelyard.weights.scan.pickles.values import (
    UNKNOWN,
    Arrays,
    Constant,
    Fault,
    Name,
    Storage,
    Value,
)
from steelyard.weights.scan.source import Cursor, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.weights.scan.part import Allowance

_PICKLE_LIMIT: Final = 1000
_TORCH_MAGIC: Final = 0x1950A86A20F9469CFC6C
_TORCH_PICKLES: Final = 5
_TORCH_OBJECT: Final = 3
_COUNT_BYTES: Final = 8
STORAGE_BYTES: Final[Mapping[str, int]] = {
    "ByteStorage": 1, "CharStorage": 1, "BoolStorage": 1, "UntypedStorage": 1,
    "QInt8Storage": 1, "QUInt8Storage": 1, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1,
    "ShortStorage": 2, "HalfStorage": 2, "BFloat16Storage": 2,
    "IntStorage": 4, "FloatStorage": 4, "QInt32Storage": 4,
    "LongStorage": 8, "DoubleStorage": 8, "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16,
}  # fmt: skip
"""Bytes of one element of a storage, by the name of its class."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One pickle, followed as far as it goes.

    Attributes:
        value: What it builds; `UNKNOWN` where it breaks.
        faults: What an honest checkpoint has no use for.
        names: Everything it imports.
        storages: Storages that it refers to.
        tensors: How many tensors it rebuilds.
        last_call: Position of the last call; -1 where there is none.
        first_array: Where the first array begins that joblib wrote in; -1 where there is none.
        opcodes: Number of opcodes.
        end: Position behind the last opcode that was read.
        broken: Why it stops before STOP; empty where it does not.
        exhausted: Whether it was given up, so that nothing is known of its rest.
    """

    value: Value
    faults: tuple[Fault, ...]
    names: tuple[Name, ...]
    storages: tuple[Storage, ...]
    tensors: int
    last_call: int
    first_array: int
    opcodes: int
    end: int
    broken: str
    exhausted: bool

    @property
    def does_nothing(self) -> bool:
        """Whether it breaks before it imports or calls anything."""
        asks = self.names or self.last_call >= 0 or self.exhausted
        return bool(self.broken) and not asks


def follow(source: Source, position: int, allowance: Allowance, arrays: Arrays = "padded") -> Walk:
    """Follow the pickle that starts at `position`; never raises for what it contains."""
    cursor = Cursor(source, position)
    machine = Machine(cursor, arrays)
    value: Value = UNKNOWN
    broken, exhausted = "", False
    try:
        value = machine.run(allowance.opcodes)
    except OpcodesSpent:
        # Of these, other pickles of the file may have had their part.
        broken, exhausted = f"more than {allowance.opcode_limit} opcodes", True
    except MalformedEvidence as error:
        broken = error.message
    allowance.opcodes = max(0, allowance.opcodes - machine.opcodes)
    return Walk(
        value, tuple(machine.faults), tuple(machine.names), tuple(machine.storages.values()),
        machine.tensors, machine.last_call, machine.first_array, machine.opcodes,
        cursor.position, broken, exhausted,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pickles:
    """All pickles of a file.

    Attributes:
        walks: In their order; at least one.
        legacy: Whether they are torch's legacy format.
        end: Where what they account for ends; for the legacy format, behind the storages.
        given_up: Whether more may follow that nobody looked at.
    """

    walks: tuple[Walk, ...]
    legacy: bool
    end: int
    given_up: bool

    @property
    def value(self) -> Value:
        """The object that a loader returns."""
        index = _TORCH_OBJECT if self.legacy and len(self.walks) > _TORCH_OBJECT else 0
        return self.walks[index].value


def follow_all(source: Source, allowance: Allowance, arrays: Arrays = "padded") -> Pickles:
    """Follow a file's pickles, each from where the one before it stopped."""
    walks = [follow(source, 0, allowance, arrays)]
    legacy = _is_legacy(walks[0])
    limit = _TORCH_PICKLES if legacy else _PICKLE_LIMIT
    while _goes_on(walks, source.size) and len(walks) < limit:
        following = follow(source, walks[-1].end, allowance, arrays)
        if following.does_nothing and not legacy:
            break
        walks.append(following)
    end = walks[-1].end
    if legacy and len(walks) == _TORCH_PICKLES:
        end += sum(map(_legacy_bytes, walks[_TORCH_OBJECT].storages))
    many = len(walks) == _PICKLE_LIMIT and _goes_on(walks, source.size)
    return Pickles(tuple(walks), legacy, end, many)


def _goes_on(walks: list[Walk], size: int) -> bool:
    return not walks[-1].broken and walks[-1].end < size


def _is_legacy(first: Walk) -> bool:
    return isinstance(first.value, Constant) and first.value.value == _TORCH_MAGIC


def _legacy_bytes(storage: Storage) -> int:
    return _COUNT_BYTES + storage.elements * STORAGE_BYTES.get(storage.type_name, 0)
