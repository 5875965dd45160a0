"""What a host's file system holds, as arguments and files for bubblewrap.

Programs come read-only from the machine's `/usr`; everything else is made here and reads like a
small ordinary machine. All folders that can be written have a size.
"""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.redteam.sandbox.spec import HostSpec, Limits

USER = "user"
UID = 1000
HOME = f"/home/{USER}"
TEMPORARY = ("/tmp",)  # noqa: S108 - of the host, not of this machine
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
PYTHON = "/usr/bin/python3"
ROOT_BYTES = 16 * 1024 * 1024
ENVIRONMENT = {
    "HOME": HOME,
    "LANG": "C.UTF-8",
    "LOGNAME": USER,
    "PATH": PATH,
    "SHELL": "/bin/sh",
    "USER": USER,
}

_LINKED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_EMPTY = ("boot", "media", "mnt", "opt", "srv", "run", "var", "var/lib", "var/log")
# Nothing in them tells whose machine this is, and programs miss them.
_SHARED = ("alternatives", "ld.so.cache", "localtime", "mime.types", "protocols", "services")


@dataclass(frozen=True, slots=True)
class Root:
    """Arguments for bubblewrap, and the content of files that they name by descriptor.

    Attributes:
        arguments: An integer stands for the descriptor of that entry of `files`.
    """

    arguments: Sequence[str | int]
    files: Sequence[bytes]


def make_root(host: HostSpec, hosts: Sequence[HostSpec], limits: Limits) -> Root:
    """The root of one host of a pod."""
    made = _etc(host, hosts) | _proc()
    files: list[bytes] = []
    arguments: list[str | int] = [*_size(ROOT_BYTES, "/"), *programs()]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    # It reads the same; mapped and shared, the other is memory that nothing counts.
    arguments += ["--dev-bind", "/dev/full", "/dev/zero", "--remount-ro", "/dev"]
    for folder in ("etc", *_EMPTY):
        arguments += ["--perms", "0755", "--dir", f"/{folder}"]
    arguments += ["--perms", "0700", "--dir", "/root", "--symlink", "../tmp", "/var/tmp"]  # noqa: S108
    for path, text in made.items():
        covers = "--ro-bind-data" if path.startswith("/proc/") else "--file"
        arguments += ["--perms", "0444", covers, len(files), path]
        files.append(text.encode())
    arguments += _writable(limits)
    arguments += ["--remount-ro", "/", "--chdir", HOME]
    return Root(arguments, files)


def _writable(limits: Limits) -> list[str]:
    """Folders that can be filled, each up to its size."""
    shared = max(limits.disk_bytes // 4, 4096)
    return [
        *("--perms", "0755", *_size(limits.disk_bytes, HOME)),
        *("--perms", "1777", *_size(limits.disk_bytes, TEMPORARY[0])),
        *("--perms", "1777", *_size(shared, "/dev/shm")),  # noqa: S108
    ]


def _size(limit: int, path: str) -> list[str]:
    return ["--size", str(limit), "--tmpfs", path]


@cache
def programs() -> list[str]:
    """Programs and libraries of this machine, read-only, and Python at its usual place."""
    usual = os.access(PYTHON, os.X_OK)
    arguments = ["--ro-bind", "/usr", "/usr"] if usual else _assembled_usr()
    if usual and Path("/usr/local").is_dir():
        # What is installed there by hand is this machine's own business.
        arguments += [*_size(4096, "/usr/local"), "--remount-ro", "/usr/local"]
    for name in _LINKED:
        if Path("/usr", name).is_dir():
            arguments += ["--symlink", f"usr/{name}", f"/{name}"]
    for name in (*_SHARED, *(path.name for path in sorted(Path("/etc").glob("python3*")))):
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return arguments


def _assembled_usr() -> list[str]:
    """`/usr` with a Python in it that this machine keeps elsewhere."""
    prefix = Path(sys.base_prefix).resolve()
    inside = prefix.is_relative_to("/usr")
    place = prefix if inside else Path("/usr/python3")
    arguments = ["--tmpfs", "/usr"]
    for entry in sorted(Path("/usr").iterdir()):
        if entry.is_dir() and entry.name not in ("bin", "lib"):
            arguments += ["--ro-bind", str(entry), str(entry)]
    arguments += ["--ro-bind", "/usr/lib", "/usr/lib", "--ro-bind", "/usr/bin", "/usr/bin.d"]
    if not inside:
        arguments += ["--ro-bind", str(prefix), str(place)]
    names = {path.name for path in Path("/usr/bin").iterdir()} - {Path(PYTHON).name}
    for name in sorted(names):
        arguments += ["--symlink", f"../bin.d/{name}", f"/usr/bin/{name}"]
    name = f"python3.{sys.version_info.minor}"
    arguments += ["--symlink", f"{place}/bin/{name}", PYTHON]
    return [*arguments, "--remount-ro", "/usr"]


def _etc(host: HostSpec, hosts: Sequence[HostSpec]) -> dict[str, str]:
    known = "".join(f"{h.address}\t{h.name}\n" for h in hosts)
    people = f"{USER}:x:{UID}:{UID}:{USER}:{HOME}:/bin/sh\n"
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    files = {
        "group": f"root:x:0:\ndaemon:x:1:\ntty:x:5:\n{USER}:x:{UID}:\nnogroup:x:65534:\n",
        "host.conf": "multi on\n",
        "hostname": f"{host.name}\n",
        "hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n{known}",
        "machine-id": f"{secrets.token_hex(16)}\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "passwd": f"root:x:0:0:root:/root:/bin/sh\n{people}{nobody}",
        "profile": f"PATH={PATH}\nexport PATH\n",
        "resolv.conf": "nameserver 127.0.0.1\n",
        "shells": "/bin/sh\n",
    }
    return {f"/etc/{name}": text for name, text in files.items()}


def _proc() -> dict[str, str]:
    """Files of /proc that would name the machine; release and date agree with `uname`."""
    kernel = os.uname()
    return {
        "/proc/cmdline": "root=/dev/vda1 ro quiet\n",
        "/proc/version": f"Linux version {kernel.release} (build@localhost) {kernel.version}\n",
    }
