"""What came with a report: told by its bytes, refused where it is two things or too much of one.

Decides spec/disclosure-advisory.md, section 8.2. Nothing is unpacked to disk, and nothing is run;
whoever opens an attachment has been told what it is.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any, Final

from steelyard.disclosure.advisory.escape import clean_line
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import MalformedEvidence, UnsafeArchive

ATTACHMENT_LIMIT_BYTES: Final = 10 * 1024 * 1024
_MOST_MEMBERS: Final = 1_000
_MOST_UNPACKED_BYTES: Final = 64 * 1024 * 1024
_HIGHEST_RATIO: Final = 100
_NAME_LIMIT: Final = 200
_CHUNK_BYTES: Final = 64 * 1024
# What starts a file of a kind, wherever it stands: a second one makes a polyglot.
_SIGNATURES: Final = (
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
_ACTIVE: Final = (b"<script", b"<?php", b"<html", b"<iframe")
# Shorter signatures occur in any compressed picture by chance.
_RARE: Final = 4
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_PNG_END: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A checked attachment.

    Attributes:
        name: As sent, cleaned; never used as a path.
        kind: text, png, jpeg or zip.
        size_bytes: Of the file as sent.
        sha256: Of the file as sent, lower hex.
        members: Names inside a zip.
    """

    name: str
    kind: str
    size_bytes: int
    sha256: str
    members: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The attachment as `steelyard disclose import --json` lists it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "members": list(self.members),
        }


def inspect_attachment(name: str, data: bytes) -> Attachment:
    """Say what an attachment is.

    Raises:
        MalformedEvidence: over 10 MiB, empty, of no kind that is taken, or of two kinds at once.
        UnsafeArchive: a zip bomb, path tricks, links, encryption, or an archive in the archive.
    """
    shown = clean_line(name)[:_NAME_LIMIT] or "attachment"
    if not 0 < len(data) <= ATTACHMENT_LIMIT_BYTES:
        message = f"{len(data):,} bytes; an attachment has 1 to {ATTACHMENT_LIMIT_BYTES:,}"
        raise MalformedEvidence(message, where=shown)
    members: tuple[str, ...] = ()
    if data.startswith(b"PK"):
        kind, members = "zip", _zip_members(data, shown)
    elif data.startswith(_PNG):
        kind = _whole(data, "png", _png_end(data, shown), shown)
    elif data.startswith(_JPEG):
        kind = _whole(data, "jpeg", data.rfind(b"\xff\xd9") + 2, shown)
    else:
        kind = _text_kind(data, shown)
    return Attachment(shown, kind, len(data), sha256_hex(data), members)


def _whole(data: bytes, kind: str, end: int, where: str) -> str:
    """A picture ends where its format says, and holds nothing else."""
    if end != len(data):
        message = f"{len(data) - end:,} bytes after the end of the {kind}"
        raise MalformedEvidence(message, where=where, hint="send the picture alone")
    _refuse_second_kind(data, kind, where)
    return kind


def _png_end(data: bytes, where: str) -> int:
    """Where the chunks of a PNG end (PNG, section 5.3), each with its checksum."""
    place = len(_PNG)
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        chunk, end = data[place + 4 : place + 8 + size], place + 12 + size
        if end > len(data) or zlib.crc32(chunk) != int.from_bytes(data[end - 4 : end], "big"):
            break
        if chunk[:4] == b"IEND":
            return end
        place = end
    raise MalformedEvidence("the PNG is cut or its checksums are wrong", where=where)


def _text_kind(data: bytes, where: str) -> str:
    for kind, signature in _SIGNATURES:
        if data.startswith(signature):
            message = f"a file of kind {kind} is not taken"
            hint = "send text, PNG, JPEG, or a zip of them"
            raise MalformedEvidence(message, where=where, hint=hint)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = "neither UTF-8 text, PNG, JPEG nor zip"
        raise MalformedEvidence(message, where=where) from error
    if any(character < " " and character not in "\t\r\n\f" for character in text):
        raise MalformedEvidence("text with control characters", where=where)
    _refuse_second_kind(data, "text", where)
    return "text"


def _refuse_second_kind(data: bytes, kind: str, where: str) -> None:
    """A text that quotes a program's start is a text; in a picture it is a second file."""
    found = [other for other, mark in _SIGNATURES if len(mark) >= _RARE and mark in data]
    if kind != "text":
        lowered = data.lower()
        found += [mark.decode() for mark in _ACTIVE if mark in lowered]
    if found:
        message = f"a {kind} that is also {found[0]}"
        raise MalformedEvidence(message, where=where, hint="send one file of one kind")


def _zip_members(data: bytes, where: str) -> tuple[str, ...]:
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
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise UnsafeArchive(f"no zip that can be read: {error}", where=where) from error
    return tuple(clean_line(member.filename)[:_NAME_LIMIT] for member in members)


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
    starts = sorted(member.header_offset for member in members)
    if archive.comment or data[-22:-18] != b"PK\x05\x06" or (starts and starts[0] != 0):
        raise UnsafeArchive("bytes before, after or beside the zip", where=where)
    packed = sum(member.compress_size for member in members)
    if packed > len(data):
        raise UnsafeArchive("members overlap", where=where)


def _check_member(member: zipfile.ZipInfo, where: str) -> None:
    name, mode = member.filename, member.external_attr >> 16
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in name or not name.isprintable():
        raise UnsafeArchive(f"member name {name[:80]!r} is no plain relative path", where=where)
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise UnsafeArchive(f"member {name[:80]!r} is no regular file", where=where)
    if member.flag_bits & 0x1:
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
    if any(head.startswith(signature) for kind, signature in _SIGNATURES if kind != "PDF"):
        message = f"member {member.filename[:80]!r} is an archive or a program"
        raise UnsafeArchive(message, where=member.filename[:80])
    return count
