"""Where a broker's segments lie: a folder of sealed weights whose key it never has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from steelyard.kernel import read_bytes
from steelyard.kernel.errors import MalformedEvidence, StorageError, UnknownName
from steelyard.weights.broker.meter import Span
from steelyard.weights.sealed import Expect, SealedHeader, read_header
from steelyard.weights.sealed.floe import HEADER_BYTES
from steelyard.weights.sealed.header import HEADER_NAME, LEAVES_NAME, PARAMETERS, stream_name

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.attest import PublicKey


_GONE: Final = "the sealed weights cannot be read any more"


class Store(Protocol):
    """Encrypted segments of one model."""

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def artifact(self) -> str:
        """Digest that names this sealing, hex."""
        ...

    @property
    def header(self) -> bytes:
        """What a reader needs beside the segments."""
        ...

    @property
    def leaves(self) -> bytes:
        """Digests of all segments."""
        ...

    @property
    def stream_segments(self) -> tuple[int, ...]:
        """Segments of each stream."""
        ...

    @property
    def segment_bytes(self) -> int:
        """Length of a segment, the last of a stream excepted."""
        ...

    def read(self, stream: int, first: int, count: int) -> bytes:
        """Encrypted segments of one stream."""
        ...


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A folder of sealed weights, its header verified."""

    folder: Path
    sealed: SealedHeader
    header: bytes

    @classmethod
    def open(cls, folder: Path, publisher: PublicKey) -> FolderStore:
        """Verify the header; errors as `steelyard.weights.sealed.read_header`."""
        sealed = read_header(folder, Expect(publisher))
        return cls(folder, sealed, read_bytes(folder / HEADER_NAME))

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.sealed.core.model

    @property
    def artifact(self) -> str:
        """Core digest."""
        return self.sealed.core.digest

    @property
    def leaves(self) -> bytes:
        """The file of digests; whoever fetches it holds it against the header.

        Raises:
            StorageError: it cannot be read any more.
        """
        path = self.folder / LEAVES_NAME
        try:
            return read_bytes(path)
        except MalformedEvidence as error:
            raise StorageError(_GONE, where=str(path)) from error

    @property
    def stream_segments(self) -> tuple[int, ...]:
        """Segments of each stream."""
        return tuple(stream.segments for stream in self.sealed.streams)

    @property
    def segment_bytes(self) -> int:
        """Length of an encrypted segment."""
        return PARAMETERS.segment_bytes

    def read(self, stream: int, first: int, count: int) -> bytes:
        """Encrypted segments of one stream, as they lie there.

        Raises:
            StorageError: the file cannot be read, or is shorter than the header says.
        """
        info = self.sealed.streams[stream]
        start = HEADER_BYTES + first * PARAMETERS.segment_bytes
        stop = min(start + count * PARAMETERS.segment_bytes, info.cipher_bytes)
        path = self.folder / stream_name(stream)
        try:
            with path.open("rb") as file:
                data = os.pread(file.fileno(), stop - start, start)
        except OSError as error:
            raise StorageError(_GONE, where=str(path)) from error
        if len(data) != stop - start:
            raise StorageError(_GONE, where=str(path))
        return data


def span_of(store: Store, stream: int, first: int, count: int) -> Span:
    """The numbers of a stream's segments among those of the whole model.

    Raises:
        UnknownName: no such stream or segments.
    """
    segments = store.stream_segments
    if not 0 <= stream < len(segments) or count < 1 or not 0 <= first <= segments[stream] - count:
        raise UnknownName("no such segments", where=f"stream {stream}")
    return Span(sum(segments[:stream]) + first, count)
