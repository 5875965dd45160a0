"""Hosts that look well and are not: what is not known must not count as satisfied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.collectors.storage import mount_of, mounts
from steelyard.weights.posture.machine import FILE_LIMIT_BYTES, Machine, Unreadable

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, machine, said

MODEL = Scope(at=AT, model=Path("/w"))
ROOT = "1 0 254:0 / / rw - ext4 /dev/dm-0 rw\n"
CRYPT = {"/sys/dev/block/254:0/dm/uuid": "CRYPT-LUKS2-abc-root\n", "/w/a": "x"}
PLAIN = {"/sys/dev/block/8:1/uevent": "DEVNAME=sda1\n"}
ENCRYPTED = ("satisfied", "an encrypted block device (dm-crypt)")
OVER = "1 0 8:1 / / rw - ext4 a rw\n2 1 254:0 / /w rw - ext4 b rw\n3 1 8:1 / / rw - ext4 a rw\n"
BARE = ("not_satisfied", "a disk without encryption")


def disks(root: Path, mountinfo: str, **files: str) -> tuple[str, str]:
    tree = {"/proc/self/mountinfo": mountinfo, **CRYPT, **PLAIN, **files}
    return said(look("disk-encryption", machine(root, tree), MODEL))


@pytest.mark.parametrize("kind", ["VERITY", "INTEGRITY", "SUBDEV", "LUKS", "NULL", "LUKS20"])
def test_a_target_that_checks_and_does_not_encrypt_is_followed_down(
    tmp_path: Path, kind: str
) -> None:
    block = "/sys/dev/block/254:0"
    files = {f"{block}/dm/uuid": f"CRYPT-{kind}-abc-root\n"}
    assert disks(tmp_path, ROOT, **files) == BARE
    below = {f"{block}/slaves/dm-1/dm/uuid": "CRYPT-LUKS2-1\n"}
    assert disks(tmp_path, ROOT, **files, **below) == ENCRYPTED


@pytest.mark.parametrize("kind", ["LUKS1", "LUKS2", "PLAIN", "BITLK", "FVAULT2", "TCRYPT"])
def test_targets_that_encrypt_are_known(tmp_path: Path, kind: str) -> None:
    files = {"/sys/dev/block/254:0/dm/uuid": f"CRYPT-{kind}-abc-root\n"}
    assert disks(tmp_path, ROOT, **files) == ENCRYPTED


@pytest.mark.parametrize(
    ("mountinfo", "expected"),
    [
        (ROOT, ENCRYPTED),
        (ROOT + "2 1 8:1 / /w/shards rw - ext4 /dev/sda1 rw\n", BARE),
        (ROOT + "2 1 8:1 /one /w/a rw - ext4 /dev/sda1 rw\n", BARE),
        (ROOT + "2 1 8:1 / /word rw - ext4 /dev/sda1 rw\n", ENCRYPTED),
        (
            ROOT + "2 1 0:40 / /w/a rw - nfs4 far:/x rw\n",
            ("unknown", "the disk below a nfs4 file system cannot be seen"),
        ),
        # Mounted over the encrypted one later, further up.
        (OVER, BARE),
        # A file system of a user, who may call its source what he likes.
        (
            ROOT + "2 1 0:50 / /w rw - fuse.anything /dev/dm-0 rw\n",
            ("unknown", "the disk below a fuse.anything file system cannot be seen"),
        ),
        # A pool of disks that the kernel does not show.
        (
            ROOT + "2 1 0:31 / /w rw - btrfs /dev/dm-0 rw\n",
            ("unknown", "the disks of the file system cannot be seen"),
        ),
        ("", ("unknown", "the mount cannot be told")),
    ],
)
def test_every_mount_at_and_below_the_weights_counts(
    tmp_path: Path, mountinfo: str, expected: tuple[str, str]
) -> None:
    shown = {"/sys/class/block/dm-0/dm/uuid": "CRYPT-LUKS2-1\n"}
    assert disks(tmp_path, mountinfo, **shown) == expected


def test_a_mount_is_found_as_the_kernel_walks() -> None:
    text = (
        "1 0 8:1 / / rw - ext4 a rw\n"
        "2 1 8:2 / /data/model rw - ext4 b rw\n"
        "3 1 8:3 / /data rw - ext4 c rw\n"
        "4 3 8:4 / /data/x rw - ext4 d rw\n"
    )
    found = mounts(text)
    named = {path: mount_of(Path(path), found) for path in ("/data/model/a", "/data/x/y", "/e")}
    assert {path: mount.device for path, mount in named.items() if mount} == {
        "/data/model/a": "8:3",
        "/data/x/y": "8:4",
        "/e": "8:1",
    }


def test_links_among_the_weights_may_lead_to_another_disk(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "model.safetensors").symlink_to("/elsewhere")
    assert disks(tmp_path, ROOT) == (
        "unknown",
        "1 link among the weights, and what it leads to is not looked at",
    )


PIPED = "|/usr/lib/systemd/systemd-coredump %P\n"
STORED = ("not_satisfied", "core dumps are piped to a program, whatever the limit")
DROPPED = ("satisfied", "core dumps are reported but not stored")
NONE = "[Coredump]\nStorage=none\n"
CONF = "/etc/systemd/coredump.conf"
RUN, LIB = "/run/systemd/coredump.conf.d", "/usr/lib/systemd/coredump.conf.d"
BOTH = "[Coredump]\nStorage=both\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({CONF: NONE}, DROPPED),
        ({CONF: NONE + "Storage=external\n"}, STORED),
        ({CONF: NONE + "Storage=\n"}, STORED),
        ({CONF: "[Other]\nStorage=none\n"}, STORED),
        ({CONF: "Storage=none\n"}, STORED),
        ({CONF: "[Coredump]\nCompress=\\\nStorage=none\n"}, STORED),
        ({CONF: NONE, f"{CONF}.d/x.conf": "[Coredump]\nStorage=external\n"}, STORED),
        ({CONF: NONE, f"{RUN}/x.conf": "[Coredump]\nStorage=journal\n"}, STORED),
        ({CONF: NONE, f"{LIB}/x.conf": BOTH}, STORED),
        ({CONF: NONE, f"{CONF}.d/x.txt": "[Coredump]\nStorage=external\n"}, DROPPED),
        # Of one name, that of /etc counts; of several names, the last.
        (
            {f"{CONF}.d/x.conf": NONE, f"{LIB}/x.conf": BOTH},
            DROPPED,
        ),
        (
            {f"{CONF}.d/1.conf": NONE, f"{LIB}/2.conf": BOTH},
            STORED,
        ),
        ({"/usr/lib/systemd/coredump.conf": NONE}, DROPPED),
        ({CONF: "[Coredump]\n", "/usr/lib/systemd/coredump.conf": NONE}, STORED),
    ],
)  # fmt: skip
def test_the_last_value_of_every_drop_in_decides(
    tmp_path: Path, files: dict[str, str], expected: tuple[str, str]
) -> None:
    where = machine(tmp_path, {"/proc/sys/kernel/core_pattern": PIPED, **files})
    assert said(look("core-dumps", where)) == expected


@pytest.mark.parametrize(("uses_pid", "outcome"), [("0\n", "satisfied"), ("1\n", "unknown")])
def test_an_empty_pattern_writes_dumps_by_number_where_it_is_told_to(
    tmp_path: Path, uses_pid: str, outcome: str
) -> None:
    files = {
        "/proc/sys/kernel/core_pattern": "\n",
        "/proc/sys/kernel/core_uses_pid": uses_pid,
    }
    assert look("core-dumps", machine(tmp_path, files)).outcome == outcome


SSHD = "/etc/ssh/sshd_config"
STRICT = "PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
ADMITS_NONE = ("satisfied", "the SSH daemon admits neither root nor passwords")
DEPENDS = ("unknown", "the SSH daemon's configuration depends on who connects (Match)")
INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({SSHD: STRICT}, ADMITS_NONE),
        ({SSHD: f"{STRICT}Match all\nPasswordAuthentication yes\n"}, DEPENDS),
        ({SSHD: f"{STRICT}match\tUser=ann\nPermitRootLogin yes\n"}, DEPENDS),
        ({SSHD: f"{STRICT}{INCLUDE}", f"{SSHD}.d/x.conf": "Match all\n"}, DEPENDS),
        ({SSHD: f"{STRICT}Include more/*\n", "/etc/ssh/more/x": "Match all\n"}, DEPENDS),
        ({SSHD: f'{STRICT}Include "x" y\n', "/etc/ssh/y": "Match all\n"}, DEPENDS),
        (
            {SSHD: f"{STRICT}Include /etc/*/x\n"},
            ("unknown", "the SSH daemon's configuration includes files by a pattern of folders"),
        ),
        (
            {SSHD: f"{STRICT}Include {SSHD}\n"},
            ("unknown", "the SSH daemon's configuration includes itself"),
        ),
    ],
)
def test_a_match_block_is_looked_for_whether_or_not_the_daemon_answers(
    tmp_path: Path, files: dict[str, str], expected: tuple[str, str]
) -> None:
    answers = {"sshd -T": (0, STRICT.lower())}
    for number, commands in enumerate((answers, {})):
        where = machine(tmp_path / str(number), files, commands)
        assert said(look("ssh-daemon", where)) == expected


def test_a_daemon_whose_files_cannot_be_read_may_have_a_match_block(tmp_path: Path) -> None:
    where = machine(tmp_path, {"/usr/sbin/sshd": ""}, {"sshd -T": (0, STRICT.lower())})
    assert look("ssh-daemon", where).outcome == "unknown"


def test_a_drop_in_that_nothing_includes_sets_nothing(tmp_path: Path) -> None:
    files = {SSHD: "Port 22\n", f"{SSHD}.d/x.conf": STRICT}
    assert look("ssh-daemon", machine(tmp_path / "a", files)).outcome == "not_satisfied"
    files = {SSHD: f"PermitRootLogin yes\n{INCLUDE}", f"{SSHD}.d/x.conf": STRICT}
    assert said(look("ssh-daemon", machine(tmp_path / "b", files))) == (
        "not_satisfied",
        "the SSH daemon does not set to no: permitrootlogin",
    )


@pytest.mark.parametrize("path", ["/usr/sbin/dropbear", "/usr/sbin/tinysshd"])
def test_another_daemon_is_not_read(tmp_path: Path, path: str) -> None:
    where = machine(tmp_path, {"/etc/passwd": "", path: ""})
    assert said(look("ssh-daemon", where)) == (
        "unknown",
        "another SSH daemon is installed, which is not read",
    )


STATUS = "Uid:\t{0}\t{0}\t{0}\t{0}\nCapPrm:\t{1}\nCapEff:\t{2}\nNoNewPrivs:\t1\nSeccomp:\t2\n"
NO_CAPABILITY, ALL = "0" * 16, "000001ffffffffff"
FEW = "0 100000 65536\n"


@pytest.mark.parametrize(
    ("uid", "permitted", "maps", "outcome"),
    [
        (1000, NO_CAPABILITY, ("", ""), "satisfied"),
        # What is permitted can be made effective at any time.
        (1000, ALL, ("", ""), "not_satisfied"),
        # Both in one user namespace: root is somebody else outside.
        (0, NO_CAPABILITY, (FEW, FEW), "satisfied"),
        # Seen from outside, 0 is root of the host, whatever namespace it entered.
        (0, NO_CAPABILITY, ("0 0 4294967295\n", FEW), "not_satisfied"),
    ],
)
def test_what_a_process_could_become_counts(
    tmp_path: Path, uid: int, permitted: str, maps: tuple[str, str], outcome: str
) -> None:
    files = {
        "/proc/7/status": STATUS.format(uid, permitted, NO_CAPABILITY),
        "/proc/self/uid_map": maps[0],
        "/proc/7/uid_map": maps[1],
    }
    where = machine(tmp_path, files)
    assert look("confinement", where, Scope(at=AT, process="7")).outcome == outcome


def test_what_is_cut_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * (FILE_LIMIT_BYTES + 1))
    with pytest.raises(Unreadable) as caught:
        Machine(tmp_path).read("/long")
    assert caught.value.message == "a file: longer than 4194304 bytes"
    (tmp_path / "long").write_bytes(b"x" * FILE_LIMIT_BYTES)
    assert len(Machine(tmp_path).read("/long")) == FILE_LIMIT_BYTES


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_what_may_not_be_looked_at_is_not_absent(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(Unreadable):
        Machine(tmp_path).exists("/closed/x")


def test_a_name_that_leads_to_itself_cannot_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Unreadable, match="a file: "):
        Machine(tmp_path).resolved("/loop")
