"""Who can reach the weights: permissions, the number of accounts that can read, import paths.

Reads accounts from the local files, as the kernel never asks anybody else about groups. Where
the host also asks a directory service, the number is unknown rather than too low.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from steelyard.weights.model_folder import entries
from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    many,
    satisfied,
    some,
    unknown,
)
from steelyard.weights.posture.collectors.links import links_among

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine

_KINDS: Final = ("open_to_others", "writable", "access_control_lists", "hard_links")
_LOCAL_SOURCES: Final = frozenset({"files", "compat", "systemd", "altfiles", "db"})
_PASSWD_FIELDS, _GROUP_FIELDS = 7, 4
# Members can become root, or read any disk, without another password or with their own.
_ROOT_GROUPS: Final = ("root", "sudo", "wheel", "admin", "docker", "lxd", "disk", "incus-admin")


@dataclass(frozen=True, slots=True)
class _Accounts:
    """The accounts of a host: primary group by name, members by group id, uid by name."""

    uids: Mapping[str, int]
    primary: Mapping[str, int]
    members: Mapping[int, frozenset[str]]
    groups: Mapping[str, int]

    def in_group(self, gid: int) -> set[str]:
        """Accounts with that group, primary or not."""
        own = {name for name, group in self.primary.items() if group == gid}
        return own | self.members.get(gid, frozenset())

    def roots(self) -> set[str]:
        """Accounts that are root, or can be at will."""
        known = (self.groups[name] for name in _ROOT_GROUPS if name in self.groups)
        gids = {0, *known}
        zero = {name for name, uid in self.uids.items() if uid == 0}
        return zero.union(*(self.in_group(gid) for gid in gids))


def file_permissions(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether others can read, and group or others write, what holds the weights."""
    if not scope.places:
        return unknown("no weights were named")
    found = [
        (path, _openness(machine, path, status)) for path, status in _everything(machine, scope)
    ]
    count = len(found)
    paths = {kind: [str(path) for path, kinds in found if kind in kinds] for kind in _KINDS}
    facts: JsonObject = {"entries": count, **{kind: some(paths[kind]) for kind in _KINDS}}
    if paths["writable"] or paths["open_to_others"]:
        told = (
            f"{len(paths['open_to_others'])} open to others, "
            f"{len(paths['writable'])} writable by group or others"
        )
        return failing(f"of {count} files and folders {told}", facts)
    if listed := paths["access_control_lists"]:
        told = f"{len(listed)} of {count} files and folders have access control lists, not read"
        return unknown(told, facts)
    if links := links_among(machine, scope):
        return unknown(links, facts)
    if twice := paths["hard_links"]:
        told = f"{many(len(twice), 'file')} readable by others under a second name, not seen"
        return unknown(told, facts)
    return satisfied(f"{count} files and folders: owner and group only", facts)


def readers(machine: Machine, scope: Scope, parameters: Mapping[str, int]) -> Finding:
    """How many accounts of the host can read weights, root and whoever can become it included."""
    if not scope.places:
        return unknown("no weights were named")
    if foreign := _directory_services(machine):
        told = f"accounts also come from {', '.join(foreign)}, which is not asked"
        return unknown(told, {"sources": list(foreign)})
    if links := links_among(machine, scope):
        return unknown(links)
    accounts = _accounts(machine)
    found = accounts.roots()
    for path, status in _everything(machine, scope):
        if _has_list(machine, path):
            return unknown("access control lists say who can read, and are not read")
        if stat.S_ISREG(status.st_mode):
            found |= _who_reads(machine, path, status, accounts)
    most = parameters["readers_maximum"]
    facts: JsonObject = {"accounts": some(sorted(found), 200), "maximum": most}
    told = f"{many(len(found), 'account')} of this host can read the weights, at most {most} may"
    return satisfied(told, facts) if len(found) <= most else failing(told, facts)


