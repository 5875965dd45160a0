"""Members of an Inspect `.eval` archive, one at a time, within fixed limits.

The archive is a zip whose members are stored, deflated, or compressed with
Zstandard (method 93, APPNOTE 6.3.7), which `zipfile` of Python 3.11 cannot
expand; so members are read raw and expanded here. Nothing is extracted to
disk. What a member means is decided by `inspect_log`.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from steelyard.kernel.errors import MalformedEvidence, UnsafeArchive

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MEMBER_LIMIT_BYTES = 1 << 30
ARCHIVE_LIMIT_BYTES = 1 << 35
MEMBER_LIMIT_COUNT = 1_000_000

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, lengths of name and extra field
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 0x1
_METHOD_ZSTANDARD = 93
_WINDOW_LIMIT_BYTES = 1 << 27
_AGAIN = "the archive may be truncated or still being written; copy it again"


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive: its members by name, and the stream they are read from."""

    name: str
    members: dict[str, zipfile.ZipInfo]
    stream: IO[bytes]

    def read(self, member: str) -> bytes:
        """Expand one member.

        Raises:
            MalformedEvidence: damaged, or compressed in a way this reader does not know.
            UnsafeArchive: it expands to another size than it declares.
        """
        info = self.members[member]
        where = f"{self.name}:{member}"
        try:
            data = _expand(info, _raw(info, self.stream, where), where)
        except (zlib.error, OSError, EOFError) as error:
            raise MalformedEvidence(f"damaged member: {error}", where=where, hint=_AGAIN) from error
        if len(data) != info.file_size:
            message = f"member does not expand to the {info.file_size} bytes it declares"
            raise UnsafeArchive(message, where=where)
        if zlib.crc32(data) != info.CRC:
            raise MalformedEvidence("damaged member: checksum differs", where=where, hint=_AGAIN)
        return data


@contextmanager
def open_archive(path: Path) -> Generator[Archive]:
    """Open an archive after checking its directory.

    Raises:
        MalformedEvidence: absent, truncated or no zip.
        UnsafeArchive: duplicate names, encryption, or sizes beyond the limits.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError, struct.error) as error:
        message = f"not a readable zip archive: {error}"
        raise MalformedEvidence(message, where=str(path), hint=_AGAIN) from error
    _check_directory(entries, str(path))
    with path.open("rb") as stream:
        yield Archive(path.name, {entry.filename: entry for entry in entries}, stream)


def _check_directory(entries: list[zipfile.ZipInfo], where: str) -> None:
    names = {entry.filename for entry in entries}
    if len(names) != len(entries):
        raise UnsafeArchive("two members of the archive share a name", where=where)
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise UnsafeArchive("archive is encrypted", where=where)
    largest = max((entry.file_size for entry in entries), default=0)
    total = sum(entry.file_size for entry in entries)
    if (
        largest > MEMBER_LIMIT_BYTES
        or total > ARCHIVE_LIMIT_BYTES
        or len(entries) > MEMBER_LIMIT_COUNT
    ):
        message = (
            f"archive declares {len(entries)} members of {total} bytes, the largest {largest}; "
            f"allowed are {MEMBER_LIMIT_COUNT}, {ARCHIVE_LIMIT_BYTES} and {MEMBER_LIMIT_BYTES}"
        )
        raise UnsafeArchive(message, where=where)


def _raw(info: zipfile.ZipInfo, stream: IO[bytes], where: str) -> bytes:
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL_HEADER.size)
    if len(header) != _LOCAL_HEADER.size or not header.startswith(_LOCAL_SIGNATURE):
        raise MalformedEvidence("damaged member: no local header", where=where, hint=_AGAIN)
    _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    stream.seek(name_length + extra_length, 1)
    return stream.read(info.compress_size)


def _expand(info: zipfile.ZipInfo, raw: bytes, where: str) -> bytes:
    """At most one byte more than declared, so that a bomb is seen and not built."""
    limit = info.file_size + 1
    if info.compress_type == zipfile.ZIP_STORED:
        return raw[:limit]
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, limit)
    if info.compress_type == _METHOD_ZSTANDARD:
        return _expand_zstandard(raw, limit)
    message = f"member is compressed by unknown method {info.compress_type}"
    raise MalformedEvidence(message, where=where, hint="write the log again with Inspect")


def _expand_zstandard(raw: bytes, limit: int) -> bytes:
    import zstandard  # noqa: PLC0415 - only archives need it

    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_LIMIT_BYTES)
    try:
        with decompressor.stream_reader(raw, read_across_frames=True) as reader:
            return reader.read(limit)
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error
