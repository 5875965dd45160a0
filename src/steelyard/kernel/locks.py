"""Keeping other processes out of a folder."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import StorageError
from steelyard.kernel.files import storage_errors

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_POLL_SECONDS: Final = 0.2


@contextmanager
def locked(folder: Path, *, busy: StorageError, wait_s: float = 0.0) -> Generator[None]:
    """Hold the lock of a folder; it goes with the process, however that ends.

    Args:
        folder: Made when absent; the lock is the file `lock` in it.
        busy: Raised where another process holds it.
        wait_s: How long to wait for it.

    Raises:
        StorageError: `busy`, or the file system has no locks.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / "lock").open("wb")
    with stream:
        until = time.monotonic() + wait_s
        while not _taken(stream.fileno(), folder):
            if time.monotonic() >= until:
                raise busy
            time.sleep(_POLL_SECONDS)
        yield


def _taken(descriptor: int, folder: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        message = f"cannot lock: {error.strerror or error}"
        hint = "put the run on a file system with file locks"
        raise StorageError(message, where=str(folder), hint=hint) from error
    return True
