"""The zip around a passport: written to fixed bytes, read without trusting it.

Decides which archives may be opened at all (spec/passport.md, section
Archive). The reader parses the zip itself, so that every byte of the file
belongs to exactly one known member: nothing prepended, appended, hidden
between members, overlapping or described twice. What members say is for
`verify`.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.attest import PREDICATE_KINDS
from steelyard.kernel.errors import UnsafeArchive

if TYPE_CHECKING:
    from collections.abc import Mapping

INDEX: Final = "passport.json"
MATRIX: Final = "evidence/matrix.json"
RELEASE: Final = "standard/release.json"
REPORT: Final = "report.html"
KEY_NAME: Final = re.compile(r"keys/([0-9a-f]{64})\.pem")

_MIB: Final = 1 << 20
# A record takes 150 to 400 bytes in the matrix, so 64 MiB holds over 160,000 records,
# and parsing the worst JSON of that size stays below 2 GiB of memory.
_MATRIX_LIMIT: Final = 64 * _MIB
STATEMENT_LIMIT: Final = 2 * _MIB
_KEY_LIMIT: Final = 4096  # an Ed25519 public key takes 113 bytes
# A certificate of a proficiency round and the report it rests on; both or neither.
CERTIFICATE_KINDS: Final = ("proficiency", "round-report")
# A statement on the security of the weights and the report it rests on; both or neither.
SECURITY_KINDS: Final = ("weights-security", "posture-report")
# What a run showed of published flaws, and which advisories its signer knew; either or none.
REGRESSIONS: Final = "regressions"
KNOWN_ADVISORIES: Final = "known-advisories"
FLAW_KINDS: Final = (REGRESSIONS, KNOWN_ADVISORIES)
_COMPANION_KINDS: Final = (*CERTIFICATE_KINDS, *SECURITY_KINDS, *FLAW_KINDS)


def statement_name(kind: str) -> str:
    """The member that holds the statement of a kind."""
    return f"statements/{kind}.dsse.json"


_OPTIONAL: Final = frozenset(map(statement_name, _COMPANION_KINDS))
_LIMITS: Final[Mapping[str, int]] = {
    INDEX: 64 * 1024,
    MATRIX: _MATRIX_LIMIT,
    RELEASE: 4 * _MIB,
    REPORT: 8 * _MIB,
    **{statement_name(k): STATEMENT_LIMIT for k in (*PREDICATE_KINDS, *_COMPANION_KINDS)},
}
REQUIRED_MEMBERS: Final = frozenset(_LIMITS) - _OPTIONAL
# Fourteen fixed members, and one key per signer: four statements have at most four, and both
# statements of a round, or on the weights' security, one more each.
MEMBER_LIMIT: Final = len(_LIMITS) + len(PREDICATE_KINDS) + 2
ARCHIVE_LIMIT_BYTES: Final = 48 * _MIB  # salted commitments do not compress: 4 MB per 100,000
TOTAL_LIMIT_BYTES: Final = 80 * _MIB
# Deflate reaches 1032:1 on zeros; score matrices and HTML stay below 60:1.
RATIO_LIMIT: Final = 200
_RATIO_FLOOR_BYTES: Final = 64 * 1024  # below this a high ratio costs nobody anything

# Field layouts of APPNOTE.TXT 6.3.10: sections 4.3.7, 4.3.12 and 4.3.16.
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_STORED, _DEFLATED = 0, 8
_UTF8_FLAG: Final = 0x800
_ZIP64_EXTRA, _UNICODE_PATH_EXTRA = 0x0001, 0x7075
_UNIX: Final = 3
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)
_HINT: Final = "do not unpack it; ask the issuer for the original file"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A member as the central directory describes it."""

    name: str
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    offset: int


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """Pack members; equal members give equal bytes (with the same zlib).

    Raises:
        UnsafeArchive: what was packed is outside the limits of `read_archive`.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _FIXED_TIME)
            info.create_system = _UNIX
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, members[name], compresslevel=9)
    data = buffer.getvalue()
    read_archive(data)
    return data


def read_archive(data: bytes) -> dict[str, bytes]:
    """Unpack a passport's members by name, under hard limits.

    Raises:
        UnsafeArchive: naming the first thing that does not belong in a passport.
    """
    if len(data) > ARCHIVE_LIMIT_BYTES:
        raise _unsafe(f"the archive has {len(data)} bytes, the limit is {ARCHIVE_LIMIT_BYTES}")
    entries, directory_offset = _central_directory(data)
    _check_names(entries)
    _check_sizes(entries)
    members: dict[str, bytes] = {}
    expected_offset = 0
    for entry in sorted(entries, key=lambda e: e.offset):
        if entry.offset != expected_offset:
            raise _unsafe("overlaps another member or leaves a gap before it", entry.name)
        start = _check_local_header(data, entry)
        expected_offset = start + entry.packed
        if expected_offset > directory_offset:
            raise _unsafe("reaches into the central directory", entry.name)
        members[entry.name] = _inflate(data[start:expected_offset], entry)
    if expected_offset != directory_offset:
        raise _unsafe("there are bytes between the last member and the central directory")
    return members


def _central_directory(data: bytes) -> tuple[list[_Entry], int]:
    """Entries and start of the directory, which must fill the file up to the end record."""
    if len(data) < _END.size or data[-_END.size :][:4] != b"PK\x05\x06":
        raise _unsafe("not a zip file, or bytes follow its end record")
    _, disk, first_disk, here, total, size, offset, comment = _END.unpack(data[-_END.size :])
    if (disk, first_disk, comment) != (0, 0, 0) or here != total:
        raise _unsafe("the end record speaks of several disks or of a comment")
    if total > MEMBER_LIMIT:
        raise _unsafe(f"{total} members, the limit is {MEMBER_LIMIT}")
    if offset + size != len(data) - _END.size:
        raise _unsafe("the central directory is not where the end record says (zip64 is not used)")
    entries: list[_Entry] = []
    position = offset
    for _ in range(total):
        entry, position = _central_entry(data, position)
        entries.append(entry)
    if position != offset + size:
        raise _unsafe("the central directory holds more than its members")
    return entries, offset


def _central_entry(data: bytes, position: int) -> tuple[_Entry, int]:
    end = position + _CENTRAL.size
    if end > len(data) - _END.size:
        raise _unsafe("the central directory is cut short")
    (
        signature, _, _, flags, method, _, _, crc, packed, size,
        name_length, extra_length, comment_length, disk, _, attributes, offset,
    ) = _CENTRAL.unpack(data[position:end])  # fmt: skip
    stop = end + name_length + extra_length + comment_length
    if signature != b"PK\x01\x02" or stop > len(data) - _END.size:
        raise _unsafe("the central directory is damaged")
    name = _name(data[end : end + name_length])
    _check_extra(data[end + name_length : stop - comment_length], name)
    if disk or comment_length:
        raise _unsafe("carries a comment or lies on another disk", name)
    # The upper half holds a Unix mode; archives made elsewhere leave it zero.
    if stat.S_IFMT(attributes >> 16) not in (0, stat.S_IFREG):
        raise _unsafe("is a symbolic link or another special file", name)
    return _Entry(name, method, flags, crc, packed, size, offset), stop


def _name(raw: bytes) -> str:
    """A member's name; the few allowed ones are pure ASCII."""
    if not raw.isascii():
        raise _unsafe(f"member name {raw[:60]!r} is not plain ASCII")
    return raw.decode("ascii")


