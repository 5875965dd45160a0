"""What came with a report: told by its bytes, refused where it is two things or too much of one.

Decides spec/disclosure-advisory.md, section 8.2. Nothing is unpacked to disk, and nothing is run;
whoever opens an attachment has been told what it is.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any, Final

from steelyard.disclosure.advisory.escape import clean_line
from steelyard.disclosure.intake.archives import SIGNATURES, zip_members
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import MalformedEvidence

ATTACHMENT_LIMIT_BYTES: Final = 10 * 1024 * 1024
_NAME_LIMIT: Final = 200
_ACTIVE: Final = (b"<script", b"<?php", b"<html", b"<iframe")
# Shorter signatures occur in any compressed picture by chance.
_RARE: Final = 4
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_END_OF_IMAGE: Final = 0xD9
_START_OF_SCAN: Final = 0xDA
# In compressed data FF stands before 00, a restart mark, or another FF that fills.
_NEXT_MARKER: Final = re.compile(b"\xff+([^\x00\xd0-\xd7\xff])")


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
        kind, members = "zip", zip_members(data, shown)
    elif data.startswith(_PNG):
        kind = _whole(data, "png", _png_end(data, shown), shown)
    elif data.startswith(_JPEG):
        kind = _whole(data, "jpeg", _jpeg_end(data, shown), shown)
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


def _jpeg_end(data: bytes, where: str) -> int:
    """Where the first picture of a JPEG ends (ITU-T T.81, annex B), by its segments."""
    place = len(_JPEG) - 1
    while found := _NEXT_MARKER.match(data, place):
        kind, body = found[1][0], found.end()
        if kind == _END_OF_IMAGE:
            return body
        place = body + int.from_bytes(data[body : body + 2], "big")
        if kind == _START_OF_SCAN:
            scan = _NEXT_MARKER.search(data, place)
            place = scan.start() if scan else len(data)
    raise MalformedEvidence("the JPEG is cut or its segments are wrong", where=where)


def _text_kind(data: bytes, where: str) -> str:
    for kind, signature in SIGNATURES:
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
    found = [other for other, mark in SIGNATURES if len(mark) >= _RARE and mark in data]
    if kind != "text":
        lowered = data.lower()
        found += [mark.decode() for mark in _ACTIVE if mark in lowered]
    if found:
        message = f"a {kind} that is also {found[0]}"
        raise MalformedEvidence(message, where=where, hint="send one file of one kind")
