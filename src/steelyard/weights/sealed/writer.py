"""Sealing a model: reading it once, encrypting it, leaving all or nothing.

Decides what is sealed and in which order (spec/sealed-weights.md, sections 4, 5 and 8). The
plain model is only read. How segments get to the disk is for `stream_writer`, how a folder
appears whole for `staging`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel import check_label
from steelyard.kernel.errors import (
    BrokenSeal,
    ConfigurationError,
    MalformedEvidence,
    UsageError,
)
from steelyard.weights.model_folder import regular_files
from steelyard.weights.sealed.header import FILE_LIMIT, Core, manifest_commitment
from steelyard.weights.sealed.index import FileEntry, Index, kind_of
from steelyard.weights.sealed.layout import Layout, plain_layout, tensor_layout
from steelyard.weights.sealed.stream_writer import StreamWriter, require_space
from steelyard.weights.staging import staged_folder
from steelyard.weights.steady import steady_bytes
from steelyard.weights.tensors import LENGTH_BYTES, header_length, parse_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from steelyard.attest import PrivateKey
    from steelyard.weights.model_folder import Entry
    from steelyard.weights.sealed.header import SealedHeader
    from steelyard.weights.sealed.recipients import AnyRecipient
    from steelyard.weights.sealed.stream_writer import Quorum
    from steelyard.weights.steady import Bytes

_SEAL_BYTES: Final = 16
_SALT_BYTES: Final = 32
_HIGHEST_RELEASE: Final = 2**53 - 1


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

    def __post_init__(self) -> None:
        """Refuse what no reader would open.

        Raises:
            ConfigurationError: neither a recipient nor a quorum.
            UsageError: no name of a model, or no number of a release.
        """
        try:
            check_label(self.model)
        except ValueError as error:
            raise UsageError(f"name of the model: {error}") from error
        if not 1 <= self.release <= _HIGHEST_RELEASE:
            message = f"a release is a number from 1 to 2^53 - 1, found {self.release}"
            raise UsageError(message)
        if not self.recipients and self.quorum is None:
            hint = "name a recipient with --to, or custodians with --quorum"
            raise ConfigurationError("nobody could open", hint=hint)


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
        UsageError: `out` exists.
        MalformedEvidence: a link, an unreadable file, a safetensors header that lies, or a
            file that changed meanwhile.
        StorageError: the disk refused; nothing is left behind.
    """
    files = regular_files(source)
    if len(files) > FILE_LIMIT:
        message = f"a model has at most {FILE_LIMIT} files, found {len(files)}"
        raise UsageError(message, where=str(source))
    total = sum(file.size_bytes for file in files)
    core, index = new_core(sealing), _index(files)
    if sealing.manifest_root is not None:
        core, index = with_manifest(core, index, sealing.manifest_root)
    with staged_folder(out) as folder:
        require_space(folder, total)
        writer = StreamWriter(folder, core, sealing.threads)
        write_index(writer, index)
        done = 0
        for file in files:
            _write_file(writer, file)
            done += file.size_bytes
            progress(done, total)
        return writer.finish(sealing.recipients, sealing.quorum, key, now)


def new_core(sealing: Sealing) -> Core:
    """A core for a new sealing."""
    return Core(sealing.model, sealing.release, os.urandom(_SEAL_BYTES).hex())


def with_manifest(core: Core, index: Index, root: str) -> tuple[Core, Index]:
    """Core and index that commit to a manifest root, under a new salt."""
    salt = os.urandom(_SALT_BYTES)
    committed = Core(core.model, core.release, core.seal, manifest_commitment(root, salt))
    return committed, Index(index.files, root, salt.hex())


def write_index(writer: StreamWriter, index: Index) -> None:
    """Write stream 0."""
    data = index.to_bytes()

    def read(start: int, target: memoryview) -> memoryview:
        target[:] = data[start : start + len(target)]
        return target

    writer.write(len(data), read)


def _index(files: Sequence[Entry]) -> Index:
    return Index(
        tuple(
            FileEntry(file.name, file.size_bytes, kind_of(file.name), number)
            for number, file in enumerate(files, start=1)
        )
    )


def _write_file(writer: StreamWriter, file: Entry) -> None:
    before = _state(file)
    try:
        with steady_bytes(file.path, refuse_writers=True) as source:
            layout = _layout(source, file)

            def read(start: int, target: memoryview) -> memoryview:
                return _read_pieces(source, layout, start, target)

            writer.write(layout.plain_bytes, read)
    except BrokenSeal as error:
        raise _changed(file) from error
    if _state(file) != before or before[0] != file.size_bytes:
        raise _changed(file)


def _state(file: Entry) -> tuple[int, int]:
    try:
        status = file.path.stat(follow_symlinks=False)
    except OSError as error:
        raise _changed(file) from error
    return status.st_size, status.st_mtime_ns


def _changed(file: Entry) -> MalformedEvidence:
    return MalformedEvidence("the file changed while it was sealed", where=str(file.path))


def _layout(source: Bytes, file: Entry) -> Layout:
    if kind_of(file.name) == "bytes":
        return plain_layout(file.size_bytes)
    size, where = file.size_bytes, str(file.path)
    prefix = _bytes(source, min(LENGTH_BYTES, size))
    length = header_length(prefix, file_bytes=size, where=where)
    return tensor_layout(parse_header(_bytes(source, length), file_bytes=size, where=where))


def _bytes(source: Bytes, length: int) -> bytes:
    return bytes(source.take(0, length, memoryview(bytearray(length))))


def _read_pieces(source: Bytes, layout: Layout, start: int, target: memoryview) -> memoryview:
    """Plaintext of a segment: bytes of the file itself where they are all it has."""
    end = 0
    for piece in layout.pieces_in(start, start + len(target)):
        if piece.length == len(target):
            return source.take(piece.in_file, piece.length, target)
        low = piece.in_stream - start
        target[end:low] = bytes(low - end)
        end = low + piece.length
        found = source.take(piece.in_file, piece.length, target[low:end])
        if found.obj is not target.obj:
            target[low:end] = found
    target[end:] = bytes(len(target) - end)
    return target
