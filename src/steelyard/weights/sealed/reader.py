"""Opening sealed weights: all tensors, one of them, some of its rows, or any file.

The way in for callers: `open_sealed` and `TensorReader` (spec/sealed-weights.md, section 7).
Plaintext exists in memory only, in pages that core dumps leave out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UnknownName, UsageError
from steelyard.weights.arrays import as_array
from steelyard.weights.sealed.folder import unlock
from steelyard.weights.sealed.freshness import remember_release, require_fresh
from steelyard.weights.sealed.header import read_header
from steelyard.weights.sealed.index import Index, parse_index
from steelyard.weights.sealed.layout import plain_layout, tensor_layout, tensor_places
from steelyard.weights.sealed.memory import secret_memory
from steelyard.weights.sealed.recipients import unwrap
from steelyard.weights.tensors import (
    DTYPE_BITS,
    LENGTH_BYTES,
    TensorHeader,
    TensorInfo,
    header_length,
)
from steelyard.weights.tensors import parse_header as parse_tensor_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from steelyard.weights.sealed.folder import SealedFolder
    from steelyard.weights.sealed.header import Expect, SealedHeader
    from steelyard.weights.sealed.index import FileEntry
    from steelyard.weights.sealed.recipients import AnyIdentity


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open.

    Attributes:
        publisher: Whether content must be shown to be the publisher's. By default it is
            that of someone who holds the content key.
        marks: File of the highest releases opened so far; None to keep none.
        threads: None for one per core.
    """

    publisher: bool = False
    marks: Path | None = None
    threads: int | None = None


