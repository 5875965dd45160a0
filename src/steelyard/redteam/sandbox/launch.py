"""Starting processes of a sandbox: as whom, with which descriptors, in which network.

The superuser never starts a host as itself. Bubblewrap maps the caller to the host's user, so
the host would hold the superuser's files and settings: as found, it could write
`/proc/sys/kernel/core_pattern`, and no limit on processes counts for it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.redteam.sandbox.failures import IsolationUnavailable
from steelyard.redteam.sandbox.root import HOME, PYTHON, UID
from steelyard.redteam.sandbox.seccomp import filter_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.redteam.sandbox.root import Root

_FIRST_ID, _IDS = 1 << 30, 1 << 24
_NOBODY = 65534
_PARTS = ("processes.py", "files.py", "children.py", "relay.py")
_ONLY_AT_THE_TOP = b"from __future__ import annotations\n"
# A file of compiled code: magic number, flags and two empty fields, code (PEP 552).
_COMPILE = (
    "import importlib.util, marshal, sys\n"
    "code = compile(sys.stdin.buffer.read(), 'init', 'exec', dont_inherit=True)\n"
    "head = importlib.util.MAGIC_NUMBER + bytes(12)\n"
    "sys.stdout.buffer.write(head + marshal.dumps(code))\n"
)
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-uts", "--unshare-ipc")
_CLOSED = ("--unshare-cgroup-try", "--disable-userns", "--cap-drop", "ALL", "--new-session")


@dataclass(frozen=True, slots=True)
class Launcher:
    """How processes of one pod are started.

    Attributes:
        uid: User and group outside; None for the caller's own.
        network: Process whose network the hosts share; None when each has its own.
    """

    uid: int | None
    network: int | None = None

    def popen(
        self, command: Sequence[str], *, stdin: int, stdout: int, stderr: int, fds: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        """Start a process without environment, in a session of its own."""
        return subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=fds,
            cwd="/",
            env={},
            start_new_session=True,
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
        )

    def start_host(
        self, root: Root, name: str, *, control: int, errors: int
    ) -> subprocess.Popen[bytes]:
        """Start a host whose first process reads from `control`."""
        with ExitStack() as opened:
            files = [_memory_file(opened, data) for data in root.files]
            program = _memory_file(opened, filter_program())
            script = _memory_file(opened, relay_program())
            arguments = [
                *_NAMESPACES,
                *(() if self.network else ("--unshare-net",)),
                *("--uid", str(UID), "--gid", str(UID)),
                *_CLOSED,
                *("--hostname", name, "--clearenv", "--setenv", "HOME", HOME),
                *(str(files[a]) if isinstance(a, int) else a for a in root.arguments),
                *("--seccomp", str(program), "--as-pid-1"),
            ]
            listed = _memory_file(opened, b"".join(a.encode() + b"\0" for a in arguments))
            inside = [PYTHON, "-IS", f"/dev/fd/{script}"]
            return self.popen(
                [*self._entered(), find_program("bwrap"), "--args", str(listed), *inside],
                stdin=control,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                fds=[*files, program, script, listed],
            )

    def _entered(self) -> list[str]:
        """Prefix that runs a command in the pod's network."""
        if self.network is None:
            return []
        keep = ("--user", "--net", "--preserve-credentials", "--")
        return [find_program("nsenter"), f"--target={self.network}", *keep]


def find_program(name: str) -> str:
    """Path of a program this machine must have.

    Raises:
        IsolationUnavailable: it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        package = {"bwrap": "bubblewrap"}.get(name, "util-linux")
        raise IsolationUnavailable(f"{name} is not installed", hint=f"install {package}")
    return path


@cache
def relay_program() -> bytes:
    """The relay, compiled by the Python that will run it, which spares each start 5 ms.

    Its source where that Python is not at its place on this machine.
    """
    parts = [Path(__file__).with_name("inside").joinpath(name).read_bytes() for name in _PARTS]
    source = _ONLY_AT_THE_TOP + b"".join(part.replace(_ONLY_AT_THE_TOP, b"", 1) for part in parts)
    if not os.access(PYTHON, os.X_OK):
        return source
    made = subprocess.run(  # noqa: S603 - the command is ours
        [PYTHON, "-IS", "-c", _COMPILE], input=source, capture_output=True, env={}, check=False
    )
    return made.stdout if made.returncode == 0 else source


def outer_id() -> int | None:
    """User to be outside: for the superuser one that nothing else uses, else None."""
    if os.geteuid() != 0:
        return None
    chosen = _FIRST_ID + secrets.randbelow(_IDS)
    for uid in (chosen, _NOBODY):
        if _is_mapped(uid):
            return uid
    # Only the caller itself is known here: a user namespace, and 0 is somebody else outside.
    return None


def _is_mapped(uid: int) -> bool:
    lines = Path("/proc/self/uid_map").read_text("ascii").splitlines()
    ranges = [(int(first), int(count)) for first, _, count in map(str.split, lines)]
    return any(first <= uid < first + count for first, count in ranges)


def _memory_file(opened: ExitStack, data: bytes) -> int:
    """A descriptor that reads `data` and leaves no name anywhere."""
    fd = os.memfd_create("file")
    opened.callback(os.close, fd)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
