"""Sealing anew under another content key, without plaintext on the disk.

What revokes: who had the old key cannot open the new sealing (spec/sealed-weights.md,
section 8). The old folder is left to its owner to remove.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel.errors import UsageError
from steelyard.weights.sealed.header import PARAMETERS, stream_name
from steelyard.weights.sealed.layout import PLAIN_SEGMENT_BYTES
from steelyard.weights.sealed.stream_writer import StreamWriter, require_space
from steelyard.weights.sealed.writer import new_core, with_manifest, write_index
from steelyard.weights.staging import staged_folder
from steelyard.weights.steady import steady_bytes

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from steelyard.attest import PrivateKey
    from steelyard.weights.sealed.header import SealedHeader
    from steelyard.weights.sealed.reader import TensorReader
    from steelyard.weights.sealed.writer import Sealing
    from steelyard.weights.steady import Bytes


def rekey(
    reader: TensorReader, out: Path, sealing: Sealing, key: PrivateKey, now: datetime
) -> SealedHeader:
    """Seal an opened model again into the new folder `out`.

    Args:
        reader: The model as it is sealed now.
        out: Must not exist.
        sealing: Names the same model and a higher release.
        key: Of the publisher; signs the new header.
        now: Instant of sealing.

    Raises:
        UsageError: another model, or no higher release.
        BrokenSeal: what is sealed now was changed.
        StorageError: the disk refused; nothing is left behind.
    """
    old = reader.header
    if sealing.model != old.core.model or sealing.release <= old.core.release:
        message = f"{sealing.model} release {sealing.release}, have {old.core.model} release "
        hint = f"give --release {old.core.release + 1}"
        raise UsageError(f"{message}{old.core.release}", hint=hint)
    core, index = new_core(sealing), reader.index
    if index.manifest_root is not None:
        core, index = with_manifest(core, index, index.manifest_root)
    with staged_folder(out) as folder:
        require_space(folder, sum(stream.cipher_bytes for stream in old.streams))
        writer = StreamWriter(folder, core, sealing.threads)
        write_index(writer, index)
        for number in range(1, len(old.streams)):
            path = reader.folder.path / stream_name(number)
            with steady_bytes(path) as source:
                _copy(reader, number, source, writer)
        return writer.finish(sealing.recipients, sealing.quorum, key, now)


def _copy(reader: TensorReader, number: int, source: Bytes, writer: StreamWriter) -> None:
    def read(start: int, target: memoryview) -> memoryview:
        scratch = memoryview(bytearray(PARAMETERS.segment_bytes))
        reader.folder.decrypt_segment(number, start // PLAIN_SEGMENT_BYTES, source, target, scratch)
        return target

    writer.write(reader.header.streams[number].plain_bytes, read)
