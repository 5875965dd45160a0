"""An unlocked folder of sealed weights: streams to decrypt, in whole or in part.

Decides that every byte that leaves here is authentic at its own place (spec/sealed-weights.md,
section 7, steps 4 to 6). What the bytes mean is for `reader`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from steelyard.kernel import read_bytes
from steelyard.kernel.errors import BrokenSeal, CannotVerify, MalformedEvidence
from steelyard.weights.sealed.floe import HEADER_BYTES, start_decryption
from steelyard.weights.sealed.header import LEAF_BYTES, LEAVES_NAME, PARAMETERS, stream_name
from steelyard.weights.sealed.layout import PLAIN_SEGMENT_BYTES
from steelyard.weights.sealed.memory import secret_memory
from steelyard.weights.sealed.parallel import for_segments
from steelyard.weights.steady import LeaseLost, steady_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from steelyard.weights.sealed.floe import Stream
    from steelyard.weights.sealed.header import SealedHeader
    from steelyard.weights.steady import Bytes


@dataclass(frozen=True, slots=True, repr=False)
class SealedFolder:
    """A folder whose content key is known.

    Attributes:
        path: The folder.
        header: Verified.
        streams: FLOE state of every stream.
        leaves: Digests of all segments where the publisher's content is wanted, else None.
        threads: None for one per core.
    """

    path: Path
    header: SealedHeader
    streams: tuple[Stream, ...]
    leaves: bytes | None
    threads: int | None
    _first_leaf: tuple[int, ...]

    def decrypt(self, number: int, start: int = 0, stop: int | None = None) -> memoryview:
        """Plaintext of a stream from byte `start` up to `stop`, in memory of its own.

        Raises:
            BrokenSeal: changed, cut, or not what the publisher sealed.
            StorageError: too little memory.
        """
        info = self.header.streams[number]
        stop = info.plain_bytes if stop is None else stop
        if start == stop:
            return secret_memory(0)
        first = start // PLAIN_SEGMENT_BYTES
        last = max(first + 1, -(-stop // PLAIN_SEGMENT_BYTES))
        base = first * PLAIN_SEGMENT_BYTES
        end = min(last * PLAIN_SEGMENT_BYTES, info.plain_bytes)
        out = secret_memory(end - base)
        path = self.path / stream_name(number)
        try:
            try:
                with steady_bytes(path) as source:
                    self._decrypt(number, range(first, last), source, out)
            except LeaseLost:
                # A writer came: let it write, and read copies, which it cannot change.
                with steady_bytes(path, copy=True) as source:
                    self._decrypt(number, range(first, last), source, out)
        except (BrokenSeal, MalformedEvidence) as error:
            raise BrokenSeal(error.message, where=error.where or str(path)) from error
        return out[start - base : stop - base]

    def _decrypt(self, number: int, span: range, source: Bytes, out: memoryview) -> None:
        def new_worker() -> Callable[[int, int], None]:
            scratch = memoryview(bytearray(PARAMETERS.segment_bytes))

            def work(begin: int, end: int) -> None:
                for position in span[begin:end]:
                    low = (position - span.start) * PLAIN_SEGMENT_BYTES
                    target = out[low : low + PLAIN_SEGMENT_BYTES]
                    self.decrypt_segment(number, position, source, target, scratch)

            return work

        for_segments(len(span), new_worker, self.threads)

    def decrypt_segment(
        self, number: int, position: int, source: Bytes, out: memoryview, scratch: memoryview
    ) -> None:
        """One segment of a stream into memory as long as its plaintext.

        Args:
            number: Of the stream.
            position: Of the segment.
            source: Steady bytes of the stream's file.
            out: As long as the plaintext.
            scratch: At least as long as an encrypted segment.

        Raises:
            BrokenSeal: changed, cut, or not what the publisher sealed.
        """
        info = self.header.streams[number]
        final = position == info.segments - 1
        place = HEADER_BYTES + position * PARAMETERS.segment_bytes
        length = info.cipher_bytes - place if final else PARAMETERS.segment_bytes
        segment = source.take(place, length, scratch)
        if self.leaves is not None:
            self._require_leaf(segment, number, position)
        self.streams[number].decrypt_segment(segment, position, out, final=final)

    def _require_leaf(self, segment: memoryview, number: int, position: int) -> None:
        start = (self._first_leaf[number] + position) * LEAF_BYTES
        if blake3(segment).digest() != (self.leaves or b"")[start : start + LEAF_BYTES]:
            raise BrokenSeal(f"segment {position} is not what the publisher sealed")


def unlock(
    path: Path, header: SealedHeader, content_key: bytes, *, publisher: bool, threads: int | None
) -> SealedFolder:
    """Check lengths, FLOE headers and keys of every stream (section 7, steps 4 and 5).

    Args:
        path: The folder.
        header: Verified.
        content_key: 32 bytes.
        publisher: Whether content must be the publisher's, not only a recipient's.
        threads: None for one per core.

    Raises:
        BrokenSeal: a stream is cut, lengthened, exchanged, or of another key.
    """
    for number, info in enumerate(header.streams):
        _require_file(path / stream_name(number), info.cipher_bytes, info.header)
    streams = tuple(
        _start(content_key, header, number, path) for number in range(len(header.streams))
    )
    leaves = _read_leaves(path, header) if publisher else None
    return SealedFolder(path, header, streams, leaves, threads, header.leaf_offsets)


def _require_file(path: Path, size_bytes: int, floe_header: bytes) -> None:
    try:
        with steady_bytes(path, copy=True) as source:
            start = bytes(source.take(0, HEADER_BYTES, memoryview(bytearray(HEADER_BYTES))))
            found = path.stat(follow_symlinks=False).st_size
    except (CannotVerify, OSError) as error:
        raise BrokenSeal(f"stream unreadable: {error}", where=str(path)) from error
    if found != size_bytes:
        fault = "cut" if found < size_bytes else "longer than it was sealed"
        raise BrokenSeal(
            f"the stream is {fault}: {found} bytes, need {size_bytes}", where=str(path)
        )
    if start != floe_header:
        message = "the stream is not the one that the header names"
        raise BrokenSeal(message, where=str(path), hint="header and streams are of two sealings")


def _start(content_key: bytes, header: SealedHeader, number: int, path: Path) -> Stream:
    info = header.streams[number]
    associated = header.core.associated(number, info.plain_bytes)
    try:
        return start_decryption(content_key, associated, info.header, PARAMETERS)
    except BrokenSeal as error:
        raise BrokenSeal(error.message, where=str(path / stream_name(number))) from error


def _read_leaves(path: Path, header: SealedHeader) -> bytes:
    place = path / LEAVES_NAME
    wanted = sum(stream.segments for stream in header.streams) * LEAF_BYTES
    leaves = read_bytes(place, limit_bytes=wanted)
    if len(leaves) != wanted or blake3(leaves).hexdigest() != header.leaves:
        raise BrokenSeal("the leaves are not those of the header", where=str(place))
    return leaves
