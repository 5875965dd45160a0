"""A model as a scan sees it: its files by name, read on demand and never in whole.

Links are followed to the file they lead to, since a loader follows them; what cannot be opened
as a plain file is told, and nothing is opened that could make a reader wait.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel import read_bytes
from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.source import FileSource

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from steelyard.weights.model_folder import Entry

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def opened(path: Path) -> Generator[FileSource]:
    """A file or the file that a link leads to, open for reading.

    Raises:
        MalformedEvidence: unreadable, or no regular file.
    """
    try:
        # Asked before opening too: opening a device can act on it.
        _require_regular(path.stat().st_mode, path)
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(path)) from error
    try:
        status = os.fstat(descriptor)
        _require_regular(status.st_mode, path)
        yield FileSource(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _require_regular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise MalformedEvidence("cannot read: not a regular file", where=str(path))


@dataclass(frozen=True, slots=True)
class Model:
    """The entries of a model by name."""

    files: Mapping[str, Entry]

    def has(self, name: str) -> bool:
        """Whether the model has a file of this name."""
        return name in self.files

    def has_below(self, name: str) -> bool:
        """Whether the model has a folder of this name with something in it."""
        return any(file.startswith(f"{name.rstrip('/')}/") for file in self.files)

    def read(self, name: str, limit_bytes: int) -> bytes:
        """A whole file of the model.

        Raises:
            MalformedEvidence: unreadable or too large.
        """
        return read_bytes(self.files[name].path, limit_bytes=limit_bytes)


def as_model(found: tuple[Entry, ...]) -> Model:
    """A model of the entries that a walk found."""
    return Model({entry.name: entry for entry in found})
