"""What the kernel and the firmware refuse, who may log in, and who keeps the clock.

Presence of a chip is told, and never taken for what the chip could show.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    satisfied,
    unknown,
)
from steelyard.weights.posture.collectors.settings import SSHD_CONFIG, sshd_lines
from steelyard.weights.posture.machine import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine

_PTRACE: Final = "/proc/sys/kernel/yama/ptrace_scope"
_DENY_PTRACE: Final = "/sys/fs/selinux/booleans/deny_ptrace"
_LOCKDOWN: Final = "/sys/kernel/security/lockdown"
_SECURE_BOOT: Final = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_GUEST_DEVICES: Final = ("/dev/sev-guest", "/dev/tdx_guest", "/sys/kernel/config/tsm/report")
_GUEST_FLAGS: Final = ("sev_snp", "sev_es", "tdx_guest")
_SSHD_PROGRAMS: Final = ("/usr/sbin/sshd", "/usr/bin/sshd", "/sbin/sshd", "/usr/local/sbin/sshd")
# What OpenSSH does where nothing is written (sshd_config(5)).
_SSHD_DEFAULTS: Final = {
    "permitrootlogin": "prohibit-password",
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "yes",
}
_OTHER_DAEMONS: Final = tuple(
    f"{folder}/{name}"
    for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
    for name in ("dropbear", "tinysshd", "tinysshd-makekey", "lsh", "lshd")
)


def ptrace_scope(machine: Machine, _: Scope, parameters: Mapping[str, int]) -> Finding:
    """Whether processes of one user can read each other's memory (Yama, SELinux)."""
    least = parameters["scope_minimum"]
    if machine.exists(_DENY_PTRACE) and machine.read(_DENY_PTRACE).split()[:1] == ["1"]:
        return satisfied("SELinux denies tracing")
    if not machine.exists(_PTRACE):
        if not machine.exists("/proc/sys/kernel"):
            return unknown("the kernel's settings cannot be read")
        return failing("the kernel has no Yama: processes of one user can trace each other")
    text = machine.read(_PTRACE).strip()
    found = int(text) if text.isdigit() else 0
    told = f"ptrace scope {found}, at least {least} needed"
    facts: JsonObject = {"ptrace_scope": found}
    return satisfied(told, facts) if found >= least else failing(told, facts)


def kernel_lockdown(machine: Machine, _: Scope, __: Mapping[str, int]) -> Finding:
    """Whether the kernel refuses changes to itself (kernel_lockdown(7))."""
    if not machine.exists(_LOCKDOWN):
        if not machine.exists("/sys/kernel/security/lsm"):
            return unknown("the kernel's security file system is not mounted here")
        return failing("the kernel has no lockdown")
    found = re.search(r"\[(\w+)\]", machine.read(_LOCKDOWN))
    mode = found[1] if found else "none"
    facts: JsonObject = {"lockdown": mode}
    if mode in ("integrity", "confidentiality"):
        return satisfied(f"kernel lockdown: {mode}", facts)
    return failing("kernel lockdown is off", facts)


def secure_boot(machine: Machine, _: Scope, __: Mapping[str, int]) -> Finding:
    """The firmware's own word on whether it checks what it starts (UEFI 2.10, section 3.3)."""
    if not machine.exists(_SECURE_BOOT):
        return unknown("the firmware shows no Secure Boot variable here")
    # Four bytes of attributes, then the value.
    value = machine.read(_SECURE_BOOT)[-1:]
    if value == "\x01":
        return satisfied("Secure Boot is on")
    return failing("Secure Boot is off")


def tpm(machine: Machine, _: Scope, __: Mapping[str, int]) -> Finding:
    """Whether a TPM is there. That shows that an identity can be kept, not that one is."""
    chips = machine.names("/sys/class/tpm") if machine.exists("/sys/class/tpm") else []
    if not chips:
        return unknown("no TPM is seen")
    versions: list[str] = []
    for chip in chips:
        try:
            versions.append(machine.read(f"/sys/class/tpm/{chip}/tpm_version_major").strip())
        except Unreadable:
            versions.append("unknown")
    facts: JsonObject = {"chips": list(chips), "versions": list(versions)}
    return unknown("a TPM is present, which is no identity yet", facts)


