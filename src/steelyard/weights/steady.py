"""Reading a file so that nobody changes it between one look at it and the next.

Decides from which bytes a segment is decrypted (spec/sealed-weights.md, section 7), or a model is
sealed: from a mapping where a read lease shows that no process has the file open for writing,
which saves a copy, or else from a copy of our own.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, StorageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class Bytes(Protocol):
    """Steady bytes of a file."""

    def take(self, start: int, length: int, scratch: memoryview) -> memoryview:
        """The bytes from `start`; they may lie in `scratch`, which is at least as long.

        Raises:
            BrokenSeal: the file ends before.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Mapped:
    view: memoryview

    def take(self, start: int, length: int, scratch: memoryview) -> memoryview:
        del scratch
        found = self.view[start : start + length]
        if len(found) != length:
            raise BrokenSeal("the file was cut")
        return found


@dataclass(frozen=True, slots=True)
class _Copied:
    descriptor: int

    def take(self, start: int, length: int, scratch: memoryview) -> memoryview:
        target = scratch[:length]
        done = 0
        while done < length:
            read = os.preadv(self.descriptor, [target[done:]], start + done)
            if read == 0:
                raise BrokenSeal("the file was cut")
            done += read
        return target


@contextmanager
def steady_bytes(
    path: Path, *, refuse_writers: bool = False, follow: bool = False
) -> Generator[Bytes]:
    """Bytes of a file that stay what they are while they are used.

    Args:
        path: The file.
        refuse_writers: Refuse a file that somebody has open for writing. A copy is steady as
            well, but may hold the halves of two states.
        follow: Whether the path itself may be a link.

    Raises:
        MalformedEvidence: absent, unreadable, a link, no regular file, or being written.
        StorageError: somebody opened it for writing meanwhile; nothing read may be used.
    """
    try:
        descriptor = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW)
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(path)) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise MalformedEvidence("cannot read: not a regular file", where=str(path))
        lease = _take_lease(descriptor)
        if refuse_writers and lease == "writer":
            message = "somebody has the file open for writing"
            raise MalformedEvidence(message, where=str(path), hint="wait until it is written")
        if status.st_size == 0 or lease != "held":
            yield _Copied(descriptor)
            return
        try:
            # Not closed here: an error on its way may still hold a view of it.
            mapping = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
            mapping.madvise(mmap.MADV_SEQUENTIAL)
            yield _Mapped(memoryview(mapping))
            if fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
                message = "the file was opened for writing while it was read"
                hint = "find out who writes there; nothing was used"
                raise StorageError(message, where=str(path), hint=hint)
        finally:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


def _take_lease(descriptor: int) -> Literal["held", "writer", "unavailable"]:
    """Have the kernel promise that no writer has the file open (fcntl(2), leases).

    A writer that comes later waits until the lease ends and sends us a signal that is
    ignored by default; the usual one, SIGIO, would end the process. File systems without
    leases, and files of other users, have none.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return "writer"
    except OSError:
        return "unavailable"
    return "held"
