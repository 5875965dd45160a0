"""GGUF headers: counts, strings and tensors against the file, and the chat template inside.

Readers of the format have trusted its counts and overflowed; here every number is held against
the file before it is used. Format: GGUF versions 2 and 3, little-endian.
"""

from __future__ import annotations

from hashlib import sha256
from math import prod
from typing import TYPE_CHECKING, Final, NamedTuple

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.source import Cursor, MemorySource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part
    from steelyard.weights.scan.source import Source

_VERSIONS: Final = frozenset({2, 3})
_SCALAR_BYTES: Final[Mapping[int, int]] = {
    0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8
}  # fmt: skip
_STRING: Final = 8
_ARRAY: Final = 9
_KEY_LIMIT: Final = 65_535
_TEXT_LIMIT: Final = 1 << 24
_TEXTS_LIMIT: Final = 1 << 22
"""Of all arrays together: several times the vocabulary and merges of any tokenizer."""
_PAIR_LIMIT: Final = 1 << 16
_TENSOR_LIMIT: Final = 1 << 20
_RANK_LIMIT: Final = 4
_ALIGNMENT: Final = 32
_UNSIGNED: Final = 4
# Type number: elements of a block, bytes of a block (ggml.h, June 2026).
TENSOR_TYPES: Final[Mapping[int, tuple[int, int]]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4),
    27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66),
    39: (32, 17),
}  # fmt: skip


class GgufTensor(NamedTuple):
    """One tensor: its shape has the slowest axis first, its offset counts from the data."""

    name: str
    kind: int
    shape: tuple[int, ...]
    offset: int
    size: int


class GgufHeader(NamedTuple):
    """A header that describes its file.

    Attributes:
        templates: The chat templates by key.
        tensors: In the order of the header.
        data_start: Where the data of the tensors start.
    """

    templates: Mapping[str, str]
    tensors: tuple[GgufTensor, ...]
    data_start: int


def read_gguf(part: Part) -> Iterator[Finding | Part]:
    """Findings about a header, and its chat templates."""
    cursor = Cursor(part.source)
    try:
        header = gguf_header(part.source, cursor)
    except MalformedEvidence as error:
        yield part.finding("gguf-header", error.message, cursor.position)
        return
    for key, text in header.templates.items():
        yield part.inside(f"{key[:80]}.jinja", MemorySource(text.encode("utf-8", "replace")))


def gguf_header(source: Source, cursor: Cursor) -> GgufHeader:
    """The header of a file.

    Args:
        source: The file.
        cursor: Stands at its start; afterwards where the header ends, or is broken.

    Raises:
        MalformedEvidence: the header does not describe the file.
    """
    cursor.skip(len(b"GGUF"))
    count, pairs = _counts(cursor)
    templates, alignment = _values(cursor, pairs)
    tensors = tuple(_tensor(cursor) for _ in range(count))
    start = _checked_start(source, cursor.position, tensors, alignment)
    return GgufHeader(templates, tensors, start)


def _counts(cursor: Cursor) -> tuple[int, int]:
    version = _number(cursor, 4)
    if version not in _VERSIONS:
        raise MalformedEvidence(f"version {version} is not read")
    tensors, pairs = _number(cursor, 8), _number(cursor, 8)
    if tensors > _TENSOR_LIMIT or pairs > _PAIR_LIMIT:
        raise MalformedEvidence(f"{tensors} tensors and {pairs} keys are too many")
    return tensors, pairs


def _number(cursor: Cursor, width: int) -> int:
    return int.from_bytes(cursor.take(width), "little")


def _text(cursor: Cursor, limit: int) -> str:
    length = _number(cursor, 8)
    if length > limit:
        raise MalformedEvidence(f"a text claims {length} bytes, at most {limit} are read")
    return cursor.take(length).decode("utf-8", "replace")


def _values(cursor: Cursor, pairs: int) -> tuple[dict[str, str], int]:
    """The templates by key, and the alignment; the rest is passed over."""
    found: dict[str, str] = {}
    alignment, left = _ALIGNMENT, _TEXTS_LIMIT
    # Readers differ in which of two values they take. Digests, as keys may be long and many.
    seen: set[bytes] = set()
    for number in range(1, pairs + 1):
        key = _text(cursor, _KEY_LIMIT)
        seen.add(sha256(key.encode()).digest())
        if len(seen) < number:
            raise MalformedEvidence(f"the key {key[:60]!r} stands twice")
        kind = _number(cursor, 4)
        if kind == _STRING:
            text = _text(cursor, _TEXT_LIMIT)
            if key.startswith("tokenizer.chat_template"):
                found[key] = text
        elif kind == _ARRAY:
            left -= _skip_array(cursor, left)
        else:
            value = _number(cursor, _scalar_bytes(kind))
            if key == "general.alignment" and kind == _UNSIGNED:
                alignment = value
    return found, alignment


def _scalar_bytes(kind: int) -> int:
    if kind not in _SCALAR_BYTES:
        raise MalformedEvidence(f"value type {kind} does not exist")
    return _SCALAR_BYTES[kind]


def _skip_array(cursor: Cursor, limit: int) -> int:
    """Pass over an array; returns how many texts it has."""
    kind, count = _number(cursor, 4), _number(cursor, 8)
    if kind == _ARRAY:
        raise MalformedEvidence("arrays of arrays are not read")
    if kind != _STRING:
        cursor.skip(count * _scalar_bytes(kind))
        return 0
    if count > limit:
        raise MalformedEvidence(f"an array claims {count} texts")
    for _ in range(count):
        length = _number(cursor, 8)
        cursor.skip(length)
    return count


def _tensor(cursor: Cursor) -> GgufTensor:
    name = _text(cursor, _KEY_LIMIT)
    rank = _number(cursor, 4)
    if rank > _RANK_LIMIT:
        raise MalformedEvidence(f"{name[:60]!r} has {rank} axes")
    shape = [_number(cursor, 8) for _ in range(rank)]
    kind, offset = _number(cursor, 4), _number(cursor, 8)
    if kind not in TENSOR_TYPES:
        raise MalformedEvidence(f"{name[:60]!r} has the unknown type {kind}")
    per_block, block_bytes = TENSOR_TYPES[kind]
    if shape and shape[0] % per_block:
        raise MalformedEvidence(f"{name[:60]!r} has rows of no whole blocks")
    size = prod(shape) // per_block * block_bytes
    return GgufTensor(name, kind, tuple(reversed(shape)), offset, size)


def _checked_start(
    source: Source, header_end: int, found: tuple[GgufTensor, ...], step: int
) -> int:
    """Where the data start, once no tensor overlaps another or leaves the file."""
    if step <= 0 or step % 8 or step > 1 << 20:
        raise MalformedEvidence(f"alignment {step} is none")
    start, position = -(-header_end // step) * step, 0
    names: set[str] = set()
    for tensor in sorted(found, key=lambda each: each.offset):
        if tensor.name in names:
            raise MalformedEvidence(f"{tensor.name[:60]!r} stands twice")
        names.add(tensor.name)
        if tensor.offset < position or tensor.offset % step:
            raise MalformedEvidence(f"{tensor.name[:60]!r} overlaps, or is not aligned")
        position = tensor.offset + tensor.size
        if start + position > source.size:
            raise MalformedEvidence(f"{tensor.name[:60]!r} ends behind the file")
    if found and source.size - start - position >= step:
        raise MalformedEvidence(f"{source.size - start - position} bytes follow the tensors")
    return start
