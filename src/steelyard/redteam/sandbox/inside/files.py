"""What the relay does with files, each time in a process of its own inside the host.

Joined to `relay` before it is sent into a host; see there. Such a process has the host's rights
and no others, so a link leads nowhere that a command would not reach.
"""

# The imports that only checkers see are of the file this one is joined to.
# ruff: noqa: TC004

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from steelyard.redteam.sandbox.inside.processes import all_pids, contents, speaker, status_of

CHUNK = 65536
# As far as the text of a command line is told; a process can make its own as long as it likes.
LONGEST_LINE = 4096


def read(request: dict[str, Any], others: set[int]) -> None:  # noqa: ARG001
    """Send a regular file. Whatever else the path leads to is refused, not waited for."""
    fd = os.open(request["path"], os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    expect_regular(fd)
    while part := os.read(fd, CHUNK):
        send_all(1, part)


def write(request: dict[str, Any], others: set[int]) -> None:  # noqa: ARG001
    """Write a regular file and the folders above it."""
    folder = os.path.dirname(request["path"])  # noqa: PTH120 - pathlib costs milliseconds
    if folder:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
    fd = os.open(request["path"], flags, 0o644)
    expect_regular(fd)
    os.ftruncate(fd, 0)
    while part := os.read(0, CHUNK):
        send_all(fd, part)


def expect_regular(fd: int) -> None:
    """Raise unless the descriptor is a regular file's."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if not stat.S_ISREG(mode):
        raise PermissionError(errno.EACCES, "is no regular file")


def wipe(request: dict[str, Any], others: set[int]) -> None:  # noqa: ARG001
    """Remove a tree of any depth: folders are moved up to the top before they are emptied."""
    top = request["path"]
    if not stat.S_ISDIR(os.lstat(top).st_mode):
        os.unlink(top)  # noqa: PTH108
        return
    pile, moved = [top], 0
    while pile:
        folder = pile.pop()
        os.chmod(folder, 0o700)  # noqa: PTH101
        with os.scandir(folder) as listing:
            entries = list(listing)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108
                continue
            os.chmod(entry.path, 0o700)  # noqa: PTH101
            moved += 1
            # Nobody is to have a folder waiting there.
            place = b"%s/.%d.%s" % (top, moved, os.urandom(8).hex().encode())
            os.rename(entry.path, place)  # noqa: PTH104
            pile.append(place)
        if folder != top:
            os.rmdir(folder)  # noqa: PTH106
    try:
        os.rmdir(top)  # noqa: PTH106
    except OSError as error:
        # The home itself is a mount point: emptied, it stays.
        if error.errno not in (errno.EBUSY, errno.EROFS):
            raise


def list_processes(request: dict[str, Any], others: set[int]) -> None:  # noqa: ARG001
    """Send id, length and text of each command line; the text may hold anything."""
    for pid in all_pids():
        if pid in (1, os.getpid()) or pid in others:
            continue
        try:
            folder = speaker(pid)
            if folder is None:
                continue
            line = contents(f"{folder}/cmdline", LONGEST_LINE)
            shown = line.rstrip(b"\0").replace(b"\0", b" ") or b"[" + status_of(folder)[1] + b"]"
        except OSError:
            continue
        send_all(1, b"%d %d\n" % (pid, len(shown)) + shown)


VERBS = {"read": read, "write": write, "wipe": wipe, "processes": list_processes}


def send_all(fd: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
