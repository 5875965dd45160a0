"""Disk encryption below the weights, and what becomes of memory that is swapped or dumped.

Follows a path to its mount, the mount to its block device, and the device through everything it
is stacked on (device-mapper, RAID, loop), as `lsblk` does. A drive that encrypts itself is not
seen: nothing on the host shows that it is locked.
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
_VIRTUAL_DISK: Final = re.compile(r"(vd|xvd|nbd|rbd)[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo (proc(5))."""

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
            found.append(Mount(fields[2], _unescape(fields[4]), behind[0], _unescape(behind[1])))
    return found


def mount_of(path: Path, found: list[Mount]) -> Mount | None:
    """The mount that a path lies on: the deepest, and of several at one point the last."""
    best: Mount | None = None
    for mount in found:
        inside = PurePosixPath(path).is_relative_to(mount.point)
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def disk_encryption(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether every place of the weights is encrypted at rest, or only in memory."""
    found = mounts(machine.read("/proc/self/mountinfo"))
    if not scope.places:
        return unknown("no weights were named")
    states = [_encryption(machine, place, found, 0) for place in scope.places]
    facts: JsonObject = {
        "places": [
            {"path": str(place), "outcome": state.outcome, "why": state.text}
            for place, state in zip(scope.places, states, strict=True)
        ]
    }
    worst = _worst(states)
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
    if program.endswith("systemd-coredump") and _stores_nothing(machine):
        return satisfied("core dumps are reported but not stored", facts)
    return failing("core dumps are piped to a program, whatever the limit", facts)


def _stores_nothing(machine: Machine) -> bool:
    try:
        text = machine.read("/etc/systemd/coredump.conf")
    except Unreadable:
        return False
    return re.search(r"^\s*Storage\s*=\s*none\s*$", text, re.MULTILINE) is not None


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
    if mount.device.startswith("0:") and not mount.source.startswith("/dev/"):
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
    return [f"/sys/class/block/{name}"]


def _device(machine: Machine, folder: str, depth: int) -> _Storage:
    """A block device is encrypted if it is a crypt target, or everything below it is."""
    if depth > _DEPTH or not machine.exists(folder):
        return _Storage("unknown", "the block device cannot be seen")
    if _read_or(machine, f"{folder}/dm/uuid").startswith("CRYPT-"):
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
    place = machine.place(device)
    return place.resolve().name if place.is_symlink() else PurePosixPath(device).name


def _worst(states: list[_Storage]) -> _Storage:
    order: list[Outcome] = ["not_satisfied", "unknown", "satisfied"]
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
