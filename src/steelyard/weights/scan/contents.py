"""Which tensors a file holds and where their bytes lie, whatever contains them.

Knows safetensors, torch's zip, npy, npz and GGUF. Says nothing where a tensor is not one run of
bytes (compressed, strided, big-endian): an inventory then has the file's digest alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from math import prod
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.part import Allowance
from steelyard.weights.scan.pickles import follow
from steelyard.weights.scan.pickles.values import (
    PARAMETER,
    Constant,
    Items,
    Made,
    Storage,
    Table,
    Value,
)
from steelyard.weights.scan.pickles.walk import STORAGE_BYTES
from steelyard.weights.scan.readers.gguf import gguf_header
from steelyard.weights.scan.readers.npy import array_layout
from steelyard.weights.scan.readers.safetensors_file import read_header
from steelyard.weights.scan.readers.zip_records import central_entries, find_end, local_entry
from steelyard.weights.scan.source import Cursor, Slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.weights.scan.formats import Format
    from steelyard.weights.scan.source import Source

_NESTING_LIMIT: Final = 6
_EXTENT_LIMIT: Final = 1 << 53
"""Canonical JSON, of which a digest is taken, has no larger numbers."""
_VISIT_LIMIT: Final = 500_000
"""Of mappings and tensors in one checkpoint: mappings may hold each other many times over."""
_OVERLAP_LIMIT: Final = 16
"""How many times its own length the tensors of a file may have: views share their bytes."""
_TORCH_TYPES: Final[Mapping[str, str]] = {
    "FloatStorage": "F32", "DoubleStorage": "F64", "HalfStorage": "F16",
    "BFloat16Storage": "BF16", "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16",
    "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL", "ComplexFloatStorage": "C64",
}  # fmt: skip
_NUMPY_TYPES: Final[Mapping[str, str]] = {
    "<f2": "F16", "<f4": "F32", "<f8": "F64", "<i2": "I16", "<i4": "I32", "<i8": "I64",
    "<u2": "U16", "<u4": "U32", "<u8": "U64", "|i1": "I8", "|u1": "U8", "|b1": "BOOL",
    "<c8": "C64",
}  # fmt: skip
_GGUF_TYPES: Final[Mapping[int, str]] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
    10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 24: "I8", 25: "I16",
    26: "I32", 27: "I64", 28: "F64", 30: "BF16", 39: "MXFP4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """One tensor of a file.

    Attributes:
        name: As the file calls it.
        dtype: Element type, by the names of safetensors where those have one.
        shape: Extent of each axis, the slowest first.
        start: Position of its first byte in the file.
        stop: The position after the last.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def tensors_of(source: Source, kind: Format) -> tuple[Content, ...] | None:
    """The tensors of a file; None where they cannot be told.

    Raises:
        MalformedEvidence: the file does not follow its format.
        UnsafeArchive: a zip with more members than are read.
    """
    found = _contents(source, kind)
    if found and any(extent >= _EXTENT_LIMIT for tensor in found for extent in tensor.shape):
        return None
    return found


def _contents(source: Source, kind: Format) -> tuple[Content, ...] | None:
    if kind == "safetensors":
        return _safetensors(source)
    if kind == "gguf":
        header = gguf_header(source, Cursor(source))
        start = header.data_start
        return tuple(
            Content(t.name, _GGUF_TYPES.get(t.kind, f"type {t.kind}"), t.shape,
                    start + t.offset, start + t.offset + t.size)
            for t in header.tensors
        )  # fmt: skip
    if kind == "npy":
        return (_array("array", source, 0, source.size),)
    return _zipped(source) if kind == "zip" else None


def _safetensors(source: Source) -> tuple[Content, ...] | None:
    header = read_header(source)
    if header is None:
        return None
    base = header.header_bytes
    return tuple(
        Content(t.name, t.dtype, t.shape, base + t.start, base + t.stop) for t in header.tensors
    )


def _array(name: str, source: Source, offset: int, size: int) -> Content:
    descr, shape, start = array_layout(Slice(source, offset, size))
    dtype = _NUMPY_TYPES.get(descr)
    if dtype is None:
        raise MalformedEvidence(f"element type {descr[:40]!r} is not compared")
    return Content(name, dtype, shape, offset + start, offset + size)


