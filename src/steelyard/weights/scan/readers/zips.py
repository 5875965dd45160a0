"""Zip archives: checkpoints of torch, npz, Keras, and whatever is packed as one.

Decides whether every reader would find the same members with the same content: readers differ
in whether they trust the directory or the local headers, check flags and checksums, or search
for the end. What an archive could hide from one of them is a finding; its members are scanned.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.readers.names import name_fault
from steelyard.weights.scan.readers.packed import DECOMPRESSORS, Store, expand
from steelyard.weights.scan.readers.zip_records import (
    END_SIGNATURE,
    End,
    Entry,
    central_entries,
    find_end,
    local_entry,
)
from steelyard.weights.scan.source import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part
    from steelyard.weights.scan.source import Source

_ENCRYPTED: Final = 0x2041
"""Encrypted, strongly encrypted, directory masked (APPNOTE 4.4.4)."""
_DESCRIPTOR: Final = 0x0008
_UTF8: Final = 0x0800
_METHODS: Final[Mapping[int, str]] = {8: "deflate", 12: "bzip2"}
_STORED: Final = 0
_NO_BYTES: Final[frozenset[bytes]] = frozenset()
_CHECKED_BYTES: Final = 1 << 26
_STORAGE: Final = re.compile(r"([^/]+)/(?:data|constants)/[0-9]+")
_PROGRAM: Final = re.compile(r"[^/]+/(?:code/.+|constants\.pkl)")
_ARCHIVES_OF_CODE: Final[Mapping[str, re.Pattern[str]]] = {
    "torch.export": re.compile(
        r"(?:[^/]+/)*(?:archive_format|serialized_exported_program\.json"
        r"|data/aotinductor/.+|models/[^/]+\.json)"
    ),
    "torch.package": re.compile(r"(?:[^/]+/)*\.data/(?:extern_modules|python_version)"),
    "TorchServe": re.compile(r"MAR-INF/.+"),
}
"""Who runs code of an archive, and by which members such an archive is known: the first evaluates
texts of its graphs, the second imports its modules, the third starts its handler."""


def read_zip(part: Part) -> Iterator[Finding | Part]:
    """Findings about an archive, and its members.

    Raises:
        MalformedEvidence: no records of a zip.
        UnsafeArchive: too many members, or too large.
    """
    end = find_end(part.source)
    if end is None:
        raise MalformedEvidence("the zip has no end record")
    shift = end.position - end.directory_bytes - end.directory_offset
    yield from _end_findings(part, end, shift)
    start = end.position - end.directory_bytes
    if start < 0:
        raise MalformedEvidence("the central directory is longer than the file")
    entries = list(central_entries(part.source, start, end.directory_bytes))
    if len(entries) != end.entries:
        text = f"the end record announces {end.entries} members, the directory has {len(entries)}"
        yield part.finding("zip-structure", text)
    yield from _name_findings(part, entries)
    yield from _layout_findings(part, entries, shift, start)
    names = {_name(entry) for entry in entries}
    if any(_PROGRAM.fullmatch(name) for name in names):
        yield part.finding("torchscript-code", "the archive carries a TorchScript program")
    for runner, members in _ARCHIVES_OF_CODE.items():
        if any(members.fullmatch(name) for name in names):
            yield part.finding("archive-code", f"{runner} runs what the archive names")
    for entry in entries:
        storage = _STORAGE.fullmatch(_name(entry))
        raw = storage is not None and f"{storage[1]}/data.pkl" in names
        yield from _member(part, entry, shift, raw=raw)


def _end_findings(part: Part, end: End, shift: int) -> Iterator[Finding]:
    if shift:
        yield part.finding("zip-structure", f"{shift} bytes stand before the archive", 0)
    if end.stop != part.source.size:
        text = f"{part.source.size - end.stop} bytes follow the end record"
        yield part.finding("zip-structure", text, end.stop)
    if not end.agree:
        yield part.finding("zip-structure", "the end records contradict each other", end.position)
    if END_SIGNATURE in end.comment:
        yield part.finding("zip-structure", "the comment holds an end record", end.position)


def _name(entry: Entry) -> str:
    if entry.flags & _UTF8:
        return entry.name.decode("utf-8", "replace")
    return entry.name.decode("cp437")


def _name_findings(part: Part, entries: list[Entry]) -> Iterator[Finding]:
    seen: set[str] = set()
    for entry in entries:
        name = _name(entry)
        if fault := name_fault(name.removesuffix("/")):
            yield part.finding("zip-name", f"{name[:80]!r} {fault}", entry.offset)
        if name.casefold() in seen:
            text = f"{name[:80]!r} stands twice: which one is read?"
            yield part.finding("zip-name", text, entry.offset)
        seen.add(name.casefold())
        if entry.other_name not in {b"", entry.name}:
            text = f"{name[:80]!r} has a second name in an extra field"
            yield part.finding("zip-name", text, entry.offset)


def _layout_findings(part: Part, entries: list[Entry], shift: int, stop: int) -> Iterator[Finding]:
    """Local headers against the directory, and no byte between them that neither tells."""
    position = shift
    trailers = _NO_BYTES
    for entry in sorted(entries, key=lambda each: each.offset):
        at = entry.offset + shift
        local = local_entry(part.source, at)
        if local is None:
            yield part.finding("zip-structure", f"{_name(entry)[:80]!r} has no local header", at)
            continue
        yield from _disagreements(part, entry, local, at)
        yield from _gap(part, position, at, trailers)
        position = local.offset + entry.packed_bytes
        trailers = _descriptors(entry) if local.flags & _DESCRIPTOR else _NO_BYTES
    yield from _gap(part, position, stop, trailers)


def _disagreements(part: Part, entry: Entry, local: Entry, at: int) -> Iterator[Finding]:
    name = _name(entry)[:80]
    if local.name != entry.name:
        text = f"{name!r} is called {_name(local)[:80]!r} in its local header"
        yield part.finding("zip-structure", text, at)
    if local.method != entry.method:
        yield part.finding("zip-structure", f"{name!r} is packed in two ways at once", at)
    later = local.flags & _DESCRIPTOR and not local.size
    if not later and (local.size, local.packed_bytes) != (entry.size, entry.packed_bytes):
        yield part.finding("zip-structure", f"{name!r} has two sizes", at)
    if (local.flags | entry.flags) & _ENCRYPTED:
        yield part.finding("zip-encrypted", f"{name!r} is marked as encrypted", at)
    if entry.method == _STORED and entry.size != entry.packed_bytes:
        yield part.finding("zip-structure", f"{name!r} is stored under another length", at)
    if name.endswith("/") and entry.size:
        yield part.finding("zip-structure", f"the folder {name!r} has content", at)


def _gap(part: Part, start: int, stop: int, trailers: frozenset[bytes]) -> Iterator[Finding]:
    if stop < start:
        yield part.finding("zip-structure", "members overlap", stop)
    elif stop > start and part.source.read(start, min(stop - start, 64)) not in trailers:
        text = f"{stop - start} bytes belong to no member"
        yield part.finding("zip-structure", text, start)


def _descriptors(entry: Entry) -> frozenset[bytes]:
    """The forms that a member's data descriptor may have (APPNOTE 4.3.9)."""
    values = (entry.checksum, entry.packed_bytes, entry.size)
    wide = struct.pack("<LQQ", *values)
    short = struct.pack("<3L", *values) if max(values) < 1 << 32 else wide
    return frozenset(mark + form for mark in (b"", b"PK\x07\x08") for form in (short, wide))


