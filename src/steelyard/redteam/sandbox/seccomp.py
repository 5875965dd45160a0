"""The filter of system calls that every process of a host runs under.

A deny list over bubblewrap's namespaces: what could trace, mount, load, enter or make a
namespace, or hold memory that no limit counts. Written as a classic BPF program
(Documentation/userspace-api/seccomp_filter.rst of the kernel); each rule is a self-contained
block, so no jump is longer than its block.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

from steelyard.redteam.sandbox.failures import IsolationUnavailable
from steelyard.redteam.sandbox.syscalls import AUDIT_ARCH, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable

_INSTRUCTION = struct.Struct("=HBBI")
_LOAD, _RETURN, _AND = 0x20, 0x06, 0x54
_EQUAL, _AT_LEAST, _ANY_BIT = 0x15, 0x35, 0x45
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_X32_BIT = 0x40000000

# CLONE_NEW* of linux/sched.h but CLONE_NEWTIME, whose bit means a signal here.
_CLONE_NEW = 0x7E020000
# A child of the caller's parent: a time-out would not find it below its call.
_CLONE_PARENT = 0x8000
_TIOCSTI, _TIOCLINUX, _TIOCSETD = 0x5412, 0x541C, 0x5423
_F_SETLEASE = 1024
_MAP_SHARED, _MAP_ANONYMOUS, _MAP_HUGETLB = 0x1, 0x20, 0x40000
_PRIO_USER = 2
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
# The kernel loads a module for whichever protocol or type is asked for.
_IP_PROTOCOLS = (0, 1, 6, 17, 58)
_TYPE_MASK, _STREAM, _DATAGRAM = 0xF, 1, 2
_PERSONALITIES = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_PR_SET_CHILD_SUBREAPER = 36
_SCHEDULING = ("sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr")

DENIED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"),
    *("kcmp", "pidfd_getfd", "perf_event_open", "userfaultfd", "bpf", "move_pages"),
    *("migrate_pages", "remap_file_pages", "mount", "umount2", "pivot_root", "chroot"),
    *("open_tree", "open_tree_attr", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick"),
    *("mount_setattr", "unshare", "setns", "add_key", "request_key", "keyctl"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "name_to_handle_at"),
    *("open_by_handle_at", "fanotify_init", "lookup_dcookie", "quotactl", "quotactl_fd", "acct"),
    *("swapon", "swapoff", "reboot", "kexec_load", "kexec_file_load", "init_module"),
    *("finit_module", "delete_module", "create_module", "get_kernel_syms", "query_module"),
    *("nfsservctl", "uselib", "ustat", "sysfs", "_sysctl", "vhangup", "modify_ldt", "iopl"),
    *("ioperm", "syslog", "sethostname", "setdomainname", "settimeofday", "clock_settime"),
    *("adjtimex", "clock_adjtime", "ioprio_set"),
)
"""Calls that fail with EPERM whatever their arguments."""

ABSENT = ("clone3", "memfd_create", "memfd_secret", "shmget", "semget", "msgget", "io_setup")
"""Calls that fail with ENOSYS: `clone3` hides its flags from a filter and libraries fall back to
`clone`; the others hold memory that belongs to no process and no disk, or, `io_setup`, events of
which the whole machine has a fixed number."""


def filter_program(machine: str | None = None) -> bytes:
    """The program for a machine as `os.uname` names it; this one by default.

    Raises:
        IsolationUnavailable: a machine whose calls are not known here.
    """
    machine = machine or os.uname().machine
    if machine not in NUMBERS:
        raise IsolationUnavailable(
            f"no filter of system calls for {machine!r}", hint=f"known: {', '.join(NUMBERS)}"
        )
    numbers = NUMBERS[machine]
    eperm, enosys = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    program = [
        _step(_LOAD, _ARCH_AT),
        _step(_EQUAL, AUDIT_ARCH[machine], 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        program += [_step(_AT_LEAST, _X32_BIT, 0, 1), _step(_RETURN, _KILL_PROCESS)]
    for names, action in ((DENIED, eperm), (ABSENT, enosys)):
        for name in (name for name in names if name in numbers):
            program += [_step(_EQUAL, numbers[name], 0, 1), _step(_RETURN, action)]
    for name, block in _conditional(eperm).items():
        program += [_step(_EQUAL, numbers[name], 0, len(block)), *block]
    return b"".join([*program, _step(_RETURN, _ALLOW)])


def _conditional(eperm: int) -> dict[str, list[bytes]]:
    """Blocks for calls that are judged by an argument; each ends with a decision."""
    return {
        "clone": [
            _argument(0),
            _step(_ANY_BIT, _CLONE_NEW | _CLONE_PARENT, 0, 1),
            *_decide(eperm),
        ],
        "ioctl": _deny_if(1, (_TIOCSTI, _TIOCLINUX, _TIOCSETD), eperm),
        # Who opens a leased file waits, the harness too.
        "fcntl": _deny_if(1, (_F_SETLEASE,), eperm),
        "mmap": _mmap_block(eperm),
        "personality": _allow_if(0, _PERSONALITIES, eperm),
        # The relay is of the same user: limits and attributes of others are not to be set.
        "prlimit64": _allow_if(0, (0,), eperm),
        "prctl": [
            _argument(0),
            _step(_EQUAL, _PR_SET_CHILD_SUBREAPER, 1, 0),
            _step(_RETURN, _ALLOW),
            *_allow_if(1, (1,), eperm),
        ],
        "socket": _socket_block(eperm),
        "socketpair": _allow_if(0, (_AF_UNIX,), eperm),
        # A relay made idle would not get its turn among busy processes.
        "setpriority": [
            _argument(0),
            _step(_EQUAL, _PRIO_USER, 0, 1),
            _step(_RETURN, eperm),
            *_allow_if(1, (0,), eperm),
        ],
        **{name: _allow_if(0, (0,), eperm) for name in _SCHEDULING},
    }


def _mmap_block(eperm: int) -> list[bytes]:
    """No shared memory without a file: unmapped but for a page, all of it stays and none counts."""
    return [
        _argument(3),
        _step(_ANY_BIT, _MAP_HUGETLB, 0, 1),
        _step(_RETURN, eperm),
        _step(_ANY_BIT, _MAP_ANONYMOUS, 0, 2),
        _step(_ANY_BIT, _MAP_SHARED, 0, 1),
        *_decide(eperm),
    ]


def _socket_block(eperm: int) -> list[bytes]:
    """Local sockets; internet sockets of common protocols; netlink only to list addresses."""
    internet = [
        _argument(1),
        _step(_AND, _TYPE_MASK),
        _step(_EQUAL, _STREAM, 2, 0),
        _step(_EQUAL, _DATAGRAM, 1, 0),
        _step(_RETURN, eperm),
        *_allow_if(2, _IP_PROTOCOLS, eperm),
    ]
    netlink = _allow_if(2, (0,), eperm)
    return [
        _argument(0),
        _step(_EQUAL, _AF_UNIX, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_EQUAL, _AF_NETLINK, 0, len(netlink)),
        *netlink,
        _step(_EQUAL, _AF_INET, 2, 0),
        _step(_EQUAL, _AF_INET6, 1, 0),
        _step(_RETURN, eperm),
        *internet,
    ]


def _allow_if(index: int, values: Iterable[int], otherwise: int) -> list[bytes]:
    block = [_argument(index)]
    for value in values:
        block += [_step(_EQUAL, value, 0, 1), _step(_RETURN, _ALLOW)]
    return [*block, _step(_RETURN, otherwise)]


def _deny_if(index: int, values: Iterable[int], action: int) -> list[bytes]:
    block = [_argument(index)]
    for value in values:
        block += [_step(_EQUAL, value, 0, 1), _step(_RETURN, action)]
    return [*block, _step(_RETURN, _ALLOW)]


def _decide(action: int) -> list[bytes]:
    return [_step(_RETURN, action), _step(_RETURN, _ALLOW)]


def _argument(index: int) -> bytes:
    """Load the low half of an argument; the machines known here are little-endian."""
    return _step(_LOAD, _ARGUMENTS_AT + 8 * index)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, if_true, if_false, value)
