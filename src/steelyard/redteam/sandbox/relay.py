"""The first process of a host: starts what it is asked to start, and outlives it all.

Runs inside the host, joined to `relay_processes` and `relay_files`, on whatever Python 3.9 or
later is there, so it imports nothing of this package and as little as it can. It is asked through
a socket that it reads from descriptor 0: each message carries the descriptors of one call, among
them a memory file with the request and a socket for the answers. The protocol is in
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
import struct
from time import monotonic

# `typing` and `signal` cost milliseconds in every host; checkers know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import Any, NoReturn

    from steelyard.redteam.sandbox.relay_files import CHUNK, VERBS
    from steelyard.redteam.sandbox.relay_processes import (
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

ANSWER = struct.Struct("<cq")
STARTED, EXITED, NO_FOLDER, NO_PROGRAM, NO_FILE = b"S", b"X", b"C", b"E", b"F"
DESCRIPTORS = 5
PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 4, 15, 36
BUSY_MS, QUIET_MS = 50, 250
# The relay holds one descriptor for each call in progress, and must not run out of them.
OPEN_FILES, RELAY_OPEN_FILES = 256, 4096
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

libc = ctypes.CDLL(None)


class Call:
    """A call in progress: the socket for its answers and the process that carries it out."""

    def __init__(self, fds: list[int], request: dict[str, Any]) -> None:
        self.socket, _, *self.streams = fds
        self.request = request
        self.pid = 0

    def answer(self, kind: bytes, value: int) -> None:
        """Send one answer; whoever asked may be gone already."""
        try:
            os.write(self.socket, ANSWER.pack(kind, value))
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise


class Relay:
    """The loop: take calls, reap processes, watch memory and files."""

    def __init__(self, control: int, settings: dict[str, Any]) -> None:
        self.control = _socket.socket(fileno=control)
        self.settings = settings
        self.calls: dict[int, Call] = {}  # by process
        self.sockets: dict[int, Call] = {}  # by descriptor
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
        os.write(self.control.fileno(), b"ready")
        looked = monotonic()
        while True:
            for fd, _ in self.poll.poll(self.pause()):
                if fd == wake:
                    drain(wake)
                elif fd == self.control.fileno():
                    if not self.take():
                        return
                elif fd in self.sockets:
                    # The caller says stop, or is gone.
                    drain(fd)
                    kill_tree(self.sockets[fd].pid)
            self.reap()
            if monotonic() - looked >= BUSY_MS / 1000:
                self.watch()
                looked = monotonic()

    def pause(self) -> int | None:
        """Milliseconds until the next look at memory; None while no process lives."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        return BUSY_MS if self.calls else QUIET_MS

    def take(self) -> bool:
        """Take one call from the control socket; False at its end."""
        size = _socket.CMSG_SPACE(DESCRIPTORS * 4)
        data, rights, _, _ = self.control.recvmsg(16, size, _socket.MSG_CMSG_CLOEXEC)
        if not data:
            return False
        packed = b"".join(part for _, _, part in rights)
        fds = [value for (value,) in struct.iter_unpack("i", packed)]
        with os.fdopen(fds[1], "rb") as file:
            request = marshal.load(file)  # noqa: S302 - only the harness holds the other end
        call = Call(fds, request)
        if request["verb"] == "kill_all":
            self.kill_all()
            call.answer(EXITED, 0)
            self.close(call)
        else:
            self.start(call)
        return True

    def start(self, call: Call) -> None:
        """Fork a process for a call."""
        if call.request["alone"]:
            freeze()
        try:
            pid = os.fork()
        except OSError as error:
            call.answer(NO_FILE if call.request["own"] else NO_PROGRAM, error.errno or 0)
            call.answer(EXITED, 126)
            self.end(call)
            return
        if pid == 0:
            child(call, self.settings, self.own_pids())
        call.pid = pid
        for fd in call.streams:
            os.close(fd)
        call.streams = []
        if call.request["verb"] == "spawn":
            call.answer(STARTED, pid)
            self.close(call)
            return
        self.calls[pid] = self.sockets[call.socket] = call
        os.set_blocking(call.socket, False)
        self.poll.register(call.socket, select.POLLIN)

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
            call = self.calls.pop(pid, None)
            if call is not None:
                del self.sockets[call.socket]
                self.poll.unregister(call.socket)
                call.answer(EXITED, os.waitstatus_to_exitcode(status))
                self.end(call)

    def own_pids(self) -> set[int]:
        """Processes that do the relay's own work."""
        return {pid for pid, call in self.calls.items() if call.request["own"]}

    def end(self, call: Call) -> None:
        """Let go of a call, and wake what was stopped for it."""
        self.close(call)
        if call.request["alone"]:
            send(-1, signal.SIGCONT)

    def kill_all(self) -> None:
        """Kill every other process of the host and wait for the last to be gone."""
        while any(pid != 1 for pid in all_pids()):
            send(-1, signal.SIGKILL)
            self.reap()
            select.select([], [], [], 0.001)

    def close(self, call: Call) -> None:
        """Let go of a call's descriptors."""
        for fd in (call.socket, *call.streams):
            os.close(fd)

    def watch(self) -> None:
        """Kill the largest process while all together use too much; all, when files abound."""
        spared = self.own_pids()
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


def child(call: Call, settings: dict[str, Any], others: set[int]) -> NoReturn:
    """Become what was asked for."""
    request, failure = call.request, NO_FOLDER
    try:
        confine(settings, own=request["own"])
        if request["verb"] != "spawn":
            for target, fd in enumerate(call.streams):
                os.dup2(fd, target)
        os.chdir(request["cwd"])
        if request["own"]:
            failure = NO_FILE
            VERBS[request["verb"]](request, others)
            os._exit(0)
        failure = NO_PROGRAM
        os.execvpe(request["argv"][0], request["argv"], request["env"])  # noqa: S606
    except OSError as error:
        call.answer(failure, error.errno or 0)
    finally:
        # Nothing may carry a fork of the relay back into its loop.
        os._exit(126)


def confine(settings: dict[str, Any], *, own: bool) -> None:
    """A session, limits and default signals; orphans stay below so that a time-out finds them."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if not own:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        # The relay keeps neither: it must be able to fork when nobody else can.
        for number, value in (
            (resource.RLIMIT_CPU, settings["cpu_seconds"]),
            (resource.RLIMIT_NPROC, settings["processes"]),
        ):
            resource.setrlimit(number, (value, value))


def drain(fd: int) -> None:
    """Read what is there."""
    try:
        while os.read(fd, CHUNK):
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