def import_path(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether everybody could put code where this interpreter looks for it."""
    if not scope.import_path:
        return unknown("no import path was given")
    open_ones: list[str] = []
    for folder in dict.fromkeys(scope.import_path):
        path = Path(folder)
        if not path.is_absolute() or any(
            _everybody_writes(machine, place) for place in _ways_to(machine, path)
        ):
            open_ones.append(folder)
    facts: JsonObject = {"folders": list(scope.import_path), "open": list(open_ones)}
    if open_ones:
        return failing(
            f"anybody can write in {many(len(open_ones), 'folder')} that code is loaded from", facts
        )
    folders = many(len(scope.import_path), "folder")
    return satisfied(f"{folders} that code is loaded from, none open to everybody", facts)


def _everything(machine: Machine, scope: Scope) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file, link and folder of the weights, with its status."""
    for place in scope.places:
        below = machine.place(place)
        folders = {place}
        for entry in entries(below):
            path = place / entry.name if below.is_dir() else place
            yield path, machine.status(path)
            folders.update(p for p in path.parents if p.is_relative_to(place))
        for folder in sorted(folders):
            if below.is_dir():
                yield folder, machine.status(folder)


def _openness(machine: Machine, path: Path, status: os.stat_result) -> set[str]:
    """Which of the kinds of openness a file or folder has."""
    mode, kinds = status.st_mode, set[str]()
    if stat.S_ISLNK(mode):
        return kinds
    if mode & (stat.S_IROTH | stat.S_IXOTH) and _open_above(machine, path):
        kinds.add("open_to_others")
    elif mode & stat.S_IROTH and _named_elsewhere(status):
        kinds.add("hard_links")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        kinds.add("writable")
    if _has_list(machine, path):
        kinds.add("access_control_lists")
    return kinds


def _open_above(machine: Machine, path: Path) -> bool:
    """Whether every folder above lets others through."""
    return all(machine.status(parent).st_mode & stat.S_IXOTH for parent in path.parents)


def _who_reads(
    machine: Machine, path: Path, status: os.stat_result, accounts: _Accounts
) -> set[str]:
    found = {name for name, uid in accounts.uids.items() if uid == status.st_uid}
    if status.st_mode & stat.S_IRGRP:
        found |= accounts.in_group(status.st_gid)
    if status.st_mode & stat.S_IROTH and (_named_elsewhere(status) or _open_above(machine, path)):
        found |= set(accounts.uids)
    return found


def _named_elsewhere(status: os.stat_result) -> bool:
    """Whether a file has another name, which no closed folder above this one protects."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 1


def _has_list(machine: Machine, path: Path) -> bool:
    """Whether an access control list says more than the mode (POSIX, NFS, SMB)."""
    return any(
        name.startswith("system.") and "acl" in name.lower() for name in machine.attributes(path)
    )


def _ways_to(machine: Machine, path: Path) -> tuple[Path, ...]:
    """A path and all above it, as written and as its links lead."""
    root = machine.place("/").resolve()
    real = machine.resolved(path)
    led = Path("/") / real.relative_to(root) if real.is_relative_to(root) else path
    return (path, *path.parents, led, *led.parents)


def _everybody_writes(machine: Machine, path: Path) -> bool:
    """Whether anybody may create or exchange something there; a sticky folder protects."""
    if not machine.exists(path):
        return False
    mode = machine.status(path).st_mode
    if stat.S_ISLNK(mode):
        return False
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _directory_services(machine: Machine) -> list[str]:
    """Sources of accounts other than local files (nsswitch.conf(5)); none without that file."""
    if not machine.exists("/etc/nsswitch.conf"):
        return []
    found: list[str] = []
    for line in machine.read("/etc/nsswitch.conf").splitlines():
        name, colon, rest = line.partition("#")[0].partition(":")
        if colon and name.strip() in ("passwd", "group"):
            words = (word for word in rest.split() if not word.startswith("["))
            found += [word for word in words if word not in _LOCAL_SOURCES]
    return sorted(set(found))


def _accounts(machine: Machine) -> _Accounts:
    people = _colon_rows(machine.read("/etc/passwd"), _PASSWD_FIELDS)
    groups = _colon_rows(machine.read("/etc/group"), _GROUP_FIELDS)
    return _Accounts(
        uids={row[0]: int(row[2]) for row in people if row[2].isdigit()},
        primary={row[0]: int(row[3]) for row in people if row[3].isdigit()},
        members={
            int(row[2]): frozenset(filter(None, row[3].split(",")))
            for row in groups
            if row[2].isdigit()
        },
        groups={row[0]: int(row[2]) for row in groups if row[2].isdigit()},
    )


def _colon_rows(text: str, fields: int) -> list[list[str]]:
    rows = (line.split(":") for line in text.splitlines())
    return [row for row in rows if len(row) == fields]


COLLECTORS: Final = (
    Collector("file-permissions", "EXAMINE", file_permissions),
    Collector("readers", "EXAMINE", readers),
    Collector("import-path", "EXAMINE", import_path),
)
