"""What single-stream compression hides: gzip, bzip2, xz, lzma, zlib, and members of zips.

Expands into memory, and beyond 16 MiB into a file without a name, never further than the
allowance. The memory of the decompressors is bounded too: a header may ask for gigabytes.
"""

from __future__ import annotations

import bz2
import lzma
import tempfile
import zlib
from typing import IO, TYPE_CHECKING, Final, Protocol

from steelyard.kernel.errors import MalformedEvidence, UnsafeArchive
from steelyard.weights.scan.source import FileSource, MemorySource, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Allowance, Part

_INPUT_BYTES: Final = 1 << 16
_OUTPUT_BYTES: Final = 1 << 20
_MEMORY_BYTES: Final = 1 << 24
_DICTIONARY_LIMIT_BYTES: Final = 1 << 28
_PADDING_BYTES: Final = 1 << 28
_GZIP_WINDOW: Final = 31
_RAW_WINDOW: Final = -15
_ZLIB_WINDOW: Final = 15


class Decompressor(Protocol):
    """What `bz2`, `lzma` and the adapter below have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether more output needs more input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Input behind the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """At most `max_length` bytes more."""
        ...


class _Zlib:
    """zlib with the interface of the others."""

    def __init__(self, window: int) -> None:
        self._state = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._state.eof

    @property
    def needs_input(self) -> bool:
        """Whether more output needs more input."""
        return not self._state.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """Input behind the end of the stream."""
        return self._state.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """At most `max_length` bytes more."""
        return self._state.decompress(self._state.unconsumed_tail + data, max_length)


DECOMPRESSORS: Final[Mapping[str, Callable[[], Decompressor]]] = {
    "gzip": lambda: _Zlib(_GZIP_WINDOW),
    "zlib": lambda: _Zlib(_ZLIB_WINDOW),
    "deflate": lambda: _Zlib(_RAW_WINDOW),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DICTIONARY_LIMIT_BYTES),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_DICTIONARY_LIMIT_BYTES),
}
"""By the name of the format; `deflate` is what zips use."""
_SEVERAL: Final = frozenset({"gzip", "bzip2", "xz"})
"""Formats whose readers go on with a next stream behind the first."""


def read_packed(part: Part, kind: str) -> Iterator[Finding | Part]:
    """The one thing that a compressed file expands to.

    Raises:
        MalformedEvidence: the stream is broken.
        UnsafeArchive: it expands too far.
    """
    position, magic = 0, part.source.read(0, 2)
    store = Store(part.allowance)
    while True:
        stop = expand(part.source, position, DECOMPRESSORS[kind](), store)
        position = after_zeros(part.source, stop)
        if position == part.source.size:
            break
        if kind not in _SEVERAL or part.source.read(position, 2) != magic:
            yield part.finding("archive-trailing", f"bytes follow the {kind} stream", position)
            break
        if position > stop:
            # Python's gzip passes over the zeros and goes on; others have read everything.
            text = f"{position - stop} zero bytes stand before another {kind} stream"
            yield part.finding("archive-trailing", text, stop)
    yield part.inside("content", store.source())


def after_zeros(source: Source, position: int) -> int:
    """Where the first byte other than zero stands; the end of the source where there is none.

    Raises:
        UnsafeArchive: more zeros than are read.
    """
    start = position
    while (window := source.read(position, _OUTPUT_BYTES)) and position - start < _PADDING_BYTES:
        kept = window.lstrip(b"\0")
        if kept:
            return position + len(window) - len(kept)
        position += len(window)
    if window:
        raise UnsafeArchive(f"more than {_PADDING_BYTES} zero bytes stand behind the end")
    return position


def expand(source: Source, position: int, state: Decompressor, store: Store) -> int:
    """Expand one stream from `position` on; returns where it ends.

    Raises:
        MalformedEvidence: broken or cut short.
        UnsafeArchive: it expands too far.
    """
    while not state.eof:
        data = source.read(position, _INPUT_BYTES) if state.needs_input else b""
        position += len(data)
        if state.needs_input and not data:
            raise MalformedEvidence("the compressed stream is cut short")
        try:
            store.add(state.decompress(data, _OUTPUT_BYTES))
        except (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise MalformedEvidence(f"the compressed stream is broken: {error}") from error
    return position - len(state.unused_data)


class Store:
    """Collects what a stream expands to, and its CRC-32."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.size = 0
        self.checksum = 0

    def add(self, data: bytes) -> None:
        """One more piece.

        Raises:
            UnsafeArchive: the allowance is used up.
        """
        self._allowance.expand(len(data))
        self.size += len(data)
        self.checksum = zlib.crc32(data, self.checksum)
        if self._file is None:
            self._pieces.append(data)
            if self.size > _MEMORY_BYTES:
                self._spill()
        else:
            self._file.write(data)

    def _spill(self) -> None:
        self._file = self._allowance.keep(tempfile.TemporaryFile())  # noqa: SIM115 - kept there
        for piece in self._pieces:
            self._file.write(piece)
        self._pieces.clear()

    def source(self) -> Source:
        """Everything collected."""
        if self._file is None:
            return MemorySource(b"".join(self._pieces))
        self._file.flush()
        return FileSource(self._file.fileno(), self.size)
