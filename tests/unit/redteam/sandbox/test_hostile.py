"""What a process inside tries against the limits, the first process and the caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from steelyard.redteam.sandbox import Host, HostLost, Limits, Pod, host_specs

MIB = 1024 * 1024
Eventually = Callable[[Callable[[], bool]], bool]


def python(host: Host, code: str, timeout_s: float = 30.0) -> str:
    done = host.exec(["python3", "-IS", "-c", code], timeout_s=timeout_s)
    return done.stdout.decode() + done.stderr.decode()[-300:]


def spawn(host: Host, code: str) -> int:
    return host.spawn(["python3", "-IS", "-c", code])


HIDDEN = """
import ctypes, threading, time
def work():
    time.sleep(0.2)
    held = bytearray(b"x") * (80 * 2**20)
    time.sleep(60)
threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_first_thread_ended_is_listed(host: Host, eventually: Eventually) -> None:
    pid = spawn(host, HIDDEN)
    assert eventually(lambda: b"Z" in state(host, pid))
    assert [found for found, line in host.processes() if "pthread_exit" in line] == [pid]
    host.kill_all()


def state(host: Host, pid: int) -> bytes:
    return host.read_file(f"/proc/{pid}/stat").rpartition(b")")[2][:3]


def test_memory_of_a_process_whose_first_thread_ended_is_counted(
    small: Host, eventually: Eventually
) -> None:
    for _ in range(4):
        spawn(small, HIDDEN)
    assert eventually(lambda: len(small.processes()) == 4)
    assert eventually(lambda: len(small.processes()) == 1)


@pytest.mark.parametrize("flags", [0x21, 0x23, 0x40022])
def test_no_memory_can_be_had_that_belongs_to_no_process(host: Host, flags: int) -> None:
    code = (
        "import ctypes, errno\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        f"print(libc.mmap(None, 1 << 16, 3, {flags}, -1, ctypes.c_long(0)) == 2**64 - 1)\n"
        "print(errno.errorcode[ctypes.get_errno()])\n"
    )
    assert python(host, code) == "True\nEPERM\n"


def test_the_source_of_zeros_cannot_be_shared_memory(host: Host) -> None:
    map_it = "import mmap, os; mmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096)"
    assert "OSError: [Errno 19]" in python(host, map_it)
    assert host.exec(["head", "-c", "3", "/dev/zero"]).stdout == b"\0\0\0"


def test_a_sibling_of_a_call_cannot_be_made(host: Host) -> None:
    number = 56 if os.uname().machine == "x86_64" else 220
    code = (
        "import ctypes, errno\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"print(libc.syscall({number}, 0x8000 | 17, 0, 0, 0, 0))\n"
        "print(errno.errorcode[ctypes.get_errno()])\n"
    )
    assert python(host, code) == "-1\nEPERM\n"


@pytest.mark.parametrize(
    "attempt",
    [
        "os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))",
        "os.setpriority(os.PRIO_PROCESS, 1, 19)",
        "os.setpriority(os.PRIO_USER, 0, 19)",
        "os.sched_setaffinity(1, {0})",
    ],
)
def test_the_first_process_keeps_its_turn(host: Host, attempt: str) -> None:
    assert "PermissionError" in python(host, f"import os; {attempt}")


def test_a_process_may_lower_its_own_priority(host: Host) -> None:
    assert host.exec(["nice", "-n", "5", "nice"]).stdout == b"5\n"


FOES = {
    "kill": "import os\nwhile 1:\n try: os.kill(-1, 9)\n except OSError: pass",
    "stop": "import os\nwhile 1:\n try: os.kill(-1, 19)\n except OSError: pass",
}


@pytest.mark.parametrize("how", FOES)
def test_files_and_processes_are_told_whatever_is_killed_or_stopped(small: Host, how: str) -> None:
    small.write_file("kept", b"kept")
    pid = spawn(small, FOES[how])
    time.sleep(0.3)
    for _ in range(10):
        assert small.read_file("kept") == b"kept"
        small.write_file("new", b"new")
        assert [found for found, _ in small.processes()] == [pid]
    small.wipe("new")
    small.kill_all()
    assert small.exec(["ls"]).stdout == b"kept\n"


def test_what_was_stopped_for_a_call_goes_on(small: Host, eventually: Eventually) -> None:
    foe = spawn(small, FOES["kill"])
    time.sleep(0.3)
    small.read_file("/etc/hosts")
    assert eventually(lambda: state(small, foe).strip()[:1] in {b"R", b"T"})
    small.kill_all()


WAKER = "import os\nwhile 1:\n try: os.kill(-1, 18)\n except OSError: pass"
CHAIN = """
import os
def fork():
    try: return os.fork()
    except OSError: return -1
for _ in range(6):
    if fork() == 0:
        while True:
            if fork() > 0: os._exit(0)
while True:
    try: os.wait()
    except OSError: pass
"""


