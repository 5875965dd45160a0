"""Zips that came with a report: what is in them, without unpacking one to disk.

Decides which zips spec/disclosure-advisory.md, section 8.2, refuses. Two readers of one zip may
take its words from different places; so there is one place for each word, and no byte between.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from typing import Final

from steelyard.disclosure.advisory.escape import clean_line
from steelyard.kernel.errors import UnsafeArchive

NAME_LIMIT: Final = 200
_MOST_MEMBERS: Final = 1_000
_MOST_UNPACKED_BYTES: Final = 64 * 1024 * 1024
_HIGHEST_RATIO: Final = 100
_CHUNK_BYTES: Final = 64 * 1024
# Times and owners fit; a file does not.
_MOST_EXTRA_BYTES: Final = 64
_LOCAL_BYTES: Final = 30
_END_BYTES: Final = 22
_SIZES_FOLLOW: Final = 0x8
_ENCRYPTED: Final = 0x1
SIGNATURES: Final = (
    ("PDF", b"%PDF-"),
    ("ZIP", b"PK\x03\x04"),
    ("ZIP", b"PK\x05\x06"),
    ("RAR", b"Rar!\x1a\x07"),
    ("7z", b"7z\xbc\xaf\x27\x1c"),
    ("ELF", b"\x7fELF"),
    ("gzip", b"\x1f\x8b\x08"),
    ("xz", b"\xfd7zXZ\x00"),
    ("OLE", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
)
"""What starts a file of a kind, wherever it stands: a second one makes a polyglot."""
# Too short to be looked for anywhere but at the start of a file.
_STARTS: Final = (
    b"MZ",
    b"BZh",
    b"MSCF",
    b"!<arch>",
    b"\x28\xb5\x2f\xfd",
    b"\x00asm",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
)
_TAR: Final = (257, b"ustar")


def zip_members(data: bytes, where: str) -> tuple[str, ...]:
    """Names of what is in a zip, cleaned.

    Raises:
        UnsafeArchive: a zip that cannot be read, or that is refused.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_layout(data, archive, members, where)
            unpacked = 0
            for member in members:
                _check_member(member, where)
                unpacked += _unpacked_bytes(archive, member, _MOST_UNPACKED_BYTES - unpacked)
                if unpacked >= _MOST_UNPACKED_BYTES:
                    message = f"unpacks to more than {_MOST_UNPACKED_BYTES:,} bytes"
                    raise UnsafeArchive(message, where=where)
    except (
        zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError,
        ValueError,
    ) as error:  # fmt: skip
        raise UnsafeArchive(f"no zip that can be read: {error}", where=where) from error
    return tuple(clean_line(member.filename)[:NAME_LIMIT] for member in members)


def _check_layout(
    data: bytes, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], where: str
) -> None:
    """A zip fills its file from the first byte to the last, without a word of its own."""
    if len(members) > _MOST_MEMBERS:
        message = f"{len(members):,} members, and at most {_MOST_MEMBERS:,} are taken"
        raise UnsafeArchive(message, where=where)
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise UnsafeArchive("two members have the same name", where=where)
    ordered = sorted(members, key=lambda member: member.header_offset)
    starts = [member.header_offset for member in ordered]
    ends = [0, *(_end_of(data, member) for member in ordered)]
    if any(end > start for end, start in zip(ends, starts, strict=False)):
        raise UnsafeArchive("members overlap", where=where)
    words = archive.comment or any(member.comment for member in members)
    if words or not _is_directory(data, ends[-1]) or starts != ends[:-1]:
        raise UnsafeArchive("bytes before, after or beside the zip", where=where)


def _is_directory(data: bytes, place: int) -> bool:
    """Whether the directory begins there and fills all but the last 22 bytes of the file."""
    end = len(data) - _END_BYTES
    start, size = place, end - place
    return data[end:].startswith(b"PK\x05\x06") and data[end + 12 : end + 20] == (
        struct.pack("<LL", max(size, 0), start)
    )


def _end_of(data: bytes, member: zipfile.ZipInfo) -> int:
    """Where a member ends, with the sizes that may follow it.

    Raises:
        UnsafeArchive: its extra fields are large enough to hold something.
    """
    place = member.header_offset
    name, extra = struct.unpack("<HH", data[place + 26 : place + _LOCAL_BYTES])
    if max(extra, len(member.extra)) > _MOST_EXTRA_BYTES:
        message = f"member {member.filename[:80]!r} has {max(extra, len(member.extra))} extra bytes"
        raise UnsafeArchive(message, where=member.filename[:80])
    end = place + _LOCAL_BYTES + name + extra + member.compress_size
    if not member.flag_bits & _SIZES_FOLLOW:
        return end
    for form in ("<LLL", "<LQQ"):
        sizes = struct.pack(form, member.CRC, member.compress_size, member.file_size)
        for mark in (b"PK\x07\x08", b""):
            if data.startswith(mark + sizes, end):
                return end + len(mark + sizes)
    return end


def _check_member(member: zipfile.ZipInfo, where: str) -> None:
    name, mode = member.filename, member.external_attr >> 16
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in name or not name.isprintable():
        raise UnsafeArchive(f"member name {name[:80]!r} is no plain relative path", where=where)
    if stat.S_IFMT(mode) not in {0, stat.S_IFDIR if member.is_dir() else stat.S_IFREG}:
        raise UnsafeArchive(f"member {name[:80]!r} is no regular file", where=where)
    if member.is_dir() and (member.file_size or member.compress_size):
        raise UnsafeArchive(f"folder {name[:80]!r} has content", where=where)
    if member.flag_bits & _ENCRYPTED:
        raise UnsafeArchive(f"member {name[:80]!r} is encrypted", where=where)
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise UnsafeArchive(f"member {name[:80]!r} is packed by an unusual method", where=where)


def _unpacked_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: int) -> int:
    """Bytes that a member really unpacks to, whatever it claims; inspects its beginning."""
    count, limit = 0, max(member.compress_size, 1) * _HIGHEST_RATIO
    head = b""
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            head = head or chunk
            count += len(chunk)
            if count > min(limit, budget):
                message = f"member {member.filename[:80]!r} unpacks to too much"
                raise UnsafeArchive(message, where=member.filename[:80])
    if _is_archive_or_program(head):
        message = f"member {member.filename[:80]!r} is an archive or a program"
        raise UnsafeArchive(message, where=member.filename[:80])
    return count


def _is_archive_or_program(head: bytes) -> bool:
    starts = (*(mark for kind, mark in SIGNATURES if kind != "PDF"), *_STARTS)
    place, mark = _TAR
    return head.startswith(starts) or head.startswith(mark, place)
