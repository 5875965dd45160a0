"""What collectors read a machine through: files below a root, and a few commands.

Decides nothing. A root other than `/` and recorded command output stand for a machine that is
not this one; collectors cannot tell. Whatever cannot be read is `Unreadable`, with the reason:
a collector then says unknown, and never guesses.
"""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import CannotVerify

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_LIMIT_BYTES: Final = 4 << 20
"""Nothing that describes a machine is longer. What is, is not looked at: the part that would
be left out could be the one that counts."""
OUTPUT_LIMIT_BYTES: Final = 64 << 20
"""The same of a command, which may list the files of a large checkout."""
_PIECE_BYTES: Final = 32 << 10
_COMMAND_SECONDS: Final = 20.0


class Unreadable(CannotVerify):
    """Something of the machine could not be looked at; a collector then says unknown."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a command gave."""

    status: int
    text: str


def run_command(command: tuple[str, ...]) -> Output:
    """Run a command that only looks, without a shell, in the C locale.

    Raises:
        Unreadable: not installed, it took too long, or it says too much.
    """
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C",
        "HOME": os.environ.get("HOME", "/"),
    }
    try:
        done = subprocess.run(  # noqa: S603 - commands are constants of the collectors
            command,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            env=environment,
        )
    except FileNotFoundError as error:
        raise Unreadable(f"the command {command[0]} is not installed") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreadable(f"the command {command[0]} did not answer") from error
    if len(done.stdout) > OUTPUT_LIMIT_BYTES:
        raise Unreadable(f"the command {command[0]} says more than {OUTPUT_LIMIT_BYTES} bytes")
    return Output(done.returncode, done.stdout.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as seen by whoever collects.

    Attributes:
        root: Folder that stands for `/`.
        command: Runs a command, or plays back what it once gave.
    """

    root: Path = Path("/")
    command: Callable[[tuple[str, ...]], Output] = run_command

    def place(self, path: str | Path) -> Path:
        """Where an absolute path of the machine lies."""
        return self.root / str(path).lstrip("/")

    def read(self, path: str | Path) -> str:
        """The text of a file.

        Raises:
            Unreadable: absent, not permitted, or longer than 4 MiB.
        """
        try:
            with self.place(path).open("rb", buffering=0) as stream:
                # The kernel sets aside as much memory as a single read of a sysctl asks for.
                data = bytearray()
                while len(data) <= FILE_LIMIT_BYTES and (piece := stream.read(_PIECE_BYTES)):
                    data += piece
        except OSError as error:
            raise _unreadable(path, error) from error
        if len(data) > FILE_LIMIT_BYTES:
            raise Unreadable(f"{_shown(path)}: longer than {FILE_LIMIT_BYTES} bytes")
        return data.decode("utf-8", "replace")

    def names(self, path: str | Path) -> list[str]:
        """Names in a folder, sorted.

        Raises:
            Unreadable: absent or not permitted.
        """
        try:
            return sorted(os.listdir(self.place(path)))  # noqa: PTH208 - names, not paths
        except OSError as error:
            raise _unreadable(path, error) from error

    def exists(self, path: str | Path) -> bool:
        """Whether something lies there.

        Raises:
            Unreadable: that is not permitted to be seen.
        """
        try:
            self.place(path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise _unreadable(path, error) from error
        return True

    def resolved(self, path: str | Path) -> Path:
        """Where a path leads through its links, as a place below the root.

        Raises:
            Unreadable: not permitted, or links that lead to themselves.
        """
        try:
            return self.place(path).resolve()
        except (OSError, RuntimeError) as error:
            raise Unreadable(f"{_shown(path)}: its links cannot be followed") from error

    def status(self, path: str | Path) -> os.stat_result:
        """Mode, owner, size and times; of a link itself, not of where it points.

        Raises:
            Unreadable: absent or not permitted.
        """
        try:
            return self.place(path).lstat()
        except OSError as error:
            raise _unreadable(path, error) from error

    def attributes(self, path: str | Path) -> list[str]:
        """Names of extended attributes; none where the file system has no such thing.

        Raises:
            Unreadable: not permitted, or not to be asked on this system.
        """
        try:
            return sorted(os.listxattr(self.place(path), follow_symlinks=False))
        except AttributeError as error:
            raise Unreadable("this system does not tell extended attributes") from error
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                return []
            raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: OSError) -> Unreadable:
    return Unreadable(f"{_shown(path)}: {(error.strerror or str(error)).lower()}")


def _shown(path: str | Path) -> str:
    """Names system files, which say nothing about whose machine it is, and no other path."""
    text = str(path)
    return text if text.startswith(("/proc/", "/sys/", "/etc/", "/dev/")) else "a file"
