"""Reading a signed model so that the bytes returned are the bytes that were verified.

Decides nothing twice: a shard is read into memory of this process once, hashed there, compared
with the signed digest, and handed out. Whoever swaps the file between check and load gains
nothing, as there is no second read. Only the shards that a read touches are read.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from steelyard.kernel import read_bytes
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UnknownName
from steelyard.weights.arrays import as_array
from steelyard.weights.signing.bundle import BUNDLE_LIMIT_BYTES
from steelyard.weights.signing.hashing import cores, new_hasher
from steelyard.weights.signing.survey import Policy, survey
from steelyard.weights.signing.verify import open_signature
from steelyard.weights.steady import steady_bytes
from steelyard.weights.tensors import LENGTH_BYTES, header_length, parse_header

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from steelyard.weights.signing.manifest import Resource
    from steelyard.weights.signing.survey import ModelFile, Survey
    from steelyard.weights.signing.trust import Trust
    from steelyard.weights.signing.verify import SignedModel
    from steelyard.weights.tensors import TensorHeader, TensorInfo

_PIECE_BYTES: Final = 1 << 20
_KEPT_SHARDS: Final = 2
_SUFFIX: Final = ".safetensors"


class VerifiedModel:
    """Reads of a signed model, each verified from the bytes it returns.

    Not for several threads at once: reads share the shards that were read last.
    """

    def __init__(self, signed: SignedModel, found: Survey) -> None:
        self.signed = signed
        self._files = found.covered
        self._parts = signed.manifest.by_file()
        self._kept: OrderedDict[tuple[str, int], NDArray[np.uint8]] = OrderedDict()
        self._headers: dict[str, TensorHeader] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Files that can be read."""
        return tuple(sorted(self._files))

    @property
    def tensor_files(self) -> tuple[str, ...]:
        """Safetensors files, told by their names on the disk."""
        return tuple(n for n in self.names if self._files[n].path.name.endswith(_SUFFIX))

    def size_bytes(self, name: str) -> int:
        """Length of a file.

        Raises:
            UnknownName: not signed.
        """
        return self._file(name).size_bytes

    def read(self, name: str) -> memoryview:
        """All bytes of a file.

        Raises:
            UnknownName: not signed.
            BrokenSeal: not the bytes that were signed.
            MalformedEvidence: it cannot be read.
        """
        return self.read_range(name, 0, self.size_bytes(name))

    def read_range(self, name: str, start: int, stop: int) -> memoryview:
        """Bytes `start` to `stop` of a file, in memory of their own; errors as `read`."""
        return self._bytes(name, start, stop).data.toreadonly()

    def header(self, name: str) -> TensorHeader:
        """The header of a safetensors file.

        Raises:
            MalformedEvidence: no safetensors file in order; and as `read`.
        """
        if name not in self._headers:
            size = self.size_bytes(name)
            prefix = bytes(self.read_range(name, 0, min(LENGTH_BYTES, size)))
            end = header_length(prefix, file_bytes=size, where=name)
            data = bytes(self.read_range(name, 0, end))
            self._headers[name] = parse_header(data, file_bytes=size, where=name)
        return self._headers[name]

    def tensor(self, name: str, tensor: str) -> NDArray[Any]:
        """One tensor of a safetensors file, reading only the shards it lies in.

        Raises:
            UnknownName: no such file or tensor; and as `header`.
        """
        header = self.header(name)
        found = next((one for one in header.tensors if one.name == tensor), None)
        if found is None:
            raise UnknownName(f"no tensor {tensor[:80]!r}", where=name)
        first = header.header_bytes
        data = self._bytes(name, first + found.start, first + found.stop)
        return as_array(data.data, found)

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """Every tensor of a safetensors file, over one buffer; errors as `header`."""
        size = self.size_bytes(name)
        data = self._bytes(name, 0, size)
        end = header_length(data[:LENGTH_BYTES].tobytes(), file_bytes=size, where=name)
        header = parse_header(data[:end].tobytes(), file_bytes=size, where=name)
        return {one.name: as_array(_slice(data, header, one), one) for one in header.tensors}

    def _file(self, name: str) -> ModelFile:
        file = self._files.get(name)
        if file is None:
            message = f"{name[:80]!r} is not among the signed files"
            raise UnknownName(message, hint=f"signed are: {', '.join(self.names[:8])}")
        return file

    def _bytes(self, name: str, start: int, stop: int) -> NDArray[np.uint8]:
        """A fresh array of the bytes, filled shard by shard on every core."""
        file = self._file(name)
        if not 0 <= start <= stop <= file.size_bytes:
            message = f"no bytes {start} to {stop} in a file of {file.size_bytes}"
            raise MalformedEvidence(message, where=name)
        target = np.empty(stop - start, np.uint8)
        size, every = file.size_bytes, self._parts[name]
        # No bytes are a part of something too: nothing is returned unverified.
        parts = [part for part in every if part.start < stop and part.end(size) > start]
        parts = parts or [part for part in every if part.start <= start][-1:]
        whole = [part for part in parts if start <= part.start and part.end(size) <= stop]

        def fill(part: Resource) -> None:
            self._fill(part, file, target[part.start - start : part.end(size) - start])

        with ThreadPoolExecutor(max(1, min(cores(), len(whole)))) as pool:
            list(pool.map(fill, whole))
        for part in parts:
            if part not in whole:
                low, high = max(start, part.start), min(stop, part.end(size))
                shard = self._shard(part, file)
                target[low - start : high - start] = shard[low - part.start : high - part.start]
        return target

    def _shard(self, part: Resource, file: ModelFile) -> NDArray[np.uint8]:
        """A whole verified shard; the last few are kept for reads beside each other."""
        key = (part.file, part.start)
        if key not in self._kept:
            while len(self._kept) >= _KEPT_SHARDS:
                self._kept.popitem(last=False)
            shard = np.empty(part.end(file.size_bytes) - part.start, np.uint8)
            self._fill(part, file, shard)
            self._kept[key] = shard
        self._kept.move_to_end(key)
        return self._kept[key]

    def _fill(self, part: Resource, file: ModelFile, target: NDArray[np.uint8]) -> None:
        """Read one resource into `target` and compare what lies there with its digest."""
        hasher = new_hasher(self.signed.manifest.serialization.hash_name)
        view = target.data
        fault = BrokenSeal(
            f"{part.name[:120]!r} is not as signed",
            where=str(file.path),
            hint="fetch the model again from its publisher",
        )
        with steady_bytes(file.path, follow=file.is_link, copy=True) as source:
            for position in range(0, len(view), _PIECE_BYTES):
                piece = view[position : position + _PIECE_BYTES]
                try:
                    hasher.update(source.take(part.start + position, len(piece), piece))
                except BrokenSeal as error:
                    raise fault from error
        if hasher.digest() != part.digest:
            raise fault