def _zipped(source: Source) -> tuple[Content, ...] | None:
    """Members that are stored plainly: arrays of an npz, or the tensors of a checkpoint."""
    places = _stored_members(source)
    if places is None:
        return None
    pickles = [name for name in places if name.endswith("/data.pkl")]
    if len(pickles) == 1:
        return _checkpoint(source, places, pickles[0].removesuffix("data.pkl"))
    if places and all(name.endswith(".npy") for name in places):
        return tuple(
            _array(name.removesuffix(".npy"), source, *place) for name, place in places.items()
        )
    return None


def _stored_members(source: Source) -> dict[str, tuple[int, int]] | None:
    """Start and length of each member; None where one is packed, stands twice, or is odd."""
    end = find_end(source)
    if end is None or end.directory_bytes > end.position:
        return None
    places: dict[str, tuple[int, int]] = {}
    start = end.position - end.directory_bytes
    for entry in central_entries(source, start, end.directory_bytes):
        local = local_entry(source, entry.offset)
        if local is None or entry.method or local.offset + entry.size > source.size:
            return None
        name = entry.name.decode("utf-8", "replace")
        if name in places:
            return None
        places[name] = local.offset, entry.size
    return places


def _checkpoint(
    source: Source, places: Mapping[str, tuple[int, int]], prefix: str
) -> tuple[Content, ...] | None:
    order = places.get(f"{prefix}byteorder")
    if order is not None and source.read(*order) != b"little":
        return None
    walk = follow(Slice(source, *places[f"{prefix}data.pkl"]), 0, Allowance())
    if walk.broken or walk.faults:
        return None
    found = list(_rebuilt(walk.value, "", 0, count(1)))
    # A tensor in a list, too deep, or behind another of its name would be left out unseen.
    if len({id(made) for _, made in found}) < walk.tensors or len(dict(found)) < len(found):
        return None
    result = [_placed(name, made, places, prefix) for name, made in found]
    whole = [content for content in result if content is not None]
    covered = sum(content.stop - content.start for content in whole)
    told = len(whole) == len(result) and covered <= _OVERLAP_LIMIT * source.size
    return tuple(whole) if told else None


def _rebuilt(
    value: Value, name: str, depth: int, visits: Iterator[int]
) -> Iterator[tuple[str, Made]]:
    """Every tensor below a mapping, with the keys that lead to it.

    Raises:
        MalformedEvidence: more than any checkpoint holds.
    """
    if next(visits) > _VISIT_LIMIT:
        raise MalformedEvidence(f"more than {_VISIT_LIMIT} entries")
    if depth > _NESTING_LIMIT:
        return
    if isinstance(value, Made) and value.callee.name == PARAMETER and value.arguments:
        yield from _rebuilt(value.arguments[0], name, depth + 1, visits)
    elif isinstance(value, Made) and value.is_tensor:
        yield name, value
    else:
        table = value.table if isinstance(value, Made) else value
        for key, inner in table.entries if isinstance(table, Table) else ():
            text = str(key.value) if isinstance(key, Constant) else "?"
            yield from _rebuilt(inner, f"{name}.{text}" if name else text, depth + 1, visits)


def _placed(
    name: str, made: Made, places: Mapping[str, tuple[int, int]], prefix: str
) -> Content | None:
    """Where the bytes of a rebuilt tensor lie; None where they are not one run."""
    storage, offset, shape, strides = (*made.arguments, None, None, None, None)[:4]
    if made.callee.name != "_rebuild_tensor_v2" or not isinstance(storage, Storage):
        return None
    extents, steps = _numbers(shape), _numbers(strides)
    place = places.get(f"{prefix}data/{storage.key}")
    dtype = _TORCH_TYPES.get(storage.type_name)
    first = offset.value if isinstance(offset, Constant) else None
    if dtype is None or place is None or extents is None or not isinstance(first, int):
        return None
    if min(first, *extents) < 0:
        return None
    width = STORAGE_BYTES[storage.type_name]
    start, size = place[0] + first * width, prod(extents) * width
    if steps != _contiguous(extents) or first * width + size > place[1]:
        return None
    return Content(name, dtype, extents, start, start + size)


def _numbers(value: Value | None) -> tuple[int, ...] | None:
    items = value.items if isinstance(value, Items) else (None,)
    numbers = [item.value if isinstance(item, Constant) else None for item in items]
    whole = [number for number in numbers if isinstance(number, int)]
    return tuple(whole) if len(whole) == len(numbers) else None


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps: list[int] = []
    step = 1
    for extent in reversed(shape):
        steps.append(step)
        step *= max(extent, 1)
    return tuple(reversed(steps))
