"""The first process of a host: starts what it is asked to start, and outlives it all.

Runs inside the host, joined to the other files of this folder, on whatever Python
3.9 or later is there, so it imports nothing of this package and as little as it can. It is asked
through a socket that it reads from descriptor 0: each message carries one call's request and its
descriptors, the first of them a socket for the answers. The protocol is in
docs/reference/sandbox.md.
"""

# The imports that only checkers see are of the file this one is joined to.
# ruff: noqa: TC004

from __future__ import annotations

import _socket
import ctypes
import errno
import gc
import marshal
import os
import resource
import select
from time import monotonic

# `typing` and `signal` cost milliseconds in every host; checkers know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import Any

    from steelyard.redteam.sandbox.inside.children import (
        EXITED,
        LOST,
        NO_FILE,
        NO_PROGRAM,
        STARTED,
        Call,
        Spare,
        libc,
        rehearse_packets,
        take_packet,
    )
    from steelyard.redteam.sandbox.inside.files import CHUNK
    from steelyard.redteam.sandbox.inside.processes import (
        all_pids,
        contents,
        freeze,
        kill_others,
        kill_tree,
        private,
        resident,
        send,
        too_many_files,
        too_many_terminals,
    )
else:
    import _signal as signal

PR_SET_DUMPABLE, PR_SET_NAME = 4, 15
SOON_MS, BUSY_MS, QUIET_MS = 2, 50, 250
# The relay holds one descriptor for each call in progress, and must not run out of them.
RELAY_OPEN_FILES = 4096
RLIMITS = {
    "RLIMIT_CORE": 0,
    "RLIMIT_MEMLOCK": 65536,
    "RLIMIT_MSGQUEUE": 0,
    "RLIMIT_NICE": 0,
    "RLIMIT_RTPRIO": 0,
    "RLIMIT_SIGPENDING": 256,
}
RLIMITS_SET = {
    "RLIMIT_AS": "address_bytes",
    "RLIMIT_DATA": "memory_bytes",
    "RLIMIT_FSIZE": "file_bytes",
}