def open_verified(
    root: Path, signature: Path, trust: Trust, policy: Policy | None = None
) -> VerifiedModel:
    """Verify a model's signature and list of files; bytes are verified as they are read.

    Raises:
        BrokenSeal: not signed by whom `trust` names; files missing, not signed, or ignored
            though a loader could read them.
        MalformedEvidence: no OMS bundle; links; names that collide.
    """
    data = read_bytes(signature, limit_bytes=BUNDLE_LIMIT_BYTES)
    signed = open_signature(data, trust, where=str(signature))
    found = survey(root, signed.manifest, policy or Policy(), signature=signature)
    return VerifiedModel(signed, found)


def load_verified(
    root: Path, signature: Path, trust: Trust, policy: Policy | None = None
) -> dict[str, NDArray[Any]]:
    """Every tensor of a signed model of safetensors files, verified as it is loaded.

    Raises:
        MalformedEvidence: two files hold a tensor of one name, or there is none.
        BrokenSeal: as `open_verified`, or a byte is not as signed.
    """
    model = open_verified(root, signature, trust, policy)
    found: dict[str, NDArray[Any]] = {}
    for name in model.tensor_files:
        for key, array in model.tensors(name).items():
            if key in found:
                raise MalformedEvidence(f"two files hold a tensor {key[:80]!r}", where=str(root))
            found[key] = array
    if not found:
        raise MalformedEvidence("no safetensors file is signed", where=str(root))
    return found


def _slice(data: NDArray[np.uint8], header: TensorHeader, tensor: TensorInfo) -> memoryview:
    return data[header.header_bytes + tensor.start : header.header_bytes + tensor.stop].data
