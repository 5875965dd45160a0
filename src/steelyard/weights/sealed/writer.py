"""Sealing a model: reading it once, encrypting it, leaving all or nothing.

Decides the order in which things reach the disk (spec/sealed-weights.md, section 8): a folder
grows under another name, and takes its own when every byte of it is on disk. The plain model
is only read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from blake3 import blake3

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.kernel.files import storage_errors
from steelyard.weights.model_folder import regular_files
from steelyard.weights.quorum import take_into_custody
from steelyard.weights.sealed.floe import HEADER_BYTES, KEY_BYTES, Stream, start_encryption
from steelyard.weights.sealed.header import (
    HEADER_NAME,
    LEAF_BYTES,
    LEAVES_NAME,
    PARAMETERS,
    Core,
    SealedHeader,
    StreamInfo,
    manifest_commitment,
    stream_name,
)
from steelyard.weights.sealed.index import FileEntry, Index
from steelyard.weights.sealed.layout import (
    PLAIN_SEGMENT_BYTES,
    Layout,
    plain_layout,
    tensor_layout,
)
from steelyard.weights.sealed.parallel import for_segments
from steelyard.weights.sealed.recipients import wrap
from steelyard.weights.sealed.staging import staged_folder
from steelyard.weights.tensors import LENGTH_BYTES, header_length, parse_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from steelyard.attest import PrivateKey
    from steelyard.attest.recipients import Recipient
    from steelyard.weights.model_folder import Entry
    from steelyard.weights.quorum import Member
    from steelyard.weights.sealed.recipients import AnyRecipient

_SEAL_BYTES: Final = 16
_SALT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Quorum:
    """Who must approve an opening: custodians, how many of them, and a broker or nobody."""

    members: Sequence[Member]
    threshold: int
    broker: Recipient | None = None


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a sealing is to be.

    Attributes:
        model: Name of the model.
        release: Its number, from 1.
        recipients: Who can open alone; may be empty where there is a quorum.
        quorum: Who can open together; None for nobody.
        manifest_root: Root by which a passport names the model; None to leave it out.
        threads: None for one per core.
    """

    model: str
    release: int
    recipients: Sequence[AnyRecipient]
    quorum: Quorum | None = None
    manifest_root: str | None = None
    threads: int | None = None


