"""Faults of the archive itself: bombs, overlaps, hidden bytes, deceptive headers."""  # noqa: INP001 - as build.py

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from passport_draft import Draft, issued, patched, statement, zipped

from steelyard.passport.archive import MATRIX, REPORT


def honest_pairs() -> list[tuple[str, bytes]]:
    """Members of the honest passport with their bytes, in order."""
    return sorted(Draft().members().items())


def bomb() -> bytes:
    """Sixty MiB of spaces that declare to be one KiB."""
    members = dict(Draft().members())
    members[REPORT] = b" " * (60 << 20)
    data = zipped(sorted(members.items()))
    return patched(data, REPORT, 24, struct.pack("<L", 1024), local=22)


def overlap() -> bytes:
    """Two members that share one local header's data."""
    data = zipped(honest_pairs(), zipfile.ZIP_STORED)
    name = statement("run-intent")
    start = data.rindex(b"PK\x01\x02", 0, data.rindex(MATRIX.encode()))
    return patched(data, name, 42, data[start + 42 : start + 46])


def extra_field(kind: int) -> bytes:
    """The report's entry carries an extra field of the given kind."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in honest_pairs():
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<2H4s", kind, 4, b"evil") if name == REPORT else b""
            archive.writestr(info, data)
    return buffer.getvalue()


def damaged() -> bytes:
    """One bit of the matrix's packed data is turned."""
    data = issued()
    start = data.index(MATRIX.encode()) + len(MATRIX) + 40
    return data[:start] + bytes([data[start] ^ 0xFF]) + data[start + 1 :]


def hidden_in_stream() -> bytes:
    """Bytes after the end of a deflate stream, inside the member's packed size."""
    content = dict(honest_pairs())[REPORT]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = packer.compress(content) + packer.flush() + b"hidden"
    pairs = [(name, stream if name == REPORT else data) for name, data in honest_pairs()]
    data = zipped(pairs, zipfile.ZIP_STORED)
    data = patched(data, REPORT, 10, b"\x08\x00", local=8)
    data = patched(data, REPORT, 16, struct.pack("<L", zlib.crc32(content)), local=14)
    return patched(data, REPORT, 24, struct.pack("<L", len(content)), local=22)


def hidden_before_directory() -> bytes:
    """Bytes between the last member and the central directory."""
    data = issued()
    (start,) = struct.unpack_from("<L", data, len(data) - 6)
    end = struct.pack("<L", start + 6) + data[-2:]
    return data[:start] + b"hidden" + data[start:-6] + end


def local_name() -> bytes:
    """The report's local header names another file than the directory."""
    data = zipped(honest_pairs())
    position = data.index(REPORT.encode())
    return data[:position] + b"Report.html" + data[position + len(REPORT) :]
