"""The header of a safetensors file: what it may say, and nothing it may not.

Decides whether a header describes its file exactly: every tensor inside the data, none
overlapping, no byte unclaimed (safetensors format, 0.8; stricter where its reader is lenient).
Works on bytes that it is given, so the same rules hold for a file, a sealed header and a fuzzer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Final, Protocol, cast

from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LENGTH_BYTES: Final = 8
"""A header starts with its own length, an unsigned little-endian integer of this size."""
HEADER_LIMIT_BYTES: Final = 100_000_000
"""The limit of the safetensors library: a longer header is refused unread."""
_RANK_LIMIT: Final = 64
_ENDS: Final = 2
_MOST_BITS: Final = 8 * (2**63 - 1)
_METADATA: Final = "__metadata__"

DTYPE_BITS: Final[Mapping[str, int]] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
"""Bits of one element, by the name that safetensors gives a type."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a header.

    Attributes:
        name: As in the header.
        dtype: A key of `DTYPE_BITS`.
        shape: Extent of each axis; empty for a scalar.
        start: First byte, counted from the end of the header.
        stop: The byte after the last.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor's data."""
        return self.stop - self.start

    @property
    def parameters(self) -> int:
        """Number of elements."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """A whole header that was found in order.

    Attributes:
        tensors: In the order of their data.
        metadata: The free text under `__metadata__`.
        header_bytes: Length of the header with its length field: where the data starts.
        data_bytes: Length of the data.
    """

    tensors: tuple[TensorInfo, ...]
    metadata: Mapping[str, str]
    header_bytes: int
    data_bytes: int


def header_length(prefix: bytes, *, file_bytes: int, where: str = "") -> int:
    """Length of header and length field together, from the first eight bytes of a file.

    Raises:
        MalformedEvidence: the file is too short for it, or it is over the limit.
    """
    if len(prefix) < LENGTH_BYTES:
        message = f"a safetensors file has at least {LENGTH_BYTES} bytes, found {len(prefix)}"
        raise MalformedEvidence(message, where=where)
    length = int.from_bytes(prefix[:LENGTH_BYTES], "little")
    if length > HEADER_LIMIT_BYTES:
        message = f"the header claims {length} bytes, the limit is {HEADER_LIMIT_BYTES}"
        raise MalformedEvidence(message, where=where)
    if LENGTH_BYTES + length > file_bytes:
        message = f"the header claims {length} bytes, the file has {file_bytes}"
        raise MalformedEvidence(message, where=where)
    return LENGTH_BYTES + length


def parse_header(data: bytes, *, file_bytes: int, where: str = "") -> TensorHeader:
    """Read a header, refusing whatever does not describe the file exactly.

    Args:
        data: At least the first `header_length` bytes of the file.
        file_bytes: Length of the whole file.
        where: Name of the file in messages.

    Raises:
        MalformedEvidence: no strict JSON, an unknown type, a shape that does not give the
            length, tensors that overlap, bytes that no tensor claims, or data cut short.
    """
    end = header_length(data, file_bytes=file_bytes, where=where)
    text = data[LENGTH_BYTES:end]
    if not text.startswith(b"{"):
        raise MalformedEvidence("the header does not start with '{'", where=where)
    fields = parse_json_object(text, where=where)
    metadata = _metadata(fields.pop(_METADATA, {}), where)
    found = [_tensor(name, value, where) for name, value in fields.items()]
    tensors = tuple(sorted(found, key=lambda tensor: (tensor.start, tensor.stop)))
    data_bytes = file_bytes - end
    _require_cover(tensors, data_bytes, where)
    return TensorHeader(tensors, metadata, end, data_bytes)


def _metadata(value: object, where: str) -> Mapping[str, str]:
    entries = cast("dict[str, object]", value) if isinstance(value, dict) else None
    if entries is None or not all(isinstance(text, str) for text in entries.values()):
        raise MalformedEvidence(f"{_METADATA} must map text to text", where=where)
    return cast("dict[str, str]", entries)


def _tensor(name: str, value: object, where: str) -> TensorInfo:
    place = f"{where}: {name[:80]}"
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if fields.keys() != {"dtype", "shape", "data_offsets"}:
        raise MalformedEvidence("a tensor has exactly dtype, shape, data_offsets", where=place)
    dtype = fields["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise MalformedEvidence(f"unknown element type {dtype!r:.40}", where=place)
    shape = _whole_numbers(fields["shape"], "a shape", place)
    offsets = _whole_numbers(fields["data_offsets"], "data_offsets", place)
    bits = prod(shape) * DTYPE_BITS[dtype]
    if prod(max(extent, 1) for extent in shape) * DTYPE_BITS[dtype] > _MOST_BITS:
        raise MalformedEvidence(f"no memory holds shape {shape[:8]}", where=place)
    if len(offsets) != _ENDS or (offsets[1] - offsets[0]) * 8 != bits:
        message = f"{dtype} of shape {shape[:8]} has {bits} bits, offsets are {offsets[:3]}"
        raise MalformedEvidence(message, where=place)
    return TensorInfo(name, dtype, shape, *offsets)


def _whole_numbers(value: object, what: str, where: str) -> tuple[int, ...]:
    entries = cast("list[object]", value) if isinstance(value, list) else [None]
    if len(entries) > _RANK_LIMIT:
        message = f"{what} has at most {_RANK_LIMIT} entries, found {len(entries)}"
        raise MalformedEvidence(message, where=where)
    numbers: list[int] = []
    for entry in entries:
        if not isinstance(entry, int) or isinstance(entry, bool) or entry < 0:
            message = f"{what} lists whole numbers of at least 0, found {entry!r:.40}"
            raise MalformedEvidence(message, where=where)
        numbers.append(entry)
    return tuple(numbers)


def _require_cover(tensors: tuple[TensorInfo, ...], data_bytes: int, where: str) -> None:
    position = 0
    for tensor in tensors:
        if tensor.start != position:
            fault = "overlaps the tensor before it" if tensor.start < position else "leaves a hole"
            message = f"{fault}: starts at {tensor.start}, expected {position}"
            raise MalformedEvidence(message, where=f"{where}: {tensor.name[:80]}")
        position = tensor.stop
    if position != data_bytes:
        message = f"tensors claim {position} bytes of data, the file has {data_bytes}"
        raise MalformedEvidence(message, where=where)


class Elements(Protocol):
    """What any container tells of a tensor."""

    @property
    def dtype(self) -> str:
        """Element type."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each axis."""
        ...


def element_counts(tensors: Iterable[Elements]) -> dict[str, int]:
    """How many parameters each element type holds, most first."""
    counts: dict[str, int] = {}
    for tensor in tensors:
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + prod(tensor.shape)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