def seal_model(
    source: Path, out: Path, sealing: Sealing, key: PrivateKey, now: datetime,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> SealedHeader:  # fmt: skip
    """Seal a folder or file into the new folder `out`.

    Args:
        source: The plain model; regular files only.
        out: Must not exist.
        sealing: Names, recipients, release.
        key: Of the publisher; signs the header.
        now: Instant of sealing.
        progress: Called with bytes encrypted and bytes in all.

    Raises:
        ConfigurationError: `out` exists, or nobody could open.
        MalformedEvidence: a link, an unreadable file, a safetensors header that lies, or a
            file that changed meanwhile.
        StorageError: the disk refused; nothing is left behind.
    """
    if not sealing.recipients and sealing.quorum is None:
        raise ConfigurationError("nobody could open", hint="name a --recipient or a --quorum")
    files = regular_files(source)
    with staged_folder(out) as folder:
        writer = _Writer(folder, sealing.threads)
        core, index = _core_and_index(files, sealing)
        total = sum(file.size_bytes for file in files)
        writer.write_index(core, index)
        for number, file in enumerate(files, start=1):
            writer.write_file(core, number, file)
            progress(min(sum(s.plain_bytes for s in writer.streams[1:]), total), total)
        return writer.finish(core, sealing, key, now)


def _core_and_index(files: Sequence[Entry], sealing: Sealing) -> tuple[Core, Index]:
    entries = tuple(
        FileEntry(file.name, file.size_bytes, _kind(file), number)
        for number, file in enumerate(files, start=1)
    )
    seal = os.urandom(_SEAL_BYTES).hex()
    root = sealing.manifest_root
    if root is None:
        return Core(sealing.model, sealing.release, seal), Index(entries)
    salt = os.urandom(_SALT_BYTES)
    core = Core(sealing.model, sealing.release, seal, manifest_commitment(root, salt))
    return core, Index(entries, root, salt.hex())


def _kind(file: Entry) -> Literal["tensors", "bytes"]:
    return "tensors" if file.name.endswith(".safetensors") else "bytes"


class _Writer:
    """Writes streams one after another into a folder."""

    def __init__(self, folder: Path, threads: int | None) -> None:
        self.streams: list[StreamInfo] = []
        self._folder = folder
        self._threads = threads
        self._content_key = os.urandom(KEY_BYTES)
        self._leaves = bytearray()

    def write_index(self, core: Core, index: Index) -> None:
        data = index.to_bytes()

        def read(start: int, target: memoryview) -> None:
            target[:] = data[start : start + len(target)]

        self._write_stream(core, plain_layout(len(data)), read)

    def write_file(self, core: Core, number: int, file: Entry) -> None:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            before = os.fstat(descriptor)
            layout = _layout(descriptor, file)

            def read(start: int, target: memoryview) -> None:
                _read_pieces(descriptor, layout, start, target)

            self._write_stream(core, layout, read)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise MalformedEvidence("the file changed while it was sealed", where=file.name)
        if before.st_size != file.size_bytes or len(self.streams) != number + 1:
            raise MalformedEvidence("the file changed while it was sealed", where=file.name)

    def finish(self, core: Core, sealing: Sealing, key: PrivateKey, now: datetime) -> SealedHeader:
        digest = bytes.fromhex(core.digest)
        quorum = sealing.quorum
        header = SealedHeader(
            core=core,
            streams=tuple(self.streams),
            leaves=blake3(self._leaves).hexdigest(),
            sealed_at=now,
            recipients=tuple(wrap(self._content_key, core, r) for r in sealing.recipients),
            custody=quorum
            and take_into_custody(
                self._content_key, digest, quorum.members, quorum.threshold, quorum.broker
            ),
        )
        _write_whole(self._folder / LEAVES_NAME, bytes(self._leaves))
        _write_whole(self._folder / HEADER_NAME, header.sign(key))
        return header

    def _write_stream(
        self, core: Core, layout: Layout, read: Callable[[int, memoryview], None]
    ) -> None:
        number = len(self.streams)
        associated = core.associated(number, layout.plain_bytes)
        stream = start_encryption(self._content_key, associated, PARAMETERS)
        info = StreamInfo(layout.plain_bytes, stream.header)
        path = self._folder / stream_name(number)
        with storage_errors(path), path.open("xb", buffering=0) as target:
            os.posix_fallocate(target.fileno(), 0, info.cipher_bytes)
            os.pwrite(target.fileno(), stream.header, 0)
            self._leaves += _encrypt_into(target.fileno(), stream, info, read, self._threads)
            os.fsync(target.fileno())
        self.streams.append(info)


def _encrypt_into(
    target: int,
    stream: Stream,
    info: StreamInfo,
    read: Callable[[int, memoryview], None],
    threads: int | None,
) -> bytearray:
    """Encrypt every segment to its place in a file; returns the leaves."""
    total = info.segments
    leaves = bytearray(total * LEAF_BYTES)

    def work(first: int, stop: int) -> None:
        plain = memoryview(bytearray(PLAIN_SEGMENT_BYTES))
        cipher = memoryview(bytearray(PARAMETERS.segment_bytes))
        for position in range(first, stop):
            start = position * PLAIN_SEGMENT_BYTES
            length = min(PLAIN_SEGMENT_BYTES, info.plain_bytes - start)
            read(start, plain[:length])
            final = position == total - 1
            size = stream.encrypt_segment(plain[:length], position, cipher, final=final)
            _write_fully(target, cipher[:size], HEADER_BYTES + position * len(cipher))
            leaf = blake3(cipher[:size]).digest()
            leaves[position * LEAF_BYTES : (position + 1) * LEAF_BYTES] = leaf

    for_segments(total, work, threads)
    return leaves


def _layout(descriptor: int, file: Entry) -> Layout:
    if _kind(file) == "bytes":
        return plain_layout(file.size_bytes)
    size = file.size_bytes
    length = header_length(os.pread(descriptor, LENGTH_BYTES, 0), file_bytes=size, where=file.name)
    return tensor_layout(
        parse_header(os.pread(descriptor, length, 0), file_bytes=size, where=file.name)
    )


def _read_pieces(descriptor: int, layout: Layout, start: int, target: memoryview) -> None:
    end = 0
    for piece in layout.pieces_in(start, start + len(target)):
        low = piece.in_stream - start
        target[end:low] = bytes(low - end)
        end = low + piece.length
        done = 0
        while done < piece.length:
            read = os.preadv(descriptor, [target[low + done : end]], piece.in_file + done)
            if read == 0:
                raise MalformedEvidence("a file became shorter while it was sealed")
            done += read
    target[end:] = bytes(len(target) - end)


def _write_fully(descriptor: int, data: memoryview, at: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], at + done)


def _write_whole(path: Path, data: bytes) -> None:
    with storage_errors(path), path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
