from __future__ import annotations

import errno
import os
import struct

import pytest

from steelyard.redteam.sandbox import Host, IsolationUnavailable
from steelyard.redteam.sandbox.seccomp import ABSENT, DENIED, filter_program
from steelyard.redteam.sandbox.syscalls import AUDIT_ARCH, NUMBERS

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
MACHINE = os.uname().machine
SCHEDULING = ("setparam", "setscheduler", "setaffinity", "setattr")


def decide(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run the program as the kernel does, on the instructions it uses."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, arch or AUDIT_ARCH[machine], 0, *padded)
    steps = list(struct.iter_unpack("=HBBI", filter_program(machine)))
    at, value = 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        if code == 0x06:
            return operand
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
            at += 1
            continue
        if code == 0x54:
            value &= operand
            at += 1
            continue
        true = {
            0x15: value == operand,
            0x35: value >= operand,
            0x45: bool(value & operand),
        }[code]
        at += 1 + (if_true if true else if_false)


@pytest.mark.parametrize("machine", NUMBERS)
def test_what_is_denied_and_what_is_absent(machine: str) -> None:
    numbers = NUMBERS[machine]
    assert {decide(machine, numbers[n]) for n in DENIED if n in numbers} == {EPERM}
    assert {decide(machine, numbers[n]) for n in ABSENT if n in numbers} == {ENOSYS}
    unknown = set(DENIED + ABSENT) - set(NUMBERS["x86_64"])
    assert unknown == set()


@pytest.mark.parametrize("machine", NUMBERS)
def test_every_other_call_is_allowed(machine: str) -> None:
    listed = set(NUMBERS[machine].values())
    others = [number for number in range(480) if number not in listed]
    assert {decide(machine, number) for number in others} == {ALLOW}


@pytest.mark.parametrize("machine", NUMBERS)
@pytest.mark.parametrize(
    ("name", "arguments", "decision"),
    [
        ("clone", (0x1200011,), ALLOW),
        ("clone", (0x3D0F00,), ALLOW),
        *[("clone", (flag | 17,), EPERM) for flag in (0x20000, *(1 << n for n in range(25, 31)))],
        ("clone", (0x8000 | 17,), EPERM),
        ("ioctl", (0, 0x5423), EPERM),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("ioctl", (0, 0x5412 | 1 << 32), EPERM),
        ("ioctl", (0, 0x541C), EPERM),
        ("personality", (0xFFFFFFFF,), ALLOW),
        ("personality", (0x40000,), EPERM),
        ("prlimit64", (0, 7), ALLOW),
        ("prlimit64", (1, 7), EPERM),
        ("prctl", (36, 1), ALLOW),
        ("prctl", (36, 0), EPERM),
        ("prctl", (15, 0), ALLOW),
        ("fcntl", (3, 1024, 1), EPERM),
        ("fcntl", (3, 6, 1), ALLOW),
        ("mmap", (0, 1, 3, 0x22), ALLOW),
        ("mmap", (0, 1, 3, 0x20022), ALLOW),
        ("mmap", (0, 1, 3, 0x1), ALLOW),
        ("mmap", (0, 1, 3, 0x21), EPERM),
        ("mmap", (0, 1, 3, 0x23), EPERM),
        ("mmap", (0, 1, 3, 0x40022), EPERM),
        ("setpriority", (0, 0, 5), ALLOW),
        ("setpriority", (1, 0, 5), ALLOW),
        ("setpriority", (0, 1, 19), EPERM),
        ("setpriority", (2, 0, 19), EPERM),
        *[(f"sched_{name}", (0, 1), ALLOW) for name in SCHEDULING],
        *[(f"sched_{name}", (1, 1), EPERM) for name in SCHEDULING],
        ("socketpair", (1, 1, 0), ALLOW),
        ("socketpair", (2, 1, 0), EPERM),
        ("socketpair", (30, 1, 0), EPERM),
        ("socket", (2, 0x80801, 0), ALLOW),
        ("socket", (2, 6, 0), EPERM),
        ("socket", (10, 5, 0), EPERM),
        ("socket", (1, 1, 0), ALLOW),
        ("socket", (2, 1, 6), ALLOW),
        ("socket", (10, 2, 17), ALLOW),
        ("socket", (2, 1, 132), EPERM),
        ("socket", (10, 1, 262), EPERM),
        ("socket", (16, 3, 0), ALLOW),
        ("socket", (16, 3, 4), EPERM),
        *[("socket", (family, 3, 0), EPERM) for family in (0, 3, 9, 11, 17, 21, 38, 40, 44)],
    ],
)
def test_what_depends_on_an_argument(
    machine: str, name: str, arguments: tuple[int, ...], decision: int
) -> None:
    assert decide(machine, NUMBERS[machine][name], *arguments) == decision


@pytest.mark.parametrize("machine", NUMBERS)
def test_another_machines_calls_end_the_process(machine: str) -> None:
    assert decide(machine, 39, arch=0x40000003) == KILL
    assert decide("x86_64", 0x40000000 | 39) == KILL


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(IsolationUnavailable, match="'riscv64'") as caught:
        filter_program("riscv64")
    assert caught.value.hint == "known: x86_64, aarch64"


CALL = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
for number in map(int, sys.argv[1].split(",")):
    libc.syscall(number, *[ctypes.c_long(int(a)) for a in sys.argv[2:]])
    print(ctypes.get_errno())
"""


def errors(host: Host, numbers: list[int], *arguments: int) -> set[int]:
    listed = ",".join(map(str, numbers))
    done = host.exec(["python3", "-IS", "-c", CALL, listed, *map(str, arguments)])
    assert done.returncode == 0, done
    return {int(line) for line in done.stdout.split()}


@pytest.mark.skipif(MACHINE not in NUMBERS, reason=f"no filter for {MACHINE}")
def test_the_kernel_decides_so(host: Host) -> None:
    numbers = NUMBERS[MACHINE]
    denied = [numbers[n] for n in DENIED if n in numbers]
    assert errors(host, denied, -1, -1, -1) == {errno.EPERM}
    assert errors(host, [numbers[n] for n in ABSENT], -1, -1, -1) == {errno.ENOSYS}
    assert errors(host, [numbers["socket"]], 17, 3, 0) == {errno.EPERM}
    assert errors(host, [numbers["clone"]], 0x10000000 | 17, 0) == {errno.EPERM}
    assert errors(host, [numbers["personality"]], 0x40000) == {errno.EPERM}
    assert errors(host, [numbers["prlimit64"]], 1, 7) == {errno.EPERM}
    assert errors(host, [numbers["prctl"]], 36, 0) == {errno.EPERM}
    assert errors(host, [numbers["ioctl"]], 0, 0x5412) == {errno.EPERM}


@pytest.mark.skipif(MACHINE != "x86_64", reason="machine code for x86_64")
@pytest.mark.parametrize(
    "code",
    ["b814000000cd80c3", "b8270000400f05c3"],
    ids=["32-bit", "x32"],
)
def test_the_kernel_ends_a_process_that_calls_as_another_machine(host: Host, code: str) -> None:
    run = (
        "import ctypes, mmap\n"
        "m = mmap.mmap(-1, 4096, flags=0x22, prot=7)\n"
        f"m.write(bytes.fromhex('{code}'))\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()\n"
        "print('still here')\n"
    )
    done = host.exec(["python3", "-IS", "-c", run])
    assert (done.returncode, done.stdout) == (-31, b"")