def confidential_computing(machine: Machine, _: Scope, __: Mapping[str, int]) -> Finding:
    """Whether encrypted memory is there. Presence is no attestation, so this never satisfies."""
    devices = [path for path in _GUEST_DEVICES if machine.exists(path)]
    flags: list[str] = []
    if machine.exists("/proc/cpuinfo"):
        words = set(machine.read("/proc/cpuinfo").split())
        flags = [flag for flag in _GUEST_FLAGS if flag in words]
    facts: JsonObject = {"devices": list(devices), "flags": list(flags)}
    if devices or flags:
        return unknown("a confidential guest is present; presence is no attestation", facts)
    return unknown("no confidential guest is seen", facts)


def ssh_daemon(machine: Machine, _: Scope, __: Mapping[str, int]) -> Finding:
    """Whether an SSH daemon lets in root, or anybody by password (sshd_config(5))."""
    if any(machine.exists(path) for path in _OTHER_DAEMONS):
        return unknown("another SSH daemon is installed, which is not read")
    if not any(machine.exists(path) for path in (*_SSHD_PROGRAMS, SSHD_CONFIG)):
        if not machine.exists("/etc/passwd"):
            return unknown("the configuration of the host cannot be seen")
        return satisfied("no SSH daemon is installed")
    settings, why = _sshd_settings(machine)
    if why:
        return unknown(why)
    facts: JsonObject = {name: settings[name] for name in _SSHD_DEFAULTS}
    open_ones = [name for name in _SSHD_DEFAULTS if settings[name] != "no"]
    if open_ones:
        return failing(f"the SSH daemon does not set to no: {', '.join(open_ones)}", facts)
    return satisfied("the SSH daemon admits neither root nor passwords", facts)


def time_sync(machine: Machine, _: Scope, __: Mapping[str, int]) -> Finding:
    """Whether a time service keeps the clock."""
    if machine.exists("/run/systemd/timesync/synchronized"):
        return satisfied("systemd-timesyncd has set the clock")
    heard = ""
    for command, good, bad in (
        (("timedatectl", "show", "--property=NTPSynchronized", "--value"), "yes", "no"),
        (("chronyc", "-c", "tracking"), "Normal", "Not synchronised"),
    ):
        try:
            output = machine.command(command)
        except Unreadable:
            continue
        last = output.text.strip().rpartition(",")[2]
        if output.status == 0 and last == good:
            return satisfied(f"the clock is synchronized ({command[0]})")
        if output.status == 0 and last == bad:
            heard = command[0]
    if heard:
        return failing(f"the clock is not synchronized ({heard})")
    return unknown("no time service answers")


def _sshd_settings(machine: Machine) -> tuple[dict[str, str], str]:
    """Settings by lower-case name, or why they cannot be told.

    The files are read even where the daemon answers: it leaves out what Match blocks set.
    """
    try:
        written = list(sshd_lines(machine))
    except Unreadable as error:
        return {}, str(error)
    if any(words[0] == "match" for words in written):
        return {}, "the SSH daemon's configuration depends on who connects (Match)"
    try:
        output = machine.command(("sshd", "-T"))
    except Unreadable:
        return _first_values(written), ""
    if output.status == 0:
        written = [line.split() for line in output.text.splitlines()]
    return _first_values(written), ""


def _first_values(lines: list[list[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for words in lines:
        if len(words) > 1:
            found.setdefault(words[0].lower(), words[1].lower())
    # The name that OpenSSH before 8.7 knows, and later ones still accept.
    older = found.get("challengeresponseauthentication")
    if older is not None:
        found.setdefault("kbdinteractiveauthentication", older)
    return {**_SSHD_DEFAULTS, **found}


COLLECTORS: Final = (
    Collector("ptrace-scope", "EXAMINE", ptrace_scope),
    Collector("kernel-lockdown", "EXAMINE", kernel_lockdown),
    Collector("secure-boot", "EXAMINE", secure_boot),
    Collector("tpm", "EXAMINE", tpm),
    Collector("confidential-computing", "EXAMINE", confidential_computing),
    Collector("ssh-daemon", "TEST", ssh_daemon),
    Collector("time-sync", "TEST", time_sync),
)
