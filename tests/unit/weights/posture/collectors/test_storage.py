"""Disk encryption, swap and core dumps, on recorded machines and on this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.collectors.storage import mount_of, mounts
from steelyard.weights.posture.machine import Machine

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, machine, said

WEIGHTS = Scope(at=AT, model=Path("/data/model"))
ROOT = "25 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"


def mounted(line: str) -> dict[str, str]:
    return {"/proc/self/mountinfo": ROOT + line}


def disk(number: str, **files: str) -> dict[str, str]:
    """Files of a block device by its number; `_` stands for `/` in their names."""
    found = {name.replace("__", "/"): text for name, text in files.items()}
    return {f"/sys/dev/block/{number}/{name}": text for name, text in found.items()}


def test_a_crypt_device_is_encrypted(tmp_path: Path) -> None:
    files = mounted("30 25 253:1 / /data rw - ext4 /dev/mapper/data rw\n") | disk(
        "253:1", dm__uuid="CRYPT-LUKS2-0123-data\n"
    )
    found = look("disk-encryption", machine(tmp_path, files), WEIGHTS)
    assert said(found) == ("satisfied", "an encrypted block device (dm-crypt)")


def test_a_volume_on_crypt_devices_is_encrypted(tmp_path: Path) -> None:
    files = mounted("30 25 253:2 / /data rw - xfs /dev/mapper/vg-data rw\n") | disk(
        "253:2", dm__uuid="LVM-abc\n", slaves__dm_0__dm__uuid="CRYPT-LUKS2-1\n"
    )
    found = look("disk-encryption", machine(tmp_path, files), WEIGHTS)
    assert said(found) == ("satisfied", "an encrypted block device (dm-crypt)")


def test_one_plain_disk_below_a_mirror_is_enough_to_fail(tmp_path: Path) -> None:
    files = mounted("30 25 9:0 / /data rw - ext4 /dev/md0 rw\n") | disk(
        "9:0",
        slaves__dm_0__dm__uuid="CRYPT-LUKS2-1\n",
        slaves__sdb__uevent="DEVNAME=sdb\n",
    )
    found = look("disk-encryption", machine(tmp_path, files), WEIGHTS)
    assert said(found) == ("not_satisfied", "a disk without encryption")


def test_what_lies_below_a_virtual_disk_is_unknown(tmp_path: Path) -> None:
    files = {"/proc/self/mountinfo": ROOT} | disk("254:0", uevent="MAJOR=254\nDEVNAME=vda\n")
    found = look("disk-encryption", machine(tmp_path, files), WEIGHTS)
    assert said(found) == (
        "unknown",
        "a virtual disk without encryption on this host; below it cannot be seen",
    )


@pytest.mark.parametrize(
    ("line", "outcome", "summary"),
    [
        ("30 25 0:30 / /data rw - tmpfs tmpfs rw\n", "satisfied", "they lie in memory only"),
        (
            "30 25 0:30 / /data rw - fuse.gocryptfs /cipher rw\n",
            "satisfied",
            "the file system encrypts (fuse.gocryptfs)",
        ),
        (
            "30 25 0:30 / /data rw - nfs4 server:/export rw\n",
            "unknown",
            "the disk below a nfs4 file system cannot be seen",
        ),
        (
            "30 25 0:30 / /data rw - overlay overlay rw\n",
            "unknown",
            "the disk below a overlay file system cannot be seen",
        ),
        (
            "30 25 8:1 / /data rw - ext4 /dev/sda1 rw\n",
            "unknown",
            "the block device cannot be seen",
        ),
    ],
)
def test_file_systems_that_need_no_disk_or_hide_it(
    tmp_path: Path, line: str, outcome: str, summary: str
) -> None:
    found = look("disk-encryption", machine(tmp_path, mounted(line)), WEIGHTS)
    assert said(found) == (outcome, summary)


def test_a_pool_of_several_disks_is_as_good_as_its_worst(tmp_path: Path) -> None:
    files = mounted("30 25 0:31 / /data rw - btrfs /dev/dm-0 rw\n") | {
        "/sys/fs/btrfs/0123/devices/dm-0/x": "",
        "/sys/fs/btrfs/0123/devices/sdb/x": "",
        "/sys/class/block/dm-0/dm/uuid": "CRYPT-LUKS2-1\n",
        "/sys/class/block/sdb/uevent": "DEVNAME=sdb\n",
    }
    found = look("disk-encryption", machine(tmp_path, files), WEIGHTS)
    assert said(found) == ("not_satisfied", "a disk without encryption")


def test_a_folder_under_fscrypt_is_encrypted(tmp_path: Path) -> None:
    where = machine(
        tmp_path,
        {"/proc/self/mountinfo": ROOT},
        {"lsattr -d /data/model": (0, "----E---------e------- /data/model\n")},
    )
    found = look("disk-encryption", where, WEIGHTS)
    assert said(found) == ("satisfied", "the folder is encrypted (fscrypt)")


def test_of_two_mounts_at_one_point_the_last_counts() -> None:
    text = ROOT + (
        "30 25 8:1 / /data rw - ext4 /dev/sda1 rw\n"
        "31 25 8:2 / /srv/mo\\040del rw - ext4 /dev/sdb rw\n"
        "32 30 0:40 / /data rw - tmpfs tmpfs rw\n"
    )
    found = mounts(text)
    assert [m.kind for m in (mount_of(Path("/data/x"), found),) if m] == ["tmpfs"]
    assert [m.device for m in (mount_of(Path("/srv/mo del/x"), found),) if m] == ["8:2"]
    assert [m.device for m in (mount_of(Path("/database"), found),) if m] == ["254:0"]


@given(st.text(max_size=200))
def test_any_text_is_read_as_mounts_or_left_out(text: str) -> None:
    for mount in mounts(text):
        assert mount.kind == "" or " " not in mount.kind


@pytest.mark.parametrize(
    ("areas", "files", "expected"),
    [
        ("", {}, ("satisfied", "no swap is in use")),
        ("/dev/zram0 partition 8 0 100\n", {}, ("satisfied", "swap: compressed memory only")),
        (
            "/dev/zram0 partition 8 0 100\n",
            {"/sys/block/zram0/backing_dev": "/dev/sda2\n"},
            ("unknown", "swap: compressed memory with a disk behind it"),
        ),
        (
            "/dev/dm-1 partition 8 0 -2\n",
            {"/sys/class/block/dm-1/dm/uuid": "CRYPT-PLAIN-swap\n"},
            ("satisfied", "swap: an encrypted block device (dm-crypt)"),
        ),
        (
            "/dev/sda2 partition 8 0 -2\n",
            {"/sys/class/block/sda2/uevent": "DEVNAME=sda2\n"},
            ("not_satisfied", "swap: a disk without encryption"),
        ),
    ],
)
def test_swap(tmp_path: Path, areas: str, files: dict[str, str], expected: tuple[str, str]) -> None:
    table = f"Filename Type Size Used Priority\n{areas}"
    where = machine(tmp_path, {"/proc/swaps": table, "/proc/self/mountinfo": ROOT, **files})
    assert said(look("swap", where)) == expected


LIMITS = "Limit Soft Hard Units\nMax core file size        {}          unlimited      bytes\n"
CONFIG = "/etc/systemd/coredump.conf"
HANDLER = "|/usr/lib/systemd/systemd-coredump %P\n"


@pytest.mark.parametrize(
    ("pattern", "soft", "files", "expected"),
    [
        (
            "core\n",
            "0",
            {},
            ("satisfied", "the core limit of the process that holds the weights is 0"),
        ),
        (
            "core\n",
            "unlimited",
            {},
            ("not_satisfied", "the core limit of the process that holds the weights is unlimited"),
        ),
        (
            "\n",
            "unlimited",
            {"/proc/sys/kernel/core_uses_pid": "0\n"},
            ("satisfied", "the kernel writes no core dump"),
        ),
        (
            "|/bin/false\n",
            "unlimited",
            {},
            ("satisfied", "core dumps are piped into a program that drops them"),
        ),
        # The limit is not enforced for a pipe.
        (
            HANDLER,
            "0",
            {},
            ("not_satisfied", "core dumps are piped to a program, whatever the limit"),
        ),
        (
            HANDLER,
            "0",
            {CONFIG: "[Coredump]\nStorage=none\n"},
            ("satisfied", "core dumps are reported but not stored"),
        ),
        (
            HANDLER,
            "0",
            {CONFIG: "[Coredump]\n#Storage=none\n"},
            ("not_satisfied", "core dumps are piped to a program, whatever the limit"),
        ),
    ],
)
def test_core_dumps(
    tmp_path: Path, pattern: str, soft: str, files: dict[str, str], expected: tuple[str, str]
) -> None:
    tree = {"/proc/sys/kernel/core_pattern": pattern, "/proc/7/limits": LIMITS.format(soft)}
    found = look("core-dumps", machine(tmp_path, tree | files), Scope(at=AT, process="7"))
    assert said(found) == expected


def test_without_a_process_a_limit_says_nothing(tmp_path: Path) -> None:
    where = machine(tmp_path, {"/proc/sys/kernel/core_pattern": "core\n"})
    assert said(look("core-dumps", where)) == (
        "unknown",
        "core dumps go to files, and no process was named whose limit counts",
    )


def test_this_machine_answers(tmp_path: Path) -> None:
    scope = Scope(at=AT, model=tmp_path, process="self")
    for name in ("disk-encryption", "swap", "core-dumps"):
        found = look(name, Machine(), scope)
        assert found.outcome in ("satisfied", "not_satisfied", "unknown")
        assert found.summary
        assert "could not look" not in found.summary
