"""The inventory of weights: every copy, what it is, and which copies are the same.

Decides what is a copy: the same bytes, or the same tensors in another container. Each file is
read once for all its digests. Links are told and not followed, holes in sparse files are not
read; whether a file is safe is `scan`'s business.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from blake3 import blake3

from steelyard.kernel import canonical_json
from steelyard.kernel.errors import MalformedEvidence, UnsafeArchive
from steelyard.weights.model_folder import Entry, entries
from steelyard.weights.scan.contents import Content, tensors_of
from steelyard.weights.scan.formats import recognize
from steelyard.weights.scan.model import opened
from steelyard.weights.tensors import element_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from steelyard.weights.scan.source import FileSource

HashName = Literal["sha256", "blake3"]

_CHUNK_BYTES: Final = 1 << 22
_HOLE_LIMIT_BYTES: Final = 1 << 30


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Copy:
    """One file.

    Attributes:
        path: Where it lies, as reached from the paths that were given.
        format: What its content is.
        size_bytes: Its length.
        hole_bytes: Of these, how many a sparse file does not store.
        identity: Device and number of the file: hard links share it.
        digest: Of its bytes, with the name of the hash; empty where it was not read.
        tensors_digest: Of names, types, shapes and bytes of its tensors; empty where they
            cannot be told.
        tensors: Number of tensors.
        parameters: Number of elements by type, the most first.
    """

    path: str
    format: str
    size_bytes: int
    hole_bytes: int
    identity: tuple[int, int]
    digest: str
    tensors_digest: str
    tensors: int
    parameters: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        """As `spec/weights-inventory.schema.json` writes it."""
        return {
            "path": self.path,
            "format": self.format,
            "size_bytes": self.size_bytes,
            "hole_bytes": self.hole_bytes,
            "digest": self.digest or None,
            "tensors_digest": self.tensors_digest or None,
            "tensors": self.tensors,
            "parameters": dict(self.parameters),
        }


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link, which may be another way to a copy.

    Attributes:
        path: Where it lies.
        target: What it says.
        reaches: The file that it leads to; empty where it leads to none.
    """

    path: str
    target: str
    reaches: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be taken stock of."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything below some paths.

    Attributes:
        copies: Files in the order of their paths.
        links: Symbolic links.
        problems: What could not be read.
    """

    copies: tuple[Copy, ...]
    links: tuple[Link, ...]
    problems: tuple[Problem, ...]

    def same_bytes(self) -> list[list[str]]:
        """Paths that hold the same bytes, as groups of two and more."""
        return _groups((copy.digest, copy.path) for copy in self.copies if copy.size_bytes)

    def same_tensors(self) -> list[list[str]]:
        """Paths that hold the same tensors in different bytes."""
        groups = _groups((copy.tensors_digest, copy.path) for copy in self.copies)
        digests = {copy.path: copy.digest for copy in self.copies}
        return [group for group in groups if len({digests[path] for path in group}) > 1]

    def to_json(self) -> dict[str, Any]:
        """As `spec/weights-inventory.schema.json` writes it."""
        return {
            "schema": "steelyard/weights-inventory/1",
            "copies": [copy.to_json() for copy in self.copies],
            "links": [
                {"path": link.path, "target": link.target, "reaches": link.reaches or None}
                for link in self.links
            ],
            "problems": [{"path": p.path, "text": p.text} for p in self.problems],
            "same_bytes": self.same_bytes(),
            "same_tensors": self.same_tensors(),
        }


def _groups(pairs: Iterator[tuple[str, str]]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for key, path in pairs:
        if key:
            groups.setdefault(key, []).append(path)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def take_inventory(
    roots: Sequence[Path],
    hash_name: HashName = "sha256",
    progress: Callable[[int, int], None] = lambda _finished, _planned: None,
) -> Inventory:
    """Take stock of folders and files; a path that is reached twice is read once.

    Args:
        roots: Where to look.
        hash_name: Hash of all digests.
        progress: Called with (finished, planned) bytes.
    """
    found, problems = _all_entries(roots)
    planned = sum(entry.size_bytes for entry in found.values())
    copies: dict[str, Copy] = {}
    known: dict[tuple[int, int], Copy] = {}
    links: list[Link] = []
    finished = 0
    for path, entry in sorted(found.items()):
        progress(finished, planned)
        finished += entry.size_bytes
        if entry.kind == "link":
            links.append(_link(entry))
            continue
        try:
            copy = _copy(path, entry, hash_name, known)
        except MalformedEvidence as error:
            problems.append(Problem(path, error.message))
            continue
        copies[path] = known[copy.identity] = copy
        if copy.hole_bytes > _HOLE_LIMIT_BYTES:
            problems.append(Problem(path, f"sparse: {copy.hole_bytes} bytes are holes, not read"))
    ordered = tuple(copies[path] for path in sorted(copies))
    return Inventory(ordered, tuple(links), tuple(problems))


def _all_entries(roots: Sequence[Path]) -> tuple[dict[str, Entry], list[Problem]]:
    found: dict[str, Entry] = {}
    problems: list[Problem] = []
    seen: set[str] = set()
    for root in roots:
        try:
            below = entries(root)
        except MalformedEvidence as error:
            problems.append(Problem(str(root), error.message))
            continue
        for entry in below:
            # The folder is resolved and the last step is not: a link is an entry of its own.
            place = os.fspath(entry.path.parent.resolve() / entry.path.name)
            if place not in seen:
                seen.add(place)
                found[os.fspath(entry.path)] = entry
    return found, problems


def _link(entry: Entry) -> Link:
    try:
        reached = entry.path.resolve(strict=True)
    except (OSError, RuntimeError):
        reached = None
    target = os.fspath(entry.path.readlink())
    return Link(os.fspath(entry.path), target, os.fspath(reached) if reached else "")


def _copy(path: str, entry: Entry, hash_name: HashName, known: dict[tuple[int, int], Copy]) -> Copy:
    with opened(entry.path) as source:
        status = os.fstat(source.descriptor)
        identity = status.st_dev, status.st_ino
        if identity in known:
            first = known[identity]
            return Copy(
                path, first.format, first.size_bytes, first.hole_bytes, identity, first.digest,
                first.tensors_digest, first.tensors, first.parameters,
            )  # fmt: skip
        kind = recognize(source, entry.name.rpartition("/")[2])
        try:
            tensors = tensors_of(source, kind)
        except (MalformedEvidence, UnsafeArchive):
            tensors = None
        holes = hole_bytes(source) if status.st_blocks * 512 < source.size else 0
        digest = tensors_digest = ""
        if holes <= _HOLE_LIMIT_BYTES:
            digest, tensors_digest = digests(source, tensors or (), hash_name)
        return Copy(
            path, kind, source.size, holes, identity, digest, tensors_digest,
            len(tensors or ()), tuple(element_counts(tensors or ()).items()),
        )  # fmt: skip


def hole_bytes(source: FileSource) -> int:
    """Bytes of a file that lie in holes, where the file system tells."""
    position = holes = 0
    while position < source.size:
        try:
            data = os.lseek(source.descriptor, position, os.SEEK_DATA)
        except OSError:
            # No data behind this position.
            return holes + source.size - position
        holes += data - position
        position = os.lseek(source.descriptor, data, os.SEEK_HOLE)
    return holes


def _new_hash(name: HashName) -> _Hash:
    return hashlib.sha256() if name == "sha256" else blake3()


def digests(source: FileSource, tensors: Sequence[Content], hash_name: HashName) -> tuple[str, str]:
    """Digest of a file, and of its tensors together, from one reading.

    The second covers the sorted list of name, type, shape and digest of each tensor, as
    canonical JSON; it is empty where there are no tensors.

    Raises:
        MalformedEvidence: the file shrank or cannot be read.
    """
    whole = _new_hash(hash_name)
    waiting = sorted(tensors, key=lambda tensor: tensor.start, reverse=True)
    active: list[tuple[Content, _Hash]] = []
    lines: list[list[object]] = []
    for position in range(0, source.size, _CHUNK_BYTES):
        chunk = source.read(position, _CHUNK_BYTES)
        if len(chunk) < min(_CHUNK_BYTES, source.size - position):
            raise MalformedEvidence("the file became shorter while it was read")
        whole.update(chunk)
        while waiting and waiting[-1].start < position + len(chunk):
            active.append((waiting.pop(), _new_hash(hash_name)))
        for tensor, state in active:
            state.update(
                memoryview(chunk)[max(0, tensor.start - position) : tensor.stop - position]
            )
        lines += [_line(*pair) for pair in active if pair[0].stop <= position + len(chunk)]
        active = [pair for pair in active if pair[0].stop > position + len(chunk)]
    lines += [_line(tensor, _new_hash(hash_name)) for tensor in waiting]
    digest = f"{hash_name}:{whole.hexdigest()}"
    if not lines:
        return digest, ""
    together = _new_hash(hash_name)
    together.update(canonical_json(sorted(lines, key=lambda line: str(line[0]))))
    return digest, f"{hash_name}:{together.hexdigest()}"


def _line(tensor: Content, state: _Hash) -> list[object]:
    return [tensor.name, tensor.dtype, list(tensor.shape), state.hexdigest()]
