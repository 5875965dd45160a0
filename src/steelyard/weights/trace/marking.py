"""Marking: a copy of a model folder that differs from it by one recipient's chips alone.

Decides the marked value of every weight (spec/trace-mark.md, section Marking) and writes the
copy tensor by tensor: same headers, same order, every other file byte for byte. The copy appears
under its name when it is complete, or not at all. Signing it is left to `derivation`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.kernel.files import require_absent, storage_errors
from steelyard.weights.scan.formats import Format, is_whole_text, recognize
from steelyard.weights.scan.model import opened
from steelyard.weights.scan.readers.sentencepiece import is_sentencepiece
from steelyard.weights.staging import SPACE_HINT, staged_folder
from steelyard.weights.trace.carriers import chunks
from steelyard.weights.trace.chips import keystream, signs
from steelyard.weights.trace.tensor_files import SUFFIX, StoredTensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from steelyard.weights.model_folder import Entry
    from steelyard.weights.trace.carriers import Carrier
    from steelyard.weights.trace.tensor_files import Model, TensorFile

_TEXTS: Final[frozenset[Format]] = frozenset({"json", "yaml", "template", "script", "text"})
"""Formats that hold no weights where every byte is text."""
_COPY_BYTES: Final = 1 << 22


def marked_values(
    values: NDArray[Any], chips: NDArray[np.float32], step: float
) -> NDArray[np.floating[Any]]:
    """Each weight plus chip times step, in single precision, then rounded to its own type.

    Rounding is to nearest, ties to even. A weight whose marked value would not be finite is left.
    """
    wide = values.astype(np.float32)
    with np.errstate(over="ignore"):
        moved = (wide + chips * np.float32(step)).astype(values.dtype)
    return np.where(np.isfinite(moved), moved, values)


def mark_folder(
    model: Model,
    carriers: tuple[Carrier, ...],
    key: bytes,
    out: Path,
    progress: Callable[[int, int], None],
) -> Path:
    """Write the marked copy of a model to the new folder `out`; returns it.

    Args:
        model: The source, a folder.
        carriers: Its carriers with their steps.
        key: The recipient's chip key.
        out: Must not exist.
        progress: Called with bytes written and to write.

    Raises:
        UsageError: `out` exists.
        ConfigurationError: another file of the folder may hold weights.
        StorageError: the disk refused; nothing is left behind.
    """
    _require_markable(model, out)
    by_name = {carrier.name: carrier for carrier in carriers}
    files = {file.entry.name: file for file in model.files}
    total, written = sum(entry.size_bytes for entry in model.entries), 0
    with staged_folder(out) as folder:
        for entry in model.entries:
            path = folder / entry.name
            with storage_errors(out, hint=SPACE_HINT), _new_file(path) as target:
                if entry.name in files:
                    _write_marked(target, files[entry.name], by_name, key)
                else:
                    _copy(target, entry, 0, entry.size_bytes)
                target.flush()
                os.fsync(target.fileno())
            written += entry.size_bytes
            progress(written, total)
    return out


def _new_file(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _write_marked(
    target: BinaryIO, file: TensorFile, carriers: Mapping[str, Carrier], key: bytes
) -> None:
    start = file.header.header_bytes
    _copy(target, file.entry, 0, start)
    for info in file.header.tensors:
        carrier = carriers.get(info.name)
        if carrier is None:
            _copy(target, file.entry, start + info.start, info.size_bytes)
        else:
            _write_carrier(target, StoredTensor(file, info), carrier, key)


def _write_carrier(target: BinaryIO, tensor: StoredTensor, carrier: Carrier, key: bytes) -> None:
    shape = (carrier.rows, carrier.columns)
    for start, count in chunks(carrier.elements):
        chips = signs(keystream(key, carrier.name, shape, start, count), count)
        target.write(marked_values(tensor.read(start, count), chips, carrier.step).tobytes())


def _copy(target: BinaryIO, entry: Entry, start: int, count: int) -> None:
    try:
        source = entry.path.open("rb")
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(entry.path)) from error
    with source:
        source.seek(start)
        while count:
            data = source.read(min(count, _COPY_BYTES))
            if not data:
                raise MalformedEvidence("the file became shorter", where=str(entry.path))
            target.write(data)
            count -= len(data)


def _require_markable(model: Model, out: Path) -> None:
    if not model.root.is_dir():
        message = "expected a folder: its manifest is what a marked copy is derived from"
        raise ConfigurationError(message, where=str(model.root))
    require_absent(out)
    if out.resolve().is_relative_to(model.root.resolve()):
        message = "lies inside the source, whose files a marked copy repeats"
        raise ConfigurationError(message, where=str(out))
    marked = {file.entry.name for file in model.files}
    for entry in model.entries:
        if entry.name not in marked and _may_hold_weights(entry):
            message = "may hold the same weights, and would be handed over unmarked"
            hint = f"take it out of the folder; only {SUFFIX} files are marked"
            raise ConfigurationError(message, where=str(entry.path), hint=hint)


def _may_hold_weights(entry: Entry) -> bool:
    """Whether the content is none of what belongs beside weights, whatever the name says."""
    with opened(entry.path) as source:
        kind = recognize(source, entry.name)
        if kind in _TEXTS:
            return not is_whole_text(source)
        if kind == "sentencepiece":
            return not is_sentencepiece(source)
    return kind not in {"media", "empty"}
