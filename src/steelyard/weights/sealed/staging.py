"""A folder that appears whole or not at all.

Decides how a crash leaves the disk: what was begun lies under another name until every byte
of it is on disk, and the next attempt removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from steelyard.kernel.errors import ConfigurationError, StorageError
from steelyard.kernel.files import storage_errors

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def staged_folder(out: Path) -> Generator[Path]:
    """A new folder to fill; it is renamed to `out` when the block ends without an error.

    Raises:
        ConfigurationError: `out` exists.
        StorageError: the disk refused, or another process is filling the same folder.
    """
    if os.path.lexists(out):
        message = "this exists; a model is never sealed over something"
        raise ConfigurationError(message, where=str(out), hint="choose another name")
    part = out.with_name(f".{out.name}.part")
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _take(lock, out)
        _empty(part)
        try:
            yield part
            with storage_errors(out):
                os.fsync(lock)
                part.rename(out)
                _sync(out.parent)
        finally:
            if part.exists():
                shutil.rmtree(part, ignore_errors=True)
    finally:
        os.close(lock)


def _take(lock: int, out: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        message = "another process is writing this"
        raise StorageError(message, where=str(out), hint="wait for it to end") from error


def _empty(part: Path) -> None:
    """Remove what an attempt that was killed left."""
    with storage_errors(part):
        for entry in part.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
