"""Tar archives: members, and whatever an extraction would do beyond writing files.

Reads POSIX, GNU and pax headers itself: a member's name or size may come from a header before
it, and what a header announces is never read further than its limit. Where readers differ about
such headers, using them is a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.readers.names import name_fault
from steelyard.weights.scan.readers.packed import after_zeros
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
_NAMES: Final = frozenset({b"L", b"K"})
_USUAL_HEADERS: Final = 2
"""Before a member: a long name and the long target of a link, or a comment and a record."""
_GLOBAL_KEYS: Final = frozenset({"comment", "atime", "mtime", "ctime"})
"""What `git archive` and others say of a whole archive; it changes no member."""
_LARGEST_OCTAL: Final = 0o77777777777
_BASE256: Final = 0x80


def read_tar(part: Part) -> Iterator[Finding | Part]:
    """Findings about an archive, and its members.

    Raises:
        MalformedEvidence: a header is broken, or a member is cut short.
    """
    position, said, before = 0, dict[str, str](), b""
    while (header := part.source.read(position, _BLOCK)).strip(b"\0"):
        size = _checked_size(header, position)
        kind, start = header[_KIND], position + _BLOCK
        if kind not in _FILES and (kind not in _SAID_BEFORE or len(before) >= _USUAL_HEADERS):
            # A file counts where its content is opened, with the headers that it needs.
            part.allowance.open_member(len(part.members) + 1)
        if kind not in _SAID_BEFORE:
            yield from _disagreements(part, header, said, (size, position))
            size = _decimal(said["size"]) if "size" in said else size
        if start + size > part.source.size:
            raise MalformedEvidence(f"the member at {position} is cut short")
        if kind in _SAID_BEFORE:
            records = _extension(part, kind, start, size)
            yield from _extension_findings(part, before + kind, records, position)
            # Whether a global record lasts for one member or for all is read either way.
            said |= records
            before += kind
        else:
            yield from _member(part, said.get("path", _plain_name(header)), kind, (start, size))
            said, before = {}, b""
        position = start + -(-size // _BLOCK) * _BLOCK
    yield from _trailing(part, position)


def _trailing(part: Part, position: int) -> Iterator[Finding]:
    if (at := after_zeros(part.source, position)) < part.source.size:
        yield part.finding("archive-trailing", "bytes follow the end of the tar", at)


def _extension_findings(
    part: Part, kinds: bytes, records: dict[str, str], position: int
) -> Iterator[Finding]:
    """Headers before a member about which readers differ: which one holds, for how long."""
    if odd := sorted(key for key in records if key.startswith("GNU.") or key == "hdrcharset"):
        text = f"the record {odd[0][:40]!r} gives a member another content or name"
        yield part.finding("tar-entry", text, position)
    lasting = sorted(records.keys() - _GLOBAL_KEYS) if kinds.endswith(b"g") else []
    if lasting:
        text = f"the record {lasting[0][:40]!r} is said of the whole archive"
        yield part.finding("tar-entry", text, position)
    told = kinds.replace(b"g", b"")
    if len(set(told)) < len(told) or (b"x" in told and len(told) > 1):
        yield part.finding("tar-entry", "two headers say what the next member is", position)


def _disagreements(
    part: Part, header: bytes, said: dict[str, str], place: tuple[int, int]
) -> Iterator[Finding]:
    """A length that some readers pass over and others take for the next header."""
    size, position = place
    kind, name = header[_KIND], _plain_name(header)[:80]
    whole = _decimal(said["size"]) if "size" in said else size
    if whole != size and whole <= _LARGEST_OCTAL:
        yield part.finding("tar-entry", f"{name!r} has two sizes", position)
    # By the header alone, for the kind of the time before POSIX; by the whole name otherwise.
    told = header[_NAME].split(b"\0")[0].decode("latin-1") if kind == b"\0" else ""
    if kind in _FILES and (told or said.get("path", _plain_name(header))).endswith("/"):
        yield part.finding("tar-entry", f"{name!r} is a file with the name of a folder", position)
    if kind not in _FILES and max(size, whole):
        yield part.finding("tar-entry", f"{name!r} is no file, and has content", position)


def _checked_size(header: bytes, position: int) -> int:
    if len(header) < _BLOCK:
        raise MalformedEvidence("the tar is cut short")
    blank = header[:148] + b" " * 8 + header[156:]
    if sum(blank) != _octal(header[_CHECKSUM]):
        raise MalformedEvidence(f"the header at {position} differs from its checksum")
    return _octal(header[_SIZE])


def _octal(field: bytes) -> int:
    if field[0] == _BASE256:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise MalformedEvidence("a number of a tar header is not octal")
    return int(digits, 8) if digits else 0


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
    if kind in _NAMES:
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