def _member(part: Part, entry: Entry, shift: int, *, raw: bool) -> Iterator[Finding | Part]:
    name = _name(entry)
    local = local_entry(part.source, entry.offset + shift)
    if local is None or name.endswith("/"):
        return
    packed = Slice(part.source, local.offset, entry.packed_bytes)
    if packed.start + packed.size > part.source.size:
        yield part.finding("archive-broken", f"{name[:80]!r} is cut short", local.offset)
    elif entry.method == _STORED:
        if entry.size <= _CHECKED_BYTES and _checksum(packed) != entry.checksum:
            yield part.finding("zip-checksum", f"{name[:80]!r} differs from its checksum")
        yield part.inside(name, packed, raw=raw)
    elif entry.method not in _METHODS:
        yield part.finding("archive-unknown", f"{name[:80]!r} is packed by method {entry.method}")
    else:
        yield from _expanded(part, entry, packed, raw=raw)


def _checksum(source: Source) -> int:
    return zlib.crc32(source.read(0, source.size))


def _expanded(part: Part, entry: Entry, packed: Slice, *, raw: bool) -> Iterator[Finding | Part]:
    name = _name(entry)
    store = Store(part.allowance)
    try:
        end = expand(packed, 0, DECOMPRESSORS[_METHODS[entry.method]](), store)
    except MalformedEvidence as error:
        yield part.finding("archive-broken", f"{name[:80]!r}: {error.message}")
        end = packed.size
    else:
        if (store.size, store.checksum) != (entry.size, entry.checksum):
            yield part.finding("zip-checksum", f"{name[:80]!r} differs from its checksum")
    if end != packed.size:
        yield part.finding("zip-structure", f"{name[:80]!r} has bytes behind its stream")
    yield part.inside(name, store.source(), raw=raw)
