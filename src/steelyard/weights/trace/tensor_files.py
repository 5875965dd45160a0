"""The tensors of a model on disk, one at a time: never more of a model in memory than needed.

Decides what counts as a model's tensors: those of every safetensors file below a folder, or of
one file, each name once. Headers are checked by `weights.tensors`; what the tensors are good for
is decided beside this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.arrays import ELEMENT_TYPES
from steelyard.weights.model_folder import regular_files
from steelyard.weights.tensors import LENGTH_BYTES, header_length, parse_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from steelyard.weights.model_folder import Entry
    from steelyard.weights.tensors import TensorHeader, TensorInfo

SUFFIX: Final = ".safetensors"
FLOAT_TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    name: ELEMENT_TYPES[name] for name in ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
}
"""Element types that can be read as numbers here; packed integers of a quantizer cannot."""


@dataclass(frozen=True, slots=True)
class TensorFile:
    """One safetensors file.

    Attributes:
        entry: Where it lies, and its name below the model.
        header: Its header, found in order.
    """

    entry: Entry
    header: TensorHeader


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in its file."""

    file: TensorFile
    info: TensorInfo

    @property
    def name(self) -> str:
        """Name in the header."""
        return self.info.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each axis."""
        return self.info.shape

    @property
    def is_readable(self) -> bool:
        """Whether its elements can be read as numbers."""
        return self.info.dtype in FLOAT_TYPES

    def read(self, start: int = 0, count: int | None = None) -> NDArray[Any]:
        """Elements `start` to `start + count`, flat, in the tensor's own type.

        Raises:
            MalformedEvidence: the file became unreadable or shorter.
        """
        wanted = self.info.parameters - start if count is None else count
        return self.read_as(FLOAT_TYPES[self.info.dtype], start, wanted)

    def read_as(self, kind: np.dtype[Any], start: int, wanted: int) -> NDArray[Any]:
        """Elements of any type that divides the tensor's bytes; see `read`."""
        offset = self.file.header.header_bytes + self.info.start + start * kind.itemsize
        try:
            with self.file.entry.path.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(wanted * kind.itemsize)
        except OSError as error:
            message = f"cannot read: {error.strerror or error}"
            raise MalformedEvidence(message, where=str(self.file.entry.path)) from error
        if len(data) != wanted * kind.itemsize:
            message = f"the file ended within tensor {self.name[:80]}"
            raise MalformedEvidence(message, where=str(self.file.entry.path))
        return np.frombuffer(data, kind)

    def matrix(self) -> NDArray[np.float32]:
        """A two-dimensional tensor as a whole, in single precision."""
        rows, columns = self.shape
        return self.read().astype(np.float32).reshape(rows, columns)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's tensors by name, and all its files.

    Attributes:
        root: The folder, or the one file.
        entries: Every file, by name.
        files: Those with tensors.
        tensors: By name, in the order of files and data.
    """

    root: Path
    entries: tuple[Entry, ...]
    files: tuple[TensorFile, ...]
    tensors: Mapping[str, StoredTensor]


def open_model(root: Path) -> Model:
    """Read the headers of a model.

    Raises:
        MalformedEvidence: no regular files, no safetensors file among them, a bad header, or
            one name for two tensors.
    """
    found = regular_files(root)
    files = tuple(_open_file(entry) for entry in found if entry.name.endswith(SUFFIX))
    if not files:
        message = f"found no {SUFFIX} file"
        hint = "convert other formats first: marks are read from tensors, not from pickles"
        raise MalformedEvidence(message, where=str(root), hint=hint)
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        for info in file.header.tensors:
            if info.name in tensors:
                message = (
                    f"tensor {info.name[:80]!r} is also in {tensors[info.name].file.entry.name}"
                )
                hint = "give each model a folder of its own"
                raise MalformedEvidence(message, where=str(file.entry.path), hint=hint)
            tensors[info.name] = StoredTensor(file, info)
    return Model(root, found, files, tensors)


def _open_file(entry: Entry) -> TensorFile:
    where = str(entry.path)
    try:
        with entry.path.open("rb") as stream:
            prefix = stream.read(LENGTH_BYTES)
            length = header_length(prefix, file_bytes=entry.size_bytes, where=where)
            data = prefix + stream.read(length - LENGTH_BYTES)
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=where) from error
    return TensorFile(entry, parse_header(data, file_bytes=entry.size_bytes, where=where))
