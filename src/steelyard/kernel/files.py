"""Writing files so that a crash leaves the old content or the new, never half.

Also the one place where the operating system's refusals (full disk, missing
permission) become `StorageError` with a hint that says what was kept.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


_READ_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


_NEW_FILE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
RESUME_HINT: Final = "complete samples are kept; free space or choose another --out, then --resume"
"""For what writes into the folder of a run."""
_HINT: Final = "free space, or choose another place"


@contextmanager
def storage_errors(path: Path, *, hint: str = _HINT) -> Generator[None]:
    """Turn an OSError of a write below `path` into a StorageError."""
    try:
        yield
    except OSError as error:
        message = f"cannot write: {error.strerror or error}"
        raise StorageError(
            message,
            where=str(path),
            hint=hint,
        ) from error


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644, hint: str = _HINT) -> None:
    """Write `data` to a temporary neighbour, flush it to disk, rename it over `path`.

    The neighbour's name cannot be guessed and nothing that lies there is followed, so that
    whoever can write to the folder cannot lead the write elsewhere.
    """
    require_name(path)
    with storage_errors(path, hint=hint):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}.part")
        try:
            descriptor = os.open(temporary, _NEW_FILE_FLAGS, mode)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def require_name(path: Path) -> None:
    """Refuse a path that names no file, such as `.` or `/`.

    Raises:
        UsageError: it does not.
    """
    if path.name in {"", ".", ".."}:
        raise UsageError("this names no file", where=str(path), hint="name one")


def require_absent(*paths: Path, hint: str = "choose another name") -> None:
    """Refuse names that are taken, be it by a link to nothing.

    Raises:
        UsageError: something lies at a path, or nothing can.
    """
    for path in paths:
        try:
            path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            message = f"cannot write: {error.strerror or error}"
            raise UsageError(message, where=str(path), hint=hint) from error
        raise UsageError("this exists; nothing is written over it", where=str(path), hint=hint)


def write_fully(descriptor: int, data: bytes | memoryview, at: int) -> None:
    """Write all of `data` at a place of a file; the system may take it in parts."""
    view, done = memoryview(data), 0
    while done < len(view):
        done += os.pwrite(descriptor, view[done:], at + done)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, so that a rename outlives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bytes(path: Path, *, limit_bytes: int | None = None) -> bytes:
    """Read a file that the user named.

    Never reads more than `limit_bytes` and one: a file may grow while it is read.

    Raises:
        MalformedEvidence: absent, unreadable, no regular file, or over `limit_bytes`.
    """
    try:
        # Asked before opening, as opening can wait forever or act on a device, and again after.
        _require_regular(path.stat().st_mode, path)
        with os.fdopen(os.open(path, _READ_FLAGS), "rb") as stream:
            _require_regular(os.fstat(stream.fileno()).st_mode, path)
            data = stream.read() if limit_bytes is None else stream.read(limit_bytes + 1)
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(path)) from error
    if limit_bytes is not None and len(data) > limit_bytes:
        message = f"file is larger than {limit_bytes} bytes"
        raise MalformedEvidence(message, where=str(path))
    return data


def _require_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise MalformedEvidence("cannot read: Is a directory", where=str(path))
    if not stat.S_ISREG(mode):
        message = "cannot read: not a regular file"
        hint = "copy it into a file first; pipes and devices have no end that can be trusted"
        raise MalformedEvidence(message, where=str(path), hint=hint)
