"""Walking a model: a folder or a single file, without following what it points at.

Decides which entries a model has and refuses names that another system would read
differently. Links and special files are reported as such; whoever needs plain files
calls `regular_files`, which refuses them.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPTH_LIMIT: Final = 32
ENTRY_LIMIT: Final = 200_000

EntryKind = Literal["file", "link", "special"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a model.

    Attributes:
        name: Path below the model's root with `/`; the file's own name for a single file.
        path: Where it lies.
        kind: A regular file, a symbolic link, or neither.
        size_bytes: Size of a regular file, 0 otherwise.
    """

    name: str
    path: Path
    kind: EntryKind
    size_bytes: int


def entries(root: Path) -> tuple[Entry, ...]:
    """Every entry that is no folder, by name in the order of code points.

    Raises:
        MalformedEvidence: absent, unreadable, too deep, too many, or a name that is not
            UTF-8 or not printable.
    """
    try:
        mode = root.lstat().st_mode
    except OSError as error:
        raise _unreadable(root, error) from error
    if stat.S_ISDIR(mode):
        found = tuple(_below(root, "", 0))
    else:
        found = (Entry(_checked(root.name, root), root, _kind(mode), _size(root, mode)),)
    if len(found) > ENTRY_LIMIT:
        message = f"a model has at most {ENTRY_LIMIT} files, found more"
        raise MalformedEvidence(message, where=str(root))
    return tuple(sorted(found, key=lambda entry: entry.name))


def regular_files(root: Path) -> tuple[Entry, ...]:
    """The entries of a model that consists of regular files only.

    Raises:
        MalformedEvidence: as `entries`, or no file at all, a link, a special file.
    """
    found = entries(root)
    for entry in found:
        if entry.kind != "file":
            message = "symbolic links and special files have no place among weights"
            hint = "copy the file itself into the folder"
            raise MalformedEvidence(message, where=str(entry.path), hint=hint)
    if not found:
        raise MalformedEvidence("the folder holds no file", where=str(root))
    return found


def _below(folder: Path, prefix: str, depth: int) -> Iterator[Entry]:
    if depth > DEPTH_LIMIT:
        message = f"folders are nested deeper than {DEPTH_LIMIT}"
        raise MalformedEvidence(message, where=str(folder))
    try:
        with os.scandir(folder) as listing:
            found = [(item.name, item.stat(follow_symlinks=False)) for item in listing]
    except OSError as error:
        raise _unreadable(folder, error) from error
    for name, status in found:
        path = folder / name
        below = f"{prefix}{_checked(name, path)}"
        if stat.S_ISDIR(status.st_mode):
            yield from _below(path, f"{below}/", depth + 1)
        else:
            kind = _kind(status.st_mode)
            yield Entry(below, path, kind, status.st_size if kind == "file" else 0)


def _kind(mode: int) -> EntryKind:
    if stat.S_ISREG(mode):
        return "file"
    return "link" if stat.S_ISLNK(mode) else "special"


def _size(path: Path, mode: int) -> int:
    return path.lstat().st_size if stat.S_ISREG(mode) else 0


def _checked(name: str, path: Path) -> str:
    if not name.isprintable() or "\\" in name or any("\ud800" <= c <= "\udfff" for c in name):
        message = f"{name!r:.80} is no portable file name"
        raise MalformedEvidence(message, where=repr(str(path))[:120])
    return name


def _unreadable(path: Path, error: OSError) -> MalformedEvidence:
    return MalformedEvidence(f"cannot read: {error.strerror or error}", where=str(path))
