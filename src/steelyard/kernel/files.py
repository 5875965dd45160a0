"""Writing files so that a crash leaves the old content or the new, never half.

Also the one place where the operating system's refusals (full disk, missing
permission) become `StorageError` with a hint that says what was kept.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from steelyard.kernel.errors import MalformedEvidence, StorageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Turn an OSError of a write below `path` into a StorageError."""
    try:
        yield
    except OSError as error:
        message = f"cannot write: {error.strerror or error}"
        raise StorageError(
            message,
            where=str(path),
            hint="complete samples are kept; free space or choose another --out, then --resume",
        ) from error


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` to a temporary neighbour, flush it to disk, rename it over `path`."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def read_bytes(path: Path, *, limit_bytes: int | None = None) -> bytes:
    """Read a file that the user named.

    Raises:
        MalformedEvidence: absent, unreadable, a directory, or over `limit_bytes`.
    """
    try:
        if limit_bytes is not None and path.stat().st_size > limit_bytes:
            message = f"file is larger than {limit_bytes} bytes"
            raise MalformedEvidence(message, where=str(path))
        return path.read_bytes()
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(path)) from error
