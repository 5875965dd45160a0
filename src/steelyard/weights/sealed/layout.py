"""Where the bytes of a file lie in its stream (spec/sealed-weights.md, section 4).

Decides the place of every tensor, so that a large one starts a segment and can be decrypted
straight into its own memory. Pure arithmetic on a header; nothing is read here.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.weights.tensors import TensorHeader

PLAIN_SEGMENT_BYTES: Final = 1 << 20
LARGE_TENSOR_BYTES: Final = 8 << 20
_SMALL_ALIGNMENT: Final = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of bytes that a file and its stream share."""

    in_stream: int
    in_file: int
    length: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The pieces of a stream in their order, and its length; between them are zeros."""

    pieces: tuple[Piece, ...]
    plain_bytes: int

    def pieces_in(self, start: int, stop: int) -> Iterator[Piece]:
        """What of the pieces lies in a range of the stream, cut to it."""
        first = bisect_right(self.pieces, start, key=lambda piece: piece.in_stream) - 1
        for piece in self.pieces[max(first, 0) :]:
            if piece.in_stream >= stop:
                return
            low = max(piece.in_stream, start)
            high = min(piece.in_stream + piece.length, stop)
            if low < high:
                yield Piece(low, piece.in_file + low - piece.in_stream, high - low)


def plain_layout(size_bytes: int) -> Layout:
    """A file as it is."""
    return Layout((Piece(0, 0, size_bytes),) if size_bytes else (), size_bytes)


def tensor_layout(header: TensorHeader) -> Layout:
    """A safetensors file: header, large tensors at segments, small ones packed."""
    places = tensor_places(header)
    pieces = [Piece(0, 0, header.header_bytes)]
    end = header.header_bytes
    for tensor in header.tensors:
        place = places[tensor.name]
        end = max(end, place + tensor.size_bytes)
        if tensor.size_bytes:
            pieces.append(Piece(place, header.header_bytes + tensor.start, tensor.size_bytes))
    return Layout(tuple(sorted(pieces, key=lambda piece: piece.in_stream)), end)


def tensor_places(header: TensorHeader) -> Mapping[str, int]:
    """First byte of every tensor in its stream, by name."""
    places: dict[str, int] = {}
    end = header.header_bytes
    for large in (True, False):
        alignment = PLAIN_SEGMENT_BYTES if large else _SMALL_ALIGNMENT
        for tensor in header.tensors:
            if (tensor.size_bytes >= LARGE_TENSOR_BYTES) is large:
                places[tensor.name] = _aligned(end, alignment)
                end = places[tensor.name] + tensor.size_bytes
    return places


def segment_count(plain_bytes: int) -> int:
    """Segments of a stream; an empty one has one, its end."""
    return max(1, -(-plain_bytes // PLAIN_SEGMENT_BYTES))


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment
