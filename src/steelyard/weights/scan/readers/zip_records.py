"""The records of a zip file: end record, central directory, local headers.

Reads what is written, and nothing more; whether the records agree is `zips`' business.
Source: APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.14-16.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence, UnsafeArchive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.source import Source

END_SIGNATURE: Final = b"PK\x05\x06"
_END: Final = struct.Struct("<4s4H2LH")
_END64_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_COMMENT_LIMIT: Final = 0xFFFF
_FULL32: Final = 0xFFFFFFFF
_FULL16: Final = 0xFFFF
_ZIP64_FIELD: Final = 1
_UNICODE_PATH_FIELD: Final = 0x7075
_UNICODE_PATH_HEAD: Final = 5
_ENTRY_LIMIT: Final = 200_000


@dataclass(frozen=True, slots=True)
class End:
    """The end of a zip.

    Attributes:
        position: Where the end records start: the zip64 record, or the end record.
        stop: Position behind the comment.
        comment: Free text at the end.
        entries: Number of entries that it announces.
        directory_bytes: Length of the central directory.
        directory_offset: Where it claims that the directory starts.
        agree: Whether the end record and its zip64 extension say the same.
    """

    position: int
    stop: int
    comment: bytes
    entries: int
    directory_bytes: int
    directory_offset: int
    agree: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A member, as the central directory or its local header describes it.

    Attributes:
        name: Bytes of its name.
        other_name: A name in a field of its own, for readers that prefer it.
        flags: General purpose bits.
        method: Of compression.
        checksum: CRC-32.
        packed_bytes: Length as stored.
        size: Length when expanded.
        offset: Of the local header; for a local header, where its data start.
    """

    name: bytes
    other_name: bytes
    flags: int
    method: int
    checksum: int
    packed_bytes: int
    size: int
    offset: int


def find_end(source: Source) -> End | None:
    """The last whole end record, as readers look for it from the back; None if there is none."""
    return next(find_ends(source), None)


def find_ends(source: Source) -> Iterator[End]:
    """Every place where a reader that looks for an end record from the back could find one.

    Raises:
        MalformedEvidence: a zip64 record is not where it belongs.
    """
    start = max(0, source.size - _END.size - _COMMENT_LIMIT)
    tail = source.read(start, source.size - start)
    at = tail.rfind(END_SIGNATURE)
    while at >= 0:
        if at + _END.size <= len(tail):
            yield _end_at(source, tail, start, at)
        at = tail.rfind(END_SIGNATURE, 0, at + len(END_SIGNATURE) - 1)


def _end_at(source: Source, tail: bytes, start: int, at: int) -> End:
    _, disk, _, _, entries, length, offset, comment = _END.unpack_from(tail, at)
    stop = start + at + _END.size + comment
    short = End(
        start + at, stop, tail[at + _END.size :][:comment], entries, length, offset, disk == 0
    )
    return _extended(source, short)


def _extended(source: Source, short: End) -> End:
    locator = source.read(short.position - _END64_LOCATOR.size, _END64_LOCATOR.size)
    if short.position < _END64_LOCATOR.size or not locator.startswith(b"PK\x06\x07"):
        return short
    offset = _END64_LOCATOR.unpack(locator)[2]
    position = short.position - _END64_LOCATOR.size - _END64.size
    record = source.read(position, _END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        raise MalformedEvidence("the zip64 end record is not where it belongs")
    *_, entries, length, start = _END64.unpack(record)
    agree = (
        short.agree
        and offset == position
        and short.entries in {entries, _FULL16}
        and short.directory_bytes in {length, _FULL32}
        and short.directory_offset in {start, _FULL32}
    )
    return End(position, short.stop, short.comment, entries, length, start, agree)


def central_entries(source: Source, start: int, length: int) -> Iterator[Entry]:
    """The entries of the central directory.

    Raises:
        MalformedEvidence: cut short, or no directory.
        UnsafeArchive: too many entries.
    """
    position, stop, count = start, start + length, 0
    while position < stop:
        record = source.read(position, _CENTRAL.size)
        if len(record) < _CENTRAL.size or not record.startswith(b"PK\x01\x02"):
            raise MalformedEvidence("the central directory is broken")
        (_, _, _, flags, method, _, _, checksum, packed, size, names, extras, comments,
         _, _, _, offset) = _CENTRAL.unpack(record)  # fmt: skip
        texts = source.read(position + _CENTRAL.size, names + extras)
        name, extra = texts[:names], texts[names:]
        size, packed, offset = _extended_fields(extra, (size, packed, offset))
        yield Entry(name, _other_name(extra), flags, method, checksum, packed, size, offset)
        position += _CENTRAL.size + names + extras + comments
        count += 1
        if count > _ENTRY_LIMIT:
            raise UnsafeArchive(f"more than {_ENTRY_LIMIT} members")


def local_entry(source: Source, position: int) -> Entry | None:
    """The local header at a position, with where its data start; None where there is none."""
    if position < 0:
        return None
    record = source.read(position, _LOCAL.size)
    if len(record) < _LOCAL.size or not record.startswith(b"PK\x03\x04"):
        return None
    _, _, flags, method, _, _, checksum, packed, size, names, extras = _LOCAL.unpack(record)
    texts = source.read(position + _LOCAL.size, names + extras)
    name, extra = texts[:names], texts[names:]
    size, packed, _ = _extended_fields(extra, (size, packed, 0))
    start = position + _LOCAL.size + names + extras
    return Entry(name, _other_name(extra), flags, method, checksum, packed, size, start)


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        yield kind, extra[position + 4 : position + 4 + length]
        position += 4 + length


def _extended_fields(extra: bytes, values: tuple[int, int, int]) -> tuple[int, int, int]:
    """Sizes and offset, each from the zip64 field where the record has no room for it."""
    wide = next((data for kind, data in _fields(extra) if kind == _ZIP64_FIELD), b"")
    result: list[int] = []
    for value in values:
        if value == _FULL32 and len(wide) >= 8:  # noqa: PLR2004 - a 64-bit number
            result.append(int.from_bytes(wide[:8], "little"))
            wide = wide[8:]
        else:
            result.append(value)
    return result[0], result[1], result[2]


def _other_name(extra: bytes) -> bytes:
    found = (data for kind, data in _fields(extra) if kind == _UNICODE_PATH_FIELD)
    return next(found, b"")[_UNICODE_PATH_HEAD:]