def _check_names(entries: list[_Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        folded = entry.name.lower()
        if folded in seen:
            raise _unsafe("occurs twice", entry.name)
        seen.add(folded)
        if entry.name not in _LIMITS and not KEY_NAME.fullmatch(entry.name):
            raise _unsafe("has no place in a passport", entry.name)
    missing = sorted(REQUIRED_MEMBERS - {entry.name for entry in entries})
    if missing:
        raise _unsafe(f"members are missing: {', '.join(missing)}")


def _check_sizes(entries: list[_Entry]) -> None:
    for entry in entries:
        limit = _LIMITS.get(entry.name, _KEY_LIMIT)
        if entry.size > limit:
            raise _unsafe(f"declares {entry.size} bytes, the limit is {limit}", entry.name)
        if entry.size > _RATIO_FLOOR_BYTES and entry.size > RATIO_LIMIT * entry.packed:
            raise _unsafe(f"declares to expand more than {RATIO_LIMIT}-fold", entry.name)
        if entry.flags & ~_UTF8_FLAG:
            raise _unsafe("is encrypted, streamed or patched (flags are set)", entry.name)
        if entry.method not in (_STORED, _DEFLATED):
            raise _unsafe(f"uses compression method {entry.method}", entry.name)
    total = sum(entry.size for entry in entries)
    if total > TOTAL_LIMIT_BYTES:
        raise _unsafe(f"members declare {total} bytes, the limit is {TOTAL_LIMIT_BYTES}")


def _check_local_header(data: bytes, entry: _Entry) -> int:
    """Where the member's data start, once both descriptions of it agree."""
    end = entry.offset + _LOCAL.size
    if end > len(data):
        raise _unsafe("has no local header", entry.name)
    signature, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(
        data[entry.offset : end]
    )
    name = data[end : end + name_length]
    local = (flags, method, crc, packed, size)
    central = (entry.flags, entry.method, entry.crc, entry.packed, entry.size)
    if signature != b"PK\x03\x04" or name != entry.name.encode() or local != central:
        raise _unsafe("is described differently in its local header", entry.name)
    start = end + name_length + extra_length
    _check_extra(data[end + name_length : start], entry.name)
    return start


def _check_extra(extra: bytes, name: str) -> None:
    """Refuse extra fields that change a member's size or name for some readers."""
    while extra:
        if len(extra) < 4:  # noqa: PLR2004 - header id and length, two bytes each
            raise _unsafe("has a damaged extra field", name)
        kind, length = struct.unpack("<2H", extra[:4])
        if kind in (_ZIP64_EXTRA, _UNICODE_PATH_EXTRA) or length > len(extra) - 4:
            raise _unsafe("has an extra field that no passport needs", name)
        extra = extra[4 + length :]


def _inflate(packed: bytes, entry: _Entry) -> bytes:
    """The member's bytes; never expands beyond one byte over the declared size."""
    if entry.method == _STORED:
        content = packed
    else:
        decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = decompressor.decompress(packed, entry.size + 1)
        except zlib.error as error:
            raise _unsafe("is damaged", entry.name) from error
        if not decompressor.eof or decompressor.unused_data:
            raise _unsafe("holds more or less than its header declares", entry.name)
    if len(content) != entry.size:
        raise _unsafe("holds more or less than its header declares", entry.name)
    if zlib.crc32(content) != entry.crc:
        raise _unsafe("is damaged", entry.name)
    return content


def _unsafe(message: str, name: str = "") -> UnsafeArchive:
    return UnsafeArchive(message, where=ascii(name)[1:-1][:80] if name else "archive", hint=_HINT)
