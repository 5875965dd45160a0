"""Protocol buffers as far as files of models need them: fields of a message, in order.

Decides nothing about their meaning. Source: protobuf encoding guide, wire types 0, 1, 2 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.source import Source

_VARINT_BYTES: Final = 10
FIELD_LIMIT: Final = 1_000_000
"""Of one message: four times the pieces of the largest tokenizers."""
_FIXED_BYTES: Final = {1: 8, 5: 4}
_VARINT: Final = 0
LENGTH_DELIMITED: Final = 2


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: Of the field.
        wire: Its wire type.
        start: Where its content starts.
        length: Of its content in bytes.
        value: The number of a varint, 0 otherwise.
    """

    number: int
    wire: int
    start: int
    length: int
    value: int


def fields(source: Source, start: int, stop: int) -> Iterator[Field]:
    """The fields of the message between two positions.

    Raises:
        MalformedEvidence: they do not fill it exactly.
    """
    position, count = start, 0
    while position < stop:
        count += 1
        if count > FIELD_LIMIT:
            raise MalformedEvidence(f"a message has more than {FIELD_LIMIT} fields")
        head = source.read(position, min(2 * _VARINT_BYTES, stop - position))
        tag, used = _varint(head, 0)
        number, wire = tag >> 3, tag & 7
        position += used
        value = length = 0
        if wire == _VARINT:
            value, after = _varint(head, used)
            length = after - used
        elif wire == LENGTH_DELIMITED:
            length, after = _varint(head, used)
            position += after - used
        elif wire in _FIXED_BYTES:
            length = _FIXED_BYTES[wire]
        else:
            raise MalformedEvidence(f"wire type {wire} at {position} is not read")
        if number == 0 or position + length > stop:
            raise MalformedEvidence(f"the field at {position} leaves its message")
        yield Field(number, wire, position, length, value)
        position += length


def text_of(source: Source, field: Field) -> str:
    """The text of a length-delimited field, at most 64 KiB of it."""
    return source.read(field.start, min(field.length, 1 << 16)).decode("utf-8", "replace")


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for index, byte in enumerate(data[start : start + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, start + index + 1
    raise MalformedEvidence("a number does not end")
