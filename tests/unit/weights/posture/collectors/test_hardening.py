"""Kernel, firmware, SSH, clock and confinement, on recorded machines and on this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.machine import Machine

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, machine, said

BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
YAMA = "/proc/sys/kernel/yama/ptrace_scope"
LOCKDOWN = "/sys/kernel/security/lockdown"
SSHD = "/etc/ssh/sshd_config"
STRICT = "PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
ADMITS_NONE = ("satisfied", "the SSH daemon admits neither root nor passwords")
OPEN = "the SSH daemon does not set to no: "


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        ("ptrace-scope", {YAMA: "1\n"}, ("satisfied", "ptrace scope 1, at least 1 needed")),
        ("ptrace-scope", {YAMA: "0\n"}, ("not_satisfied", "ptrace scope 0, at least 1 needed")),
        (
            "ptrace-scope",
            {"/proc/sys/kernel/ostype": "Linux\n"},
            (
                "not_satisfied",
                "the kernel has no Yama: processes of one user can trace each other",
            ),
        ),
        (
            "ptrace-scope",
            {"/sys/fs/selinux/booleans/deny_ptrace": "1 1"},
            ("satisfied", "SELinux denies tracing"),
        ),
        ("ptrace-scope", {}, ("unknown", "the kernel's settings cannot be read")),
        (
            "kernel-lockdown",
            {LOCKDOWN: "none [integrity] confidentiality\n"},
            ("satisfied", "kernel lockdown: integrity"),
        ),
        (
            "kernel-lockdown",
            {LOCKDOWN: "[none] integrity confidentiality\n"},
            ("not_satisfied", "kernel lockdown is off"),
        ),
        (
            "kernel-lockdown",
            {"/sys/kernel/security/lsm": "capability"},
            ("not_satisfied", "the kernel has no lockdown"),
        ),
        (
            "kernel-lockdown",
            {},
            ("unknown", "the kernel's security file system is not mounted here"),
        ),
        ("secure-boot", {BOOT: b"\x06\0\0\0\x01"}, ("satisfied", "Secure Boot is on")),
        ("secure-boot", {BOOT: b"\x06\0\0\0\0"}, ("not_satisfied", "Secure Boot is off")),
        ("secure-boot", {}, ("unknown", "the firmware shows no Secure Boot variable here")),
        ("tpm", {}, ("unknown", "no TPM is seen")),
        (
            "tpm",
            {"/sys/class/tpm/tpm0/tpm_version_major": "2\n"},
            ("unknown", "a TPM is present, which is no identity yet"),
        ),
        ("confidential-computing", {}, ("unknown", "no confidential guest is seen")),
        (
            "confidential-computing",
            {"/dev/sev-guest": "", "/proc/cpuinfo": "flags : sev_snp sme\n"},
            ("unknown", "a confidential guest is present; presence is no attestation"),
        ),
        ("ssh-daemon", {"/etc/passwd": ""}, ("satisfied", "no SSH daemon is installed")),
        ("ssh-daemon", {}, ("unknown", "the configuration of the host cannot be seen")),
        ("ssh-daemon", {SSHD: STRICT}, ADMITS_NONE),
        (
            "ssh-daemon",
            {SSHD: "# PermitRootLogin no\n"},
            (
                "not_satisfied",
                f"{OPEN}permitrootlogin, passwordauthentication, kbdinteractiveauthentication",
            ),
        ),
        # The first value counts, and files count where they are included.
        (
            "ssh-daemon",
            {
                SSHD: f"Include {SSHD}.d/*.conf\n{STRICT}",
                f"{SSHD}.d/10-cloud.conf": "PasswordAuthentication yes\n",
            },
            ("not_satisfied", f"{OPEN}passwordauthentication"),
        ),
        (
            "ssh-daemon",
            {SSHD: STRICT.replace("KbdInteractive", "ChallengeResponse")},
            ADMITS_NONE,
        ),
        (
            "ssh-daemon",
            {SSHD: f"{STRICT}Match User ann\n  PasswordAuthentication yes\n"},
            ("unknown", "the SSH daemon's configuration depends on who connects (Match)"),
        ),
        (
            "ssh-daemon",
            {"/usr/sbin/sshd": ""},
            ("unknown", "/etc/ssh/sshd_config: no such file or directory"),
        ),
        (
            "time-sync",
            {"/run/systemd/timesync/synchronized": ""},
            ("satisfied", "systemd-timesyncd has set the clock"),
        ),
        ("time-sync", {}, ("unknown", "no time service answers")),
    ],
)
def test_what_is_read(
    tmp_path: Path, name: str, files: dict[str, str | bytes], expected: tuple[str, str]
) -> None:
    assert said(look(name, machine(tmp_path, files))) == expected


@pytest.mark.parametrize(
    ("name", "commands", "expected"),
    [
        ("ssh-daemon", {"sshd -T": (0, STRICT.lower())}, ADMITS_NONE),
        (
            "ssh-daemon",
            {"sshd -T": (0, STRICT.lower().replace("permitrootlogin no", "permitrootlogin yes"))},
            ("not_satisfied", f"{OPEN}permitrootlogin"),
        ),
        (
            "time-sync",
            {"timedatectl": (0, "yes\n")},
            ("satisfied", "the clock is synchronized (timedatectl)"),
        ),
        (
            "time-sync",
            {"timedatectl": (0, "no\n")},
            ("not_satisfied", "the clock is not synchronized (timedatectl)"),
        ),
        (
            "time-sync",
            {"timedatectl": (0, "no\n"), "chronyc": (0, "A1,host,2,1,0.1,Normal\n")},
            ("satisfied", "the clock is synchronized (chronyc)"),
        ),
        ("time-sync", {"timedatectl": (1, "")}, ("unknown", "no time service answers")),
    ],
)
def test_what_is_asked(
    tmp_path: Path, name: str, commands: dict[str, tuple[int, str]], expected: tuple[str, str]
) -> None:
    where = machine(tmp_path, {SSHD: "Port 22\n"}, commands)
    assert said(look(name, where)) == expected


STATUS = "Name:\tserve\nUid:\t{0}\t{0}\t{0}\t{0}\nCapEff:\t{1}\nNoNewPrivs:\t{2}\nSeccomp:\t{3}\n"
MANY = "41 capabilities, at most 1 accepted"
HOLDER = "the process that holds the weights"


@pytest.mark.parametrize(
    ("fields", "mapped", "expected"),
    [
        (
            (1000, "0000000000000000", 1, 2),
            "0 0 4294967295",
            ("satisfied", f"{HOLDER} is confined"),
        ),
        (
            (1000, "0000000000004000", 1, 2),
            "0 0 4294967295",
            ("satisfied", f"{HOLDER} is confined"),
        ),
        (
            (1000, "000001ffffffffff", 0, 0),
            "0 0 4294967295",
            (
                "not_satisfied",
                f"{HOLDER}: no seccomp filter; may gain privileges; {MANY}",
            ),
        ),
        (
            (0, "0000000000000000", 1, 2),
            "0 0 4294967295",
            ("not_satisfied", f"{HOLDER}: runs as root of the host"),
        ),
        # Root of a user namespace is somebody else outside.
        ((0, "0000000000000000", 1, 2), "0 100000 65536", ("satisfied", f"{HOLDER} is confined")),
    ],
)
def test_confinement(
    tmp_path: Path, fields: tuple[int, str, int, int], mapped: str, expected: tuple[str, str]
) -> None:
    files = {
        "/proc/7/status": STATUS.format(*fields),
        "/proc/7/uid_map": f"{mapped}\n",
        "/proc/self/uid_map": f"{mapped}\n",
        "/proc/7/mountinfo": "1 0 8:1 / / ro,relatime - ext4 /dev/sda1 rw\n",
        "/.dockerenv": "",
    }
    found = look("confinement", machine(tmp_path, files), Scope(at=AT, process="7"))
    assert said(found) == expected
    assert (found.facts["container"], found.facts["root_read_only"]) == ("docker", True)


def test_confinement_of_nobody_and_of_an_old_kernel_is_unknown(tmp_path: Path) -> None:
    where = machine(tmp_path, {"/proc/7/status": "Name:\tserve\n"})
    assert look("confinement", where).summary == "no process was named that holds the weights"
    found = look("confinement", where, Scope(at=AT, process="7"))
    assert said(found) == ("unknown", "the kernel does not tell what confines the process")


@pytest.mark.parametrize(
    "name",
    ["ptrace-scope", "kernel-lockdown", "secure-boot", "tpm", "ssh-daemon", "time-sync",
     "confidential-computing", "confinement"],
)  # fmt: skip
def test_this_machine_answers(name: str) -> None:
    found = look(name, Machine(), Scope(at=AT, process="self"))
    assert found.outcome in ("satisfied", "not_satisfied", "unknown")
    assert found.summary
