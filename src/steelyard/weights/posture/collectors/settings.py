"""Settings of daemons that are spread over several files: what counts in the end.

Reads sshd_config(5) with what it includes, and systemd's drop-ins. Options of a command line
are not seen.
"""

from __future__ import annotations

import shlex
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from steelyard.weights.posture.machine import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.posture.machine import Machine

SSHD_CONFIG: Final = "/etc/ssh/sshd_config"
_INCLUDE_DEPTH: Final = 16
_PATTERN: Final = frozenset("*?[")
_SYSTEMD: Final = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")


def sshd_lines(machine: Machine, path: str = SSHD_CONFIG, depth: int = 0) -> Iterator[list[str]]:
    """The words of each line, included files in the place where they are included.

    Raises:
        Unreadable: a file cannot be read, or which ones are included cannot be told.
    """
    if depth > _INCLUDE_DEPTH:
        raise Unreadable("the SSH daemon's configuration includes itself")
    for line in machine.read(path).splitlines():
        words = _sshd_words(line)
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for included in _matching(machine, pattern):
                    yield from sshd_lines(machine, included, depth + 1)
        elif words:
            yield words


def systemd_value(machine: Machine, file: str, section: str, name: str) -> str:
    """The last value of a setting over a file and its drop-ins; empty where there is none.

    The first file of that name counts, in the order of systemd's folders; then every drop-in,
    by name, of which the first folder's counts (systemd-system.conf(5)).

    Raises:
        Unreadable: a folder or file cannot be read.
    """
    main = [path for folder in _SYSTEMD if machine.exists(path := f"{folder}/{file}")][:1]
    drop_ins: dict[str, str] = {}
    for folder in _SYSTEMD:
        place = f"{folder}/{file}.d"
        for drop_in in machine.names(place) if machine.exists(place) else []:
            if drop_in.endswith(".conf"):
                drop_ins.setdefault(drop_in, f"{place}/{drop_in}")
    value = ""
    for path in (*main, *(drop_ins[key] for key in sorted(drop_ins))):
        for found in _values(machine.read(path), section, name):
            value = found
    return value


def _sshd_words(line: str) -> list[str]:
    """A line's words, the first in lower case; `=` may stand behind it, others in quotes."""
    text = line.strip()
    if not text or text.startswith("#"):
        return []
    name = text.replace("=", " ", 1).split(None, 1)
    try:
        rest = shlex.split(name[1], comments=True) if len(name) > 1 else []
    except ValueError as error:
        raise Unreadable("the SSH daemon's configuration has a quote without its end") from error
    return [name[0].strip('"').lower(), *rest]


def _matching(machine: Machine, pattern: str) -> list[str]:
    path = PurePosixPath(SSHD_CONFIG).parent / pattern
    if _PATTERN & set(str(path.parent)):
        message = "the SSH daemon's configuration includes files by a pattern of folders"
        raise Unreadable(message)
    if not _PATTERN & set(path.name):
        return [str(path)] if machine.exists(str(path)) else []
    folder = str(path.parent)
    names = machine.names(folder) if machine.exists(folder) else []
    # As glob(3), which leaves out what begins with a dot.
    return [f"{folder}/{n}" for n in names if fnmatchcase(n, path.name) and not n.startswith(".")]


def _values(text: str, section: str, name: str) -> Iterator[str]:
    """Values of a setting in the order of the file; a line that goes on is one line."""
    inside = False
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            inside = stripped == f"[{section}]"
        elif inside and not stripped.startswith(("#", ";")):
            key, equals, value = stripped.partition("=")
            if equals and key.strip() == name:
                yield value.strip()
