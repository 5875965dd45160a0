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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, StorageError

if TYPE_CHECKING:
    from collections.abc import Generator

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
# Where a lease speaks of all writers. Stacked file systems and those of a network or of another
# process grant one that knows only of writers that came the same way.
_LEASES_HOLD: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "f2fs", "tmpfs"})
_DEVICE_FIELD: Final = 2


class LeaseLost(StorageError):
    """Somebody opened the file for writing while it was read; nothing read may be used."""


class Bytes(Protocol):
    """Steady bytes of a file."""

    def take(self, start: int, length: int, scratch: memoryview) -> memoryview:
        """The bytes from `start`; they may lie in `scratch`, which is at least as long.

        Raises:
            BrokenSeal: the file ends before.
            LeaseLost: somebody wants to write, and may soon.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Mapped:
    view: memoryview
    descriptor: int
    path: Path

    def take(self, start: int, length: int, scratch: memoryview) -> memoryview:
        del scratch
        # The kernel asks 45 s before it breaks a lease, so what is checked here holds for the
        # milliseconds that a segment takes.
        require_lease(self.descriptor, self.path)
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
    path: Path, *, refuse_writers: bool = False, follow: bool = False, copy: bool = False
) -> Generator[Bytes]:
    """Bytes of a file that stay what they are while they are used.

    Args:
        path: The file.
        refuse_writers: Refuse a file that somebody has open for writing. A copy is steady as
            well, but may hold the halves of two states.
        follow: Whether the path itself may be a link.
        copy: Copy in any case, and keep no writer waiting.

    Raises:
        MalformedEvidence: absent, unreadable, a link, no regular file, or being written.
        LeaseLost: somebody opened it for writing meanwhile; nothing read may be used.
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
        if copy or status.st_size == 0:
            yield _Copied(descriptor)
            return
        lease = _take_lease(descriptor)
        if refuse_writers and lease == "writer":
            message = "somebody has the file open for writing"
            raise MalformedEvidence(message, where=str(path), hint="wait until it is written")
        if lease != "held" or _file_system(status.st_dev) not in _LEASES_HOLD:
            yield _Copied(descriptor)
        else:
            # Not closed here: an error on its way may still hold a view of it.
            mapping = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
            mapping.madvise(mmap.MADV_SEQUENTIAL)
            yield _Mapped(memoryview(mapping), descriptor, path)
        if lease == "held":
            require_lease(descriptor, path)
    finally:
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        os.close(descriptor)


def require_lease(descriptor: int, path: Path) -> None:
    """Refuse to go on when somebody wants to write.

    Raises:
        LeaseLost: a writer waits, or did not wait any longer.
    """
    if fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
        message = "the file was opened for writing while it was read"
        hint = "find out who writes there; nothing was used"
        raise LeaseLost(message, where=str(path), hint=hint)


def _take_lease(descriptor: int) -> Literal["held", "writer", "unavailable"]:
    """Have the kernel promise that no writer has the file open (fcntl(2), leases).

    A writer that comes later waits until the lease ends and sends us a signal that is
    ignored by default; the usual one, SIGIO, would end the process. Files of other users have
    no lease.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return "writer"
    except OSError:
        return "unavailable"
    return "held"


@cache
def _file_system(device: int) -> str:
    """Type of the file system that is mounted from a device; empty where that cannot be told.

    By /proc/self/mountinfo (proc(5)). A file of a stacked file system has a device of its own,
    which is mounted nowhere, or the type of the stack.
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        if fields.split()[_DEVICE_FIELD : _DEVICE_FIELD + 1] == [wanted]:
            return rest.split()[0]
    return ""