class Relay:
    """The loop: take calls, reap processes, watch memory and files."""

    def __init__(self, control: int, settings: dict[str, Any]) -> None:
        self.control = _socket.socket(fileno=control)
        self.settings = settings
        self.calls: dict[int, Call] = {}  # by process
        self.sockets: dict[int, Call] = {}  # by descriptor
        self.spare: Spare | None = None
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Answer until the other side goes away."""
        wake, ring = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(ring, False)
        signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, awake)
        self.poll.register(wake, select.POLLIN)
        # A broken pipe is an error of the call that meets it, and no handler survives `execve`.
        signal.signal(signal.SIGPIPE, awake)
        signal.signal(signal.SIGXFSZ, awake)
        os.write(self.control.fileno(), b"ready")
        self.prepare()
        looked, hurried = monotonic(), False
        while True:
            ready = self.poll.poll(self.pause())
            took = False
            for fd, _ in ready:
                if fd == wake:
                    drain(wake)
                elif fd == self.control.fileno():
                    took = True
                    if not self.take():
                        return
                elif fd in self.sockets:
                    # The caller says stop, or is gone.
                    drain(fd)
                    kill_tree(self.sockets[fd].pid)
            self.reap()
            # While a call begins, both processors have other work; calls on calls cannot put off
            # a look at memory.
            hurried = took and not hurried
            if hurried:
                continue
            if not ready:
                self.prepare()
            if monotonic() - looked >= BUSY_MS / 1000:
                self.watch()
                looked = monotonic()

    def pause(self) -> int | None:
        """Milliseconds until the next look at memory; None while no process lives."""
        if self.spare is None:
            return SOON_MS
        if self.calls:
            return BUSY_MS
        return QUIET_MS if set(all_pids()) - {1} - set(self.own_pids()) else None

    def take(self) -> bool:
        """Take one call from the control socket; False at its end."""
        call = take_packet(self.control)
        if call is None:
            return False
        if call.head["verb"] == "kill_all":
            self.kill_all()
            call.answer(EXITED, 0)
            call.close()
        else:
            self.start(call)
        return True

    def start(self, call: Call) -> None:
        """Give a call to the process that waits, or to a new one."""
        if call.head["alone"]:
            freeze()
        try:
            self.give(call)
        except OSError as error:
            call.answer(NO_FILE if call.head["own"] else NO_PROGRAM, error.errno or 0)
            call.answer(EXITED, 126)
            self.end(call)
            return
        call.keep_only_socket()
        if call.head["verb"] == "spawn":
            call.answer(STARTED, call.pid)
            call.close()
            return
        self.follow(call)

    def follow(self, call: Call) -> None:
        """Expect the end of a call's process, or of its caller's patience."""
        self.calls[call.pid] = self.sockets[call.socket] = call
        os.set_blocking(call.socket, False)
        self.poll.register(call.socket, select.POLLIN)

    def finish(self, call: Call, status: int) -> None:
        """Tell the caller how a followed call ended, or that nothing began with it."""
        code = os.waitstatus_to_exitcode(status)
        call.answer(LOST if code == -signal.SIGKILL and not call.taken() else EXITED, code)
        del self.calls[call.pid], self.sockets[call.socket]
        self.poll.unregister(call.socket)
        self.end(call)

    def give(self, call: Call) -> None:
        """Hand a call over, to a new process where the one that waited cannot take it."""
        spare, self.spare = self.spare, None
        if spare is not None and call.head["alone"]:
            # It stands still like everything else.
            spare.dismiss()
            spare = None
        while spare is None or not spare.give(call, self.own_pids()):
            spare = Spare(self.settings)

    def prepare(self) -> None:
        """Have a process wait for the next call; none appears while processes are told."""
        if not self.own_pids():
            try:
                self.spare = Spare(self.settings)
                # The fork made this process's pages shared as well.
                call = rehearse_packets()
            except OSError:
                # Made when it is needed, and told then if it cannot be had.
                return
            self.follow(call)
            self.finish(call, 0)

    def reap(self) -> None:
        """Collect the dead and tell whoever waits for them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                # Whoever stopped a helper would have its caller wait; killed, it is asked again.
                if pid in self.own_pids():
                    send(pid, signal.SIGKILL)
                continue
            if self.spare is not None and pid == self.spare.pid:
                self.spare.socket.close()
                self.spare = None
            if pid in self.calls:
                self.finish(self.calls[pid], status)

    def own_pids(self) -> list[int]:
        """Processes that do the relay's own work, or wait for some."""
        busy = [pid for pid, call in self.calls.items() if call.head["own"]]
        return busy if self.spare is None else [*busy, self.spare.pid]

    def end(self, call: Call) -> None:
        """Let go of a call, and wake what was stopped for it."""
        call.close()
        if call.head["alone"]:
            send(-1, signal.SIGCONT)

    def kill_all(self) -> None:
        """Kill every other process of the host and wait for the last to be gone."""
        while any(pid != 1 for pid in all_pids()):
            send(-1, signal.SIGKILL)
            self.reap()
            select.select([], [], [], 0.001)

    def watch(self) -> None:
        """Kill the largest process while all together use too much; all, when files abound."""
        spared = set(self.own_pids())
        full = any(too_many_files(path, self.settings["files"]) for path in self.settings["disks"])
        if full or too_many_terminals():
            kill_others(spared)
        limit = self.settings["memory_bytes"]
        pids = set(all_pids()) - spared - {1}
        if sum(resident(pid) for pid in pids) <= limit:
            return
        used = {pid: private(pid) for pid in pids}
        while sum(used.values()) > limit:
            largest = max(used, key=lambda pid: used[pid])
            del used[largest]
            send(largest, signal.SIGKILL)


def awake(*args: object) -> None:
    """Nothing: that a process ended reaches the loop through a pipe."""


def drain(fd: int) -> None:
    """Read what is there."""
    try:
        while len(os.read(fd, CHUNK)) == CHUNK:
            pass
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ECONNRESET):
            raise


def look_ordinary() -> None:
    """Read like any first process, and let no other look inside."""
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_NAME, b"init", 0, 0, 0)
    start = ctypes.c_void_p.in_dll(libc, "program_invocation_name").value or 0
    length = len(contents("/proc/self/cmdline"))
    ctypes.memset(start, 0, length)
    ctypes.memmove(start, b"/sbin/init", 10)


def main() -> None:
    """Set up descriptors and serve."""
    look_ordinary()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What started this process left its own descriptors behind.
    os.closerange(3, 256)
    control = os.dup(0)
    settings = marshal.loads(os.read(control, CHUNK))  # noqa: S302 - written by the harness
    limits = RLIMITS | {name: settings[key] for name, key in RLIMITS_SET.items()}
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
    most = min(RELAY_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.umask(0o022)
    # A collection would write to every page that forks share, and there are no cycles.
    gc.disable()
    Relay(control, settings).serve()


main()
