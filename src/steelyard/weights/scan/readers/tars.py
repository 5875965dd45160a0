"""Tar archives: members, and whatever an extraction would do beyond writing files.

Reads POSIX, GNU and pax headers itself: a member's name or size may come from a header before
it, and what a header announces is never read further than its limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.readers.names import name_fault
from steelyard.weights.scan.source import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_BLOCK: Final = 512
_NAME: Final = slice(0, 100)
_SIZE: Final = slice(124, 136)
_CHECKSUM: Final = slice(148, 156)
_KIND: Final = slice(156, 157)
_MAGIC: Final = slice(257, 263)
_PREFIX: Final = slice(345, 500)
_EXTENSION_LIMIT: Final = 1 << 16
_FILES: Final = frozenset({b"0", b"\0", b"7"})
_FOLDER: Final = b"5"
_SAID_BEFORE: Final = frozenset({b"L", b"K", b"x", b"g"})


def read_tar(part: Part) -> Iterator[Finding | Part]:
    """Findings about an archive, and its members.

    Raises:
        MalformedEvidence: a header is broken, or a member is cut short.
    """
    position, said = 0, dict[str, str]()
    while (header := part.source.read(position, _BLOCK)).strip(b"\0"):
        part.allowance.open_member(len(part.members) + 1)
        size = _checked_size(header, position)
        kind = header[_KIND]
        if "size" in said:
            size = _decimal(said["size"])
        start = position + _BLOCK
        if start + size > part.source.size:
            raise MalformedEvidence(f"the member at {position} is cut short")
        if kind in _SAID_BEFORE:
            said |= _extension(part, kind, start, size)
        else:
            yield from _member(part, said.get("path", _plain_name(header)), kind, (start, size))
            said = {}
        position = start + -(-size // _BLOCK) * _BLOCK
    yield from _trailing(part, position)


def _trailing(part: Part, position: int) -> Iterator[Finding]:
    tail = part.source.read(position, 1 << 20)
    if tail.strip(b"\0"):
        yield part.finding("archive-trailing", "bytes follow the end of the tar", position)


def _checked_size(header: bytes, position: int) -> int:
    if len(header) < _BLOCK:
        raise MalformedEvidence("the tar is cut short")
    blank = header[:148] + b" " * 8 + header[156:]
    if sum(blank) != _octal(header[_CHECKSUM]):
        raise MalformedEvidence(f"the header at {position} differs from its checksum")
    return _octal(header[_SIZE])


def _octal(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError as error:
        raise MalformedEvidence("a number of a tar header is not octal") from error


def _decimal(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20:  # noqa: PLR2004 - 64 bits
        raise MalformedEvidence("a size of a pax header is no number")
    return int(text)


def _plain_name(header: bytes) -> str:
    name = header[_NAME].split(b"\0")[0]
    prefix = header[_PREFIX].split(b"\0")[0] if header[_MAGIC] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _extension(part: Part, kind: bytes, start: int, size: int) -> dict[str, str]:
    if size > _EXTENSION_LIMIT:
        raise MalformedEvidence(f"a tar header extension has {size} bytes")
    text = part.source.read(start, size)
    if kind in {b"L", b"K"}:
        name = text.split(b"\0")[0].decode("utf-8", "replace")
        return {"path" if kind == b"L" else "linkpath": name}
    records: dict[str, str] = {}
    while text.strip(b"\0"):
        length, _, _ = text.partition(b" ")
        count = _decimal(length.decode("latin-1"))
        key, _, value = text[len(length) + 1 : count].decode("utf-8", "replace").partition("=")
        if count <= len(length):
            raise MalformedEvidence("a pax record has no length")
        records[key] = value.removesuffix("\n")
        text = text[count:]
    return records


def _member(part: Part, name: str, kind: bytes, place: tuple[int, int]) -> Iterator[Finding | Part]:
    start, size = place
    fault = name_fault(name.removeprefix("./").removesuffix("/") or ".")
    if fault:
        yield part.finding("tar-entry", f"{name[:80]!r} {fault}", start - _BLOCK)
    if kind in _FILES:
        yield part.inside(name or "?", Slice(part.source, start, size))
    elif kind != _FOLDER:
        text = f"{name[:80]!r} is an entry of kind {kind.decode('latin-1')!r}, no file"
        yield part.finding("tar-entry", text, start - _BLOCK)
