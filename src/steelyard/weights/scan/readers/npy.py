"""Arrays of numpy: the header as numpy writes it, and pickles in arrays of objects.

Format: `numpy.lib.format`, versions 1.0 to 3.0.
"""

from __future__ import annotations

import ast
from math import prod
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.source import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part
    from steelyard.weights.scan.source import Source

MAGIC: Final = b"\x93NUMPY"
_HEADER_LIMIT_BYTES: Final = 10_000
"""numpy reads no longer one unless it is told to trust the file."""
_LENGTH_BYTES: Final[Mapping[int, int]] = {1: 2, 2: 4, 3: 4}
_RANK_LIMIT: Final = 64
_EXTENT_LIMIT: Final = 1 << 63


def array_layout(source: Source) -> tuple[str, tuple[int, ...], int]:
    """Element type as numpy writes it, shape, and where the data start.

    Raises:
        MalformedEvidence: no array, or one of objects, of fields, in column order or of another
            length than its shape gives.
    """
    fields, start = _header(source)
    size, shape = _described(fields)
    descr = fields["descr"]
    if size is None or not isinstance(descr, str) or (fields["fortran_order"] and len(shape) > 1):
        raise MalformedEvidence("no plain array")
    _require_length(shape, size, source.size - start)
    return descr, shape, start


def read_npy(part: Part) -> Iterator[Finding | Part]:
    """Findings about an array, and the pickle in it where it holds objects."""
    try:
        fields, start = _header(part.source)
        dtype, shape = _described(fields)
    except MalformedEvidence as error:
        yield part.finding("npy-header", error.message, 0)
        return
    left = part.source.size - start
    if dtype is None:
        yield part.finding("npy-object", "an array of objects", start)
        yield part.inside("objects.pkl", Slice(part.source, start, left))
    else:
        try:
            _require_length(shape, dtype, left)
        except MalformedEvidence as error:
            yield part.finding("npy-header", error.message, start)


def _require_length(shape: tuple[int, ...], item_bytes: int, length: int) -> None:
    if length != prod(shape) * item_bytes:
        message = (
            f"the shape {str(shape)[:80]} does not give the {length} bytes that the file holds"
        )
        raise MalformedEvidence(message)


def _header(source: Source) -> tuple[dict[str, object], int]:
    head = source.read(0, len(MAGIC) + 6)
    width = _LENGTH_BYTES.get(head[len(MAGIC)] if len(head) > len(MAGIC) else 0)
    if width is None:
        raise MalformedEvidence("no version of the format that numpy reads")
    begin = len(MAGIC) + 2 + width
    length = int.from_bytes(head[len(MAGIC) + 2 : begin], "little")
    text = source.read(begin, min(length, _HEADER_LIMIT_BYTES))
    if len(text) < length:
        raise MalformedEvidence(f"the header claims {length} bytes")
    try:
        fields = ast.literal_eval(text.decode("latin-1").strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise MalformedEvidence("the header is no literal") from error
    if not isinstance(fields, dict):
        raise MalformedEvidence("the header is no mapping")
    return cast("dict[str, object]", fields), begin + length


def _described(fields: dict[str, object]) -> tuple[int | None, tuple[int, ...]]:
    """Bytes of an element, None for objects; and the shape."""
    shape = fields.get("shape")
    extents = cast("tuple[object, ...]", shape) if isinstance(shape, tuple) else (None,)
    if fields.keys() != {"descr", "fortran_order", "shape"} or len(extents) > _RANK_LIMIT:
        raise MalformedEvidence("the header has other fields than descr, fortran_order, shape")
    numbers = [n for n in extents if isinstance(n, int) and not isinstance(n, bool)]
    numbers = [n for n in numbers if 0 <= n < _EXTENT_LIMIT]
    if len(numbers) != len(extents):
        raise MalformedEvidence("the shape is no tuple of whole numbers")
    return _item_bytes(fields["descr"]), tuple(numbers)


def _item_bytes(descr: object) -> int | None:
    from numpy.lib.format import descr_to_dtype  # noqa: PLC0415 - only where there are arrays

    try:
        dtype = cast("Any", descr_to_dtype)(descr)
    except (ValueError, TypeError, SyntaxError, KeyError, IndexError, RecursionError) as error:
        raise MalformedEvidence("descr is no element type") from error
    return None if dtype.hasobject else dtype.itemsize
