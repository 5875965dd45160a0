"""Bytes of something that is scanned, read piecemeal and never all at once.

A source is a file, a part of one, or what an archive member expands to. It knows its length
and gives any range; whoever reads decides how much is worth reading.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Protocol

from steelyard.kernel.errors import MalformedEvidence

READ_LIMIT_BYTES: Final = 1 << 26
"""The most that one call gives: what a parser holds in memory stays bounded by it."""


class Source(Protocol):
    """Bytes with a length."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` on, fewer where the source ends or the read limit is met."""
        ...


@dataclass(frozen=True, slots=True)
class FileSource:
    """An open file, read by position so that several readers do not disturb each other."""

    descriptor: int
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` on.

        Raises:
            MalformedEvidence: the disk refuses.
        """
        wanted = max(0, min(length, self.size - offset, READ_LIMIT_BYTES))
        try:
            data = os.pread(self.descriptor, wanted, offset) if wanted else b""
            while len(data) < wanted and (
                more := os.pread(self.descriptor, wanted - len(data), offset + len(data))
            ):
                data += more
        except OSError as error:
            raise MalformedEvidence(f"cannot read: {error.strerror or error}") from error
        return data


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Bytes that are in memory already."""

    data: bytes

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` on."""
        return self.data[offset : offset + max(0, min(length, READ_LIMIT_BYTES))]


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of another source."""

    whole: Source
    start: int
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` of the range on."""
        return self.whole.read(self.start + offset, max(0, min(length, self.size - offset)))


_WINDOW_BYTES: Final = 1 << 16
LINE_LIMIT_BYTES: Final = 1 << 20
"""A longer line is passed over, but for its first part."""


class EndOfSource(MalformedEvidence):
    """More bytes were asked for than there are."""


class Cursor:
    """Reads a source from front to back through a small window."""

    def __init__(self, source: Source, position: int = 0) -> None:
        self._source = source
        self._window = b""
        self._base = position
        self.position = position

    @property
    def left(self) -> int:
        """Bytes between the position and the end."""
        return self._source.size - self.position

    def take(self, length: int) -> bytes:
        """The next `length` bytes.

        Raises:
            EndOfSource: there are fewer, or more than the read limit were asked for.
        """
        start = self.position - self._base
        data = self._window[start : start + length]
        if len(data) < length:
            if length > min(self.left, READ_LIMIT_BYTES):
                raise EndOfSource(f"{length} bytes were announced, {self.left} are left")
            self._base = self.position
            self._window = self._source.read(self.position, max(length, _WINDOW_BYTES))
            data = self._window[:length]
            if len(data) < length:
                raise EndOfSource(f"{length} bytes were announced, {len(data)} are left")
        self.position += length
        return data

    def skip(self, length: int) -> None:
        """Pass over bytes without reading them.

        Raises:
            EndOfSource: there are fewer.
        """
        if length > self.left:
            raise EndOfSource(f"{length} bytes were announced, {self.left} are left")
        self.position += length

    def line(self) -> bytes:
        """The next bytes up to a line feed, without it; of a long line only its first part.

        Raises:
            EndOfSource: no line feed follows.
        """
        start = self.position - self._base
        end = self._window.find(b"\n", start)
        if 0 <= start <= end:
            self.position = self._base + end + 1
            return self._window[start:end]
        first = self._source.read(self.position, LINE_LIMIT_BYTES)
        position, window = self.position, first
        while (end := window.find(b"\n")) < 0:
            position += len(window)
            window = self._source.read(position, LINE_LIMIT_BYTES)
            if not window:
                raise EndOfSource("a line does not end")
        line = first[: position + end - self.position]
        self._base, self._window = position, window
        self.position = position + end + 1
        return line
