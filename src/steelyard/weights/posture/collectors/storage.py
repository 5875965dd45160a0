"""Disk encryption below the weights, and what becomes of memory that is swapped or dumped.

Follows a path to its mount, the mount to its block device, and the device through everything it
is stacked on (device-mapper, RAID, loop), as `lsblk` does; whatever is mounted below the path
is followed too. A drive that encrypts itself is not seen: nothing on the host shows that it is
locked. Nor is a cipher that does nothing, which root can choose for dm-crypt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    satisfied,
    unknown,
)
from steelyard.weights.posture.collectors.links import links_among
from steelyard.weights.posture.collectors.settings import systemd_value
from steelyard.weights.posture.machine import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.levels import Outcome
    from steelyard.weights.posture.machine import Machine

_IN_MEMORY: Final = ("tmpfs", "ramfs")
_ENCRYPTED_KINDS: Final = ("ecryptfs", "fuse.gocryptfs", "fuse.cryfs", "fuse.encfs")
_DEPTH: Final = 12
_MOUNT_FIELDS: Final = 6
_DUMP_NOTHING: Final = ("/bin/false", "/usr/bin/false", "/bin/true", "/usr/bin/true")
# dm-crypt sets up other targets under its prefix too, which check and do not encrypt.
_ENCRYPTED: Final = re.compile(r"CRYPT-(LUKS1|LUKS2|PLAIN|BITLK|FVAULT2|TCRYPT)-")
_VIRTUAL_DISK: Final = re.compile(r"(vd|xvd|nbd|rbd)[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo (proc(5)); `parent` is the number of the mount that it covers."""

    number: str
    parent: str
    device: str
    point: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class _Storage:
    outcome: Outcome
    text: str


def mounts(text: str) -> list[Mount]:
    """The mounts of a mountinfo file; lines of any other form are left out."""
    found: list[Mount] = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        fields, behind = left.split(" "), right.split(" ")
        if dash and len(fields) >= _MOUNT_FIELDS and len(behind) > 1:
            point, source = _unescape(fields[4]), _unescape(behind[1])
            found.append(Mount(fields[0], fields[1], fields[2], point, behind[0], source))
    return found


def mount_of(path: Path, found: list[Mount]) -> Mount | None:
    """The mount that a path lies on, found as the kernel walks: from the root down.

    The deepest point does not decide: one mounted later, further up, hides what lay below.
    """
    numbers = {mount.number for mount in found}
    tops = [mount for mount in found if mount.parent not in numbers or mount.parent == mount.number]
    best = _nearest(path, tops)
    passed: set[str] = set()
    while best is not None and best.number not in passed:
        passed.add(best.number)
        below = [m for m in found if m.parent == best.number and m.number not in passed]
        further = _nearest(path, below)
        if further is None:
            break
        best = further
    return best


def _nearest(path: Path, found: list[Mount]) -> Mount | None:
    """The first mount on the way down to a path, of several at one point the last."""
    best: Mount | None = None
    for mount in found:
        inside = PurePosixPath(path).is_relative_to(mount.point)
        if inside and (best is None or len(mount.point) <= len(best.point)):
            best = mount
    return best


def _points_below(place: Path, found: list[Mount]) -> list[Path]:
    points = {PurePosixPath(mount.point) for mount in found}
    return [Path(p) for p in sorted(points) if PurePosixPath(place) in p.parents]