class TensorReader:
    """Sealed weights, unlocked: tensors and files come one by one."""

    def __init__(
        self, path: Path, identity: AnyIdentity, *, expect: Expect, how: Opening | None = None,
        header: SealedHeader | None = None,
    ) -> None:  # fmt: skip
        """Unlock a folder; see `open_sealed`.

        Args:
            path: Folder of sealed weights.
            identity: Who opens.
            expect: The publisher's key, and the model and release where known.
            how: Assurance, high-water marks, threads.
            header: Of this folder, verified as expected; None to read it here.
        """
        how = how or Opening()
        header = header or read_header(path, expect)
        require_fresh(how.marks, header, expect)
        key = unwrap(header, identity)
        self._folder = unlock(path, header, key, publisher=how.publisher, threads=how.threads)
        self._index = self._read_index()
        self._files = {file.path: file for file in self._index.files}
        self._headers = {
            file.path: self._read_header(file)
            for file in self._index.files
            if file.kind == "tensors"
        }
        self._places = {path: tensor_places(header) for path, header in self._headers.items()}
        self._tensors = self._by_name()
        remember_release(how.marks, header, expect)

    @property
    def header(self) -> SealedHeader:
        """The verified header."""
        return self._folder.header

    @property
    def folder(self) -> SealedFolder:
        """The unlocked streams."""
        return self._folder

    @property
    def index(self) -> Index:
        """The files of the model."""
        return self._index

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by name."""
        return {name: tensor for name, (_, tensor) in self._tensors.items()}

    def metadata(self, path: str) -> Mapping[str, str]:
        """The free text of a safetensors file."""
        return self._headers[self._file(path).path].metadata

    def get(self, name: str, rows: tuple[int, int] | None = None) -> NDArray[np.generic]:
        """One tensor, or rows `[first, stop)` of its first axis.

        Raises:
            UnknownName: no such tensor.
            UsageError: no such rows.
            BrokenSeal: changed.
        """
        file, tensor = self._find(name)
        first, stop = self._rows(tensor, rows)
        place = self._places[file.path][name]
        length = tensor.size_bytes // tensor.shape[0] if rows and tensor.shape[0] else 0
        low, high = (first * length, stop * length) if rows else (0, tensor.size_bytes)
        data = self._folder.decrypt(file.stream, place + low, place + high)
        return as_array(data, tensor, stop - first if rows else None)

    def all(self, path: str) -> dict[str, NDArray[np.generic]]:
        """Every tensor of one safetensors file, over one block of memory."""
        file = self._file(path)
        places = self._places[path]
        data = self._folder.decrypt(file.stream)
        return {
            t.name: as_array(data[places[t.name] : places[t.name] + t.size_bytes], t)
            for t in self._headers[path].tensors
        }

    def read(self, path: str) -> memoryview:
        """A file of the model as it was before sealing."""
        file = self._file(path)
        data = self._folder.decrypt(file.stream)
        if file.kind == "bytes":
            return data
        plain = secret_memory(file.size_bytes)
        for piece in tensor_layout(self._headers[file.path]).pieces:
            plain[piece.in_file : piece.in_file + piece.length] = data[
                piece.in_stream : piece.in_stream + piece.length
            ]
        return plain

    def _read_index(self) -> Index:
        header = self._folder.header
        data = bytes(self._folder.decrypt(0))
        index = parse_index(data, header.core, len(header.streams))
        for file in index.files:
            if file.kind == "bytes":
                self._require_length(file, plain_layout(file.size_bytes).plain_bytes)
        return index

    def _read_header(self, file: FileEntry) -> TensorHeader:
        prefix = bytes(self._folder.decrypt(file.stream, 0, min(LENGTH_BYTES, file.size_bytes)))
        length = header_length(prefix, file_bytes=file.size_bytes, where=file.path)
        data = bytes(self._folder.decrypt(file.stream, 0, length))
        header = parse_tensor_header(data, file_bytes=file.size_bytes, where=file.path)
        self._require_length(file, tensor_layout(header).plain_bytes)
        return header

    def _require_length(self, file: FileEntry, plain_bytes: int) -> None:
        found = self._folder.header.streams[file.stream].plain_bytes
        if found != plain_bytes:
            message = f"the stream has {found} bytes, its file needs {plain_bytes}"
            raise MalformedEvidence(message, where=file.path)

    def _by_name(self) -> dict[str, tuple[FileEntry, TensorInfo]]:
        found: dict[str, tuple[FileEntry, TensorInfo]] = {}
        for file in self._index.files:
            for tensor in self._headers[file.path].tensors if file.kind == "tensors" else ():
                if tensor.name in found:
                    raise BrokenSeal("two files hold a tensor of this name", where=tensor.name)
                found[tensor.name] = (file, tensor)
        return found

    def _find(self, name: str) -> tuple[FileEntry, TensorInfo]:
        if name not in self._tensors:
            raise UnknownName(f"no tensor {name!r:.80} among {len(self._tensors)}")
        return self._tensors[name]

    def _file(self, path: str) -> FileEntry:
        if path not in self._files:
            raise UnknownName(f"no file {path!r:.80} among {len(self._files)}")
        return self._files[path]

    @staticmethod
    def _rows(tensor: TensorInfo, rows: tuple[int, int] | None) -> tuple[int, int]:
        if rows is None:
            return 0, 0
        if DTYPE_BITS[tensor.dtype] % 8:
            message = f"{tensor.name} is {tensor.dtype}: rows of a type below a byte are not cut"
            raise UsageError(message, hint="read the whole tensor")
        if not tensor.shape:
            raise UsageError(f"{tensor.name} is one number and has no rows")
        extent = tensor.shape[0]
        if not 0 <= rows[0] <= rows[1] <= extent:
            message = f"{tensor.name} has {extent} rows, asked for {rows[0]} to {rows[1]}"
            raise UsageError(message)
        return rows


def open_sealed(
    path: Path, identity: AnyIdentity, *, expect: Expect, how: Opening | None = None
) -> dict[str, NDArray[np.generic]]:
    """Every tensor of sealed weights, by name, straight in memory.

    Args:
        path: Folder of sealed weights.
        identity: A recipient's key, an age identity, or a quorum's approvals.
        expect: The publisher's key, and the model and release where known.
        how: Assurance, high-water marks, threads.

    Raises:
        BrokenSeal: not sealed, not of this publisher, changed, or of another key.
        NotSatisfied: this identity may not open, or approvals do not suffice.
        CannotVerify: another model, or an older release than expected or opened before.
        StorageError: too little memory.
    """
    reader = TensorReader(path, identity, expect=expect, how=how)
    tensors: dict[str, NDArray[np.generic]] = {}
    for file in reader.index.files:
        if file.kind == "tensors":
            tensors |= reader.all(file.path)
    return tensors
