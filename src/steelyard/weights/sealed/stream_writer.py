"""Writing streams into a new folder of sealed weights, and the header at the end.

Decides how a segment gets to its place: read, encrypted, written, hashed, by as many threads
as there are cores. Where the plaintext comes from is the caller's: a plain file or, for a new
key, another folder of sealed weights.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from steelyard.kernel.errors import (
    CannotVerify,
    ConfigurationError,
    MalformedEvidence,
    StorageError,
)
from steelyard.kernel.files import storage_errors, write_fully
from steelyard.weights.quorum import take_into_custody
from steelyard.weights.sealed.floe import HEADER_BYTES, KEY_BYTES, start_encryption
from steelyard.weights.sealed.header import (
    HEADER_LIMIT_BYTES,
    HEADER_NAME,
    LEAF_BYTES,
    LEAVES_NAME,
    PARAMETERS,
    SealedHeader,
    StreamInfo,
    parse_header,
    stream_name,
)
from steelyard.weights.sealed.layout import PLAIN_SEGMENT_BYTES
from steelyard.weights.sealed.memory import secret_memory
from steelyard.weights.sealed.parallel import for_segments
from steelyard.weights.sealed.recipients import wrap
from steelyard.weights.staging import SPACE_HINT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from steelyard.attest import PrivateKey
    from steelyard.attest.recipients import Recipient
    from steelyard.weights.quorum import Custody, Member
    from steelyard.weights.sealed.floe import Stream
    from steelyard.weights.sealed.header import Core
    from steelyard.weights.sealed.recipients import AnyRecipient


@dataclass(frozen=True, slots=True)
class Quorum:
    """Who must approve an opening: custodians, how many of them, and a broker or nobody."""

    members: Sequence[Member]
    threshold: int
    broker: Recipient | None = None

    def take(self, content_key: bytes, core: Core) -> Custody:
        """Put a content key under this quorum."""
        digest = bytes.fromhex(core.digest)
        return take_into_custody(content_key, digest, self.members, self.threshold, self.broker)


class StreamWriter:
    """Writes the streams of one sealing, under a new content key, then its header."""

    def __init__(self, folder: Path, core: Core, threads: int | None) -> None:
        self._folder = folder
        self._core = core
        self._threads = threads
        self._content_key = os.urandom(KEY_BYTES)
        self._streams: list[StreamInfo] = []
        self._leaves = bytearray()

    def write(self, plain_bytes: int, read: Callable[[int, memoryview], memoryview]) -> None:
        """Write the next stream.

        Args:
            plain_bytes: Length of its plaintext.
            read: Gives plaintext from a position, always the start of a segment: the memory it
                got, filled, or other memory of the same length. Several threads call it.

        Raises:
            StorageError: the disk refused.
        """
        number = len(self._streams)
        associated = self._core.associated(number, plain_bytes)
        stream = start_encryption(self._content_key, associated, PARAMETERS)
        info = StreamInfo(plain_bytes, stream.header)
        path = self._folder / stream_name(number)
        with storage_errors(path, hint=SPACE_HINT), path.open("xb", buffering=0) as target:
            os.ftruncate(target.fileno(), info.cipher_bytes)
            os.pwrite(target.fileno(), stream.header, 0)
            self._leaves += _encrypt_into(target.fileno(), stream, info, read, self._threads)
            os.fsync(target.fileno())
        self._streams.append(info)

    def finish(
        self, recipients: Sequence[AnyRecipient], quorum: Quorum | None, key: PrivateKey,
        now: datetime,
    ) -> SealedHeader:  # fmt: skip
        """Write leaves and header; returns the header."""
        header = SealedHeader(
            core=self._core,
            streams=tuple(self._streams),
            leaves=blake3(self._leaves).hexdigest(),
            sealed_at=now,
            recipients=tuple(wrap(self._content_key, self._core, r) for r in recipients),
            custody=quorum and quorum.take(self._content_key, self._core),
        )
        _write_whole(self._folder / LEAVES_NAME, bytes(self._leaves))
        _write_whole(self._folder / HEADER_NAME, checked_envelope(header, key))
        return header


def checked_envelope(header: SealedHeader, key: PrivateKey) -> bytes:
    """The signed header, read back as its readers will read it.

    Raises:
        ConfigurationError: they would refuse it; nothing that nobody can open is kept.
    """
    envelope = header.sign(key)
    try:
        if len(envelope) > HEADER_LIMIT_BYTES:
            message = f"the header has {len(envelope)} bytes, at most {HEADER_LIMIT_BYTES} are read"
            raise MalformedEvidence(message)
        parse_header(envelope, key.public_key, where=HEADER_NAME)
    except CannotVerify as error:
        message = f"nobody could open this: {error.message}"
        raise ConfigurationError(message, where=HEADER_NAME) from error
    return envelope


def require_space(folder: Path, size_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        StorageError: with what is free and what is needed.
    """
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < size_bytes:
        message = f"{free} bytes are free, sealing needs {size_bytes}"
        raise StorageError(message, where=str(folder), hint="free space, or choose another disk")


def _encrypt_into(
    target: int,
    stream: Stream,
    info: StreamInfo,
    read: Callable[[int, memoryview], memoryview],
    threads: int | None,
) -> bytearray:
    """Encrypt every segment to its place in a file; returns the leaves."""
    total = info.segments
    leaves = bytearray(total * LEAF_BYTES)
    # The kernel lets one thread at a time write into a file and has the others spin for their
    # turn; here they encrypt meanwhile.
    writing = threading.Lock()

    def new_worker() -> Callable[[int, int], None]:
        scratch = secret_memory(PLAIN_SEGMENT_BYTES)
        cipher = memoryview(bytearray(PARAMETERS.segment_bytes))

        def work(first: int, stop: int) -> None:
            for position in range(first, stop):
                start = position * PLAIN_SEGMENT_BYTES
                plain = read(start, scratch[: min(PLAIN_SEGMENT_BYTES, info.plain_bytes - start)])
                size = stream.encrypt_segment(plain, position, cipher, final=position == total - 1)
                with writing:
                    write_fully(target, cipher[:size], HEADER_BYTES + position * len(cipher))
                leaf = blake3(cipher[:size]).digest()
                leaves[position * LEAF_BYTES : (position + 1) * LEAF_BYTES] = leaf

        return work

    for_segments(total, new_worker, threads)
    return leaves


def _write_whole(path: Path, data: bytes) -> None:
    with storage_errors(path, hint=SPACE_HINT), path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