def disk_encryption(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether every place of the weights is encrypted at rest, or only in memory."""
    found = mounts(machine.read("/proc/self/mountinfo"))
    if not scope.places:
        return unknown("no weights were named")
    paths = [path for place in scope.places for path in (place, *_points_below(place, found))]
    states = [_encryption(machine, path, found, 0) for path in paths]
    facts: JsonObject = {
        "places": [
            {"path": str(path), "outcome": state.outcome, "why": state.text}
            for path, state in zip(paths, states, strict=True)
        ]
    }
    worst = _worst(states)
    if worst.outcome == "satisfied" and (links := links_among(machine, scope)):
        return unknown(links, facts)
    return Finding(worst.outcome, worst.text, facts)


def swap(machine: Machine, _: Scope, __: Mapping[str, int]) -> Finding:
    """Whether there is no swap, or every swap is encrypted or itself in memory."""
    lines = machine.read("/proc/swaps").splitlines()[1:]
    areas = [_unescape(line.split()[0]) for line in lines if line.split()]
    if not areas:
        return satisfied("no swap is in use")
    found = mounts(machine.read("/proc/self/mountinfo"))
    states = [_swap_area(machine, area, found) for area in areas]
    facts: JsonObject = {
        "areas": [
            {"area": area, "outcome": state.outcome, "why": state.text}
            for area, state in zip(areas, states, strict=True)
        ]
    }
    worst = _worst(states)
    return Finding(worst.outcome, f"swap: {worst.text}", facts)


def core_dumps(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether a crash leaves the memory of the holder in a file (core(5))."""
    pattern = machine.read("/proc/sys/kernel/core_pattern").strip()
    facts: JsonObject = {"core_pattern": pattern}
    if pattern.startswith("|"):
        return _piped(machine, pattern[1:].split(), facts)
    if not pattern:
        if machine.read("/proc/sys/kernel/core_uses_pid").strip() != "0":
            return unknown("core dumps go to files that are named by number", facts)
        return satisfied("the kernel writes no core dump", facts)
    if not scope.process:
        return unknown("core dumps go to files, and no process was named whose limit counts", facts)
    limits = machine.read(f"/proc/{scope.process}/limits")
    limit = re.search(r"^Max core file size\s+(\S+)", limits, re.MULTILINE)
    if limit is None:
        return unknown("the core limit of the process cannot be read", facts)
    told = f"the core limit of the process that holds the weights is {limit[1]}"
    return satisfied(told, facts) if limit[1] == "0" else failing(told, facts)


def _piped(machine: Machine, words: list[str], facts: JsonObject) -> Finding:
    """A pipe gets the memory whatever the limit: it is not enforced there (core(5))."""
    program = words[0] if words else ""
    if program in _DUMP_NOTHING:
        return satisfied("core dumps are piped into a program that drops them", facts)
    if program.endswith("/systemd-coredump") and _stores_nothing(machine):
        return satisfied("core dumps are reported but not stored", facts)
    return failing("core dumps are piped to a program, whatever the limit", facts)


def _stores_nothing(machine: Machine) -> bool:
    return systemd_value(machine, "coredump.conf", "Coredump", "Storage") == "none"


def _swap_area(machine: Machine, area: str, found: list[Mount]) -> _Storage:
    name = PurePosixPath(area).name
    if name.startswith("zram"):
        backing = _read_or(machine, f"/sys/block/{name}/backing_dev", "none").strip()
        if backing in ("none", ""):
            return _Storage("satisfied", "compressed memory only")
        return _Storage("unknown", "compressed memory with a disk behind it")
    if area.startswith("/dev/"):
        return _device(machine, f"/sys/class/block/{_device_name(machine, area)}", 0)
    return _encryption(machine, Path(area), found, 0)


def _encryption(machine: Machine, path: Path, found: list[Mount], depth: int) -> _Storage:
    mount = mount_of(path, found)
    if mount is None or depth > _DEPTH:
        return _Storage("unknown", "the mount cannot be told")
    if why := _by_itself(machine, path, mount):
        return _Storage("satisfied", why)
    if mount.device.startswith("0:") and mount.kind != "btrfs":
        # Whatever such a file system calls its source, whoever mounted it chose that.
        return _Storage("unknown", f"the disk below a {mount.kind} file system cannot be seen")
    if mount.device.startswith("0:"):
        return _worst([_device(machine, folder, depth) for folder in _members(machine, mount)])
    return _device(machine, f"/sys/dev/block/{mount.device}", depth)


def _by_itself(machine: Machine, path: Path, mount: Mount) -> str:
    """Why a file system needs no encrypted disk; empty where it does."""
    if mount.kind in _IN_MEMORY:
        return "they lie in memory only"
    if mount.kind in _ENCRYPTED_KINDS:
        return f"the file system encrypts ({mount.kind})"
    return "the folder is encrypted (fscrypt)" if _fscrypt(machine, path) else ""


def _members(machine: Machine, mount: Mount) -> list[str]:
    """Every device of a file system that spans several and so has no number of its own (btrfs)."""
    name = _device_name(machine, mount.source)
    pools = machine.names("/sys/fs/btrfs") if machine.exists("/sys/fs/btrfs") else []
    for pool in pools:
        folder = f"/sys/fs/btrfs/{pool}/devices"
        if machine.exists(folder) and name in (names := machine.names(folder)):
            return [f"/sys/class/block/{member}" for member in names]
    return []


def _device(machine: Machine, folder: str, depth: int) -> _Storage:
    """A block device is encrypted if it is a crypt target, or everything below it is."""
    if depth > _DEPTH or not machine.exists(folder):
        return _Storage("unknown", "the block device cannot be seen")
    if _ENCRYPTED.match(_read_or(machine, f"{folder}/dm/uuid")):
        return _Storage("satisfied", "an encrypted block device (dm-crypt)")
    slaves = machine.names(f"{folder}/slaves") if machine.exists(f"{folder}/slaves") else []
    if slaves:
        return _worst([_device(machine, f"{folder}/slaves/{n}", depth + 1) for n in slaves])
    if backing := _read_or(machine, f"{folder}/loop/backing_file").strip():
        found = mounts(machine.read("/proc/self/mountinfo"))
        return _encryption(machine, Path(backing), found, depth + 1)
    name = re.search(r"^DEVNAME=(\S+)", _read_or(machine, f"{folder}/uevent"), re.MULTILINE)
    if name and _VIRTUAL_DISK.fullmatch(name[1]):
        return _Storage(
            "unknown", "a virtual disk without encryption on this host; below it cannot be seen"
        )
    return _Storage("not_satisfied", "a disk without encryption")


def _fscrypt(machine: Machine, path: Path) -> bool:
    try:
        output = machine.command(("lsattr", "-d", str(path)))
    except Unreadable:
        return False
    flags = output.text.split(" ", 1)[0]
    return output.status == 0 and "E" in flags


def _device_name(machine: Machine, device: str) -> str:
    """The kernel's name of a device node, through the links that device-mapper makes."""
    if machine.place(device).is_symlink():
        return machine.resolved(device).name
    return PurePosixPath(device).name


def _worst(states: list[_Storage]) -> _Storage:
    order: list[Outcome] = ["not_satisfied", "unknown", "satisfied"]
    if not states:
        return _Storage("unknown", "the disks of the file system cannot be seen")
    return min(states, key=lambda state: order.index(state.outcome))


def _read_or(machine: Machine, path: str, otherwise: str = "") -> str:
    try:
        return machine.read(path)
    except Unreadable:
        return otherwise


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


COLLECTORS: Final = (
    Collector("disk-encryption", "EXAMINE", disk_encryption),
    Collector("swap", "EXAMINE", swap),
    Collector("core-dumps", "EXAMINE", core_dumps),
)
