"""Digests of files and shards: SHA-256, BLAKE2b and BLAKE3, on every core there is.

Decides how a byte range is read and hashed (OMS algorithm registry). Shards and files are
spread over threads; a single BLAKE3 file is spread inside. Bytes are steady while they are
hashed (`weights.steady`); that what was hashed is what is used later is for `reading`.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from blake3 import blake3

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.weights.steady import steady_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

HashName = Literal["sha256", "blake2b", "blake3"]

DIGEST_BYTES: Final[dict[HashName, int]] = {"sha256": 32, "blake2b": 64, "blake3": 32}
_PIECE_BYTES: Final = 16 << 20


class Hasher(Protocol):
    """What hashlib and blake3 have in common."""

    def update(self, data: memoryview, /) -> object:
        """Take in more bytes."""
        ...

    def digest(self) -> bytes:
        """The digest of the bytes so far."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file to hash.

    Attributes:
        path: The file.
        start: First byte.
        stop: The byte after the last.
        follow: Whether the path itself may be a link.
    """

    path: Path
    start: int
    stop: int
    follow: bool = False


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def new_hasher(algorithm: HashName, threads: int = 1) -> Hasher:
    """An empty hash; `threads` counts for BLAKE3 only."""
    if algorithm == "blake3":
        return blake3(max_threads=threads)
    return hashlib.new(algorithm, usedforsecurity=True)


def digests(
    ranges: Sequence[Range],
    algorithm: HashName,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[bytes]:
    """The digest of each range, in order.

    Args:
        ranges: What to hash; best the largest first.
        algorithm: A name of the OMS registry.
        progress: Called with (bytes hashed, bytes in all) as ranges are finished.

    Raises:
        MalformedEvidence: a file that cannot be read, or ends before its range does.
    """
    workers = max(1, min(cores(), len(ranges)))
    threads = max(1, cores() // workers)
    done, total = 0, sum(piece.stop - piece.start for piece in ranges)
    found: list[bytes] = []

    def hash_one(piece: Range) -> bytes:
        return _digest(piece, algorithm, threads)

    with ThreadPoolExecutor(workers) as pool:
        for piece, digest in zip(ranges, pool.map(hash_one, ranges), strict=True):
            found.append(digest)
            done += piece.stop - piece.start
            progress(done, total)
    return found


def _digest(piece: Range, algorithm: HashName, threads: int) -> bytes:
    hasher = new_hasher(algorithm, threads)
    scratch = memoryview(bytearray(min(_PIECE_BYTES, piece.stop - piece.start)))
    with steady_bytes(piece.path, follow=piece.follow) as source:
        for start in range(piece.start, piece.stop, _PIECE_BYTES):
            length = min(_PIECE_BYTES, piece.stop - start)
            try:
                hasher.update(source.take(start, length, scratch))
            except BrokenSeal as error:
                message = f"the file has not the {piece.stop} bytes that were expected"
                raise MalformedEvidence(message, where=str(piece.path)) from error
    return hasher.digest()