def test_a_time_out_ends_a_tree_that_is_kept_awake(small: Host) -> None:
    for _ in range(2):
        spawn(small, WAKER)
    time.sleep(0.2)
    with pytest.raises(TimeoutError):
        python(small, CHAIN, timeout_s=1.0)
    assert [line for _, line in small.processes() if "os.wait" in line] == []


def test_a_disk_with_too_many_files_can_still_be_read_and_wiped(small: Host) -> None:
    small.write_file("kept", b"kept")
    code = "for n in range(10**6): open(f'/tmp/{n}', 'w').close()"
    assert small.exec(["python3", "-IS", "-c", code]).returncode == -9
    for _ in range(10):
        time.sleep(0.03)
        assert small.read_file("kept") == b"kept"
    small.wipe("/tmp")  # noqa: S108
    assert small.exec(["sh", "-c", "sleep 0.5; echo alive"]).stdout == b"alive\n"


def test_a_folder_that_waits_where_a_wipe_moves_things_is_no_hindrance(small: Host) -> None:
    code = (
        "import os\n"
        "for m in range(1, 4):\n"
        "    for n in range(300):\n"
        "        os.makedirs(f'tree/.{m}.{os.getpid() + n}/x')\n"
    )
    assert python(small, code) == ""
    small.wipe("tree")
    assert small.exec(["ls", "-A"]).stdout == b""


def test_nobody_holds_many_terminals_for_long(small: Host) -> None:
    code = (
        "import os, time\n"
        "held = [os.open('/dev/ptmx', os.O_RDWR) for _ in range(80)]\n"
        "time.sleep(20)\n"
    )
    assert small.exec(["python3", "-IS", "-c", code]).returncode == -9


def test_no_file_can_be_leased(host: Host) -> None:
    code = "import fcntl; fcntl.fcntl(open('leased', 'w'), 1024, fcntl.F_WRLCK)"
    assert "PermissionError" in python(host, code)


@pytest.mark.parametrize("call", ["socketpair(2, 1)", "socketpair(30, 1)", "socket(2, 6)"])
def test_no_odd_socket_can_be_asked_for(host: Host, call: str) -> None:
    assert "PermissionError" in python(host, f"import _socket; _socket.{call}")


def test_long_command_lines_hide_nobody(host: Host) -> None:
    for _ in range(30):
        host.spawn(["sleep", "1000", *["0" * 100_000] * 10])
    listed = host.processes()
    assert len(listed) == 30
    assert {len(line) for _, line in listed} == {4096}
    host.kill_all()


def test_a_spawned_process_may_write(host: Host, eventually: Eventually) -> None:
    host.spawn(["sh", "-c", "sleep 0.1; echo said && echo no >&2 && touch went-on"])
    assert eventually(lambda: b"went-on" in host.exec(["ls"]).stdout)


# An ordinary user's hosts are that user outside, so they can open the caller's pipes again.
THIEVES = """
import os, sys
from steelyard.redteam.sandbox import Pod, host_specs
from steelyard.redteam.sandbox.launch import relay_program
relay_program()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
steal = '''
import os
def child(*ends):
    if os.fork(): return
    r = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)
    w = os.open('/proc/self/fd/0', os.O_RDWR | os.O_NONBLOCK)
    while os.getppid() == parent:
        for act in (lambda: os.read(r, 9), lambda: os.write(w, b'x' * 65536)):
            try: act()
            except BlockingIOError: pass
parent = os.getpid()
child(); child()
if os.getpid() == parent:
    for _ in range(60000):
        os.write(1, b'x'); os.read(0, 65536)
'''
with Pod(host_specs(["gate"])) as pod:
    done = pod.hosts["gate"].exec(["python3", "-IS", "-c", steal], input=b"y" * 20_000_000)
    print(done.returncode, set(done.stdout) <= set(b"x"))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
@pytest.mark.usefixtures("isolation")
def test_a_thief_of_its_own_output_does_not_break_the_caller() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THIEVES], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("0 True\n", "")


@pytest.mark.usefixtures("isolation")
def test_a_hostile_host_ends_with_its_pod(eventually: Eventually) -> None:
    pod = Pod(host_specs(["gate"]), Limits(processes=30))
    pod.start()
    host = pod.hosts["gate"]
    for code in (*FOES.values(), WAKER, CHAIN):
        with suppress(HostLost):  # one that stops everybody may stop the next before it answers
            spawn(host, code)
    time.sleep(0.3)
    began = time.monotonic()
    pod.close()
    assert time.monotonic() - began < 5
    assert eventually(lambda: not marked("os.wait()"))


def marked(text: str) -> list[int]:
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_text("utf-8", "replace")
        except OSError:
            continue
        if text in line and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def test_stopping_is_a_signal_here() -> None:
    assert (signal.SIGCONT, signal.SIGSTOP) == (18, 19)


def test_who_kills_everything_does_not_kill_the_next_call(host: Host) -> None:
    """A kill may still be on its way to the process that takes the next call."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        for _ in range(60):
            host.exec(["sh", "-c", "kill -9 -1; true"])
            assert host.exec(["python3", "-IS", "-c", "print(1)"]).stdout == b"1\n"
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
