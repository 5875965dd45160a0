"""The processes that a host's first process makes: each waits for one call and becomes it.

Joined to `relay` before it is sent into a host; see there. To fork a Python takes longer than to
start most programs, so one process is made ahead of the next call: it is a session of its own, has
rehearsed what it will do, and reads the call's descriptors from a socket.
"""

# The imports that only checkers see are of the file this one is joined to.
# ruff: noqa: TC004

from __future__ import annotations

import _socket
import ctypes
import errno
import marshal
import os
import resource
import struct

# `typing` and `signal` cost milliseconds in every host; checkers know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import Any, NoReturn

    from steelyard.redteam.sandbox.inside.files import VERBS
    from steelyard.redteam.sandbox.inside.processes import send
else:
    import _signal as signal

ANSWER = struct.Struct("<cq")
STARTED, EXITED, LOST, NO_FOLDER, NO_PROGRAM, NO_FILE = b"S", b"X", b"L", b"C", b"E", b"F"
TAKEN = b"."
DESCRIPTORS = 5
LONGEST_HEAD = 65536
PR_SET_CHILD_SUBREAPER = 36
TIOCSCTTY = 0x540E
OPEN_FILES = 256
REHEARSAL = marshal.dumps(
    {
        "verb": "exec",
        "own": False,
        "alone": False,
        "targets": (1, 2),
        "details": marshal.dumps({"cwd": b".", "argv": [b"/"], "env": {b"PATH": b"/"}}, 4),
    },
    4,
)

libc = ctypes.CDLL(None)


class Call:
    """A call in progress: its descriptors and the process that carries it out.

    Attributes:
        head: What the relay must know: the verb, whether the work is the relay's own, and whether
            everything else is to stand still.
    """

    def __init__(self, packed: bytes, fds: list[int]) -> None:
        self.packed = packed
        self.head: dict[str, Any] = marshal.loads(packed)  # noqa: S302 - the harness's or relay's
        self.socket = fds[0]
        self.fds = fds
        self.pid = 0
        self.taker: _socket.socket | None = None

    def answer(self, kind: bytes, value: int) -> None:
        """Send one answer; whoever asked may be gone already."""
        try:
            os.write(self.socket, ANSWER.pack(kind, value))
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise

    def keep_only_socket(self) -> None:
        """Leave the call's streams to the process that carries it out."""
        for fd in self.fds[1:]:
            os.close(fd)
        self.fds = self.fds[:1]

    def taken(self) -> bool:
        """Whether its process began with it; a kill may have been on its way to that before."""
        try:
            return self.taker is None or self.taker.recv(1, _socket.MSG_DONTWAIT) == TAKEN
        except OSError:
            return False

    def close(self) -> None:
        """Let go of all descriptors."""
        for fd in self.fds:
            os.close(fd)
        if self.taker is not None:
            self.taker.close()


class Spare:
    """A process that waits for a call."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Fork it.

        Raises:
            OSError: no process can be had.
        """
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                stand_by(theirs, settings)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.socket = ours

    def give(self, call: Call, others: list[int]) -> bool:
        """Hand it a call; False when it is gone."""
        try:
            packed = call.packed
            if call.head["own"]:
                packed = marshal.dumps(call.head | {"others": others}, 4)
            give_packet(self.socket, packed, call.fds)
        except OSError as error:
            self.socket.close()
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            return False
        call.pid, call.taker = self.pid, self.socket
        return True

    def dismiss(self) -> None:
        """End it, whether it is stopped or gone."""
        self.socket.close()
        send(self.pid, signal.SIGKILL)


def give_packet(socket: _socket.socket, packed: bytes, fds: list[int]) -> None:
    """Send a packed head and descriptors."""
    rights = struct.pack(f"{len(fds)}i", *fds)
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)]
    socket.sendmsg([packed], ancillary)


def take_packet(socket: _socket.socket) -> Call | None:
    """Receive a call; None at the end of the socket."""
    size = _socket.CMSG_SPACE(DESCRIPTORS * 4)
    data, rights, _, _ = socket.recvmsg(LONGEST_HEAD, size, _socket.MSG_CMSG_CLOEXEC)
    if not data:
        return None
    packed = b"".join(part for _, _, part in rights)
    return Call(data, [value for (value,) in struct.iter_unpack("i", packed)])


def stand_by(socket: _socket.socket, settings: dict[str, Any]) -> NoReturn:
    """Wait for a call and become it."""
    try:
        # Orphans stay below this process so that a time-out finds them.
        os.setsid()
        signal.set_wakeup_fd(-1)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        rehearse()
        call = take_packet(socket)
        if call is not None:
            socket.send(TAKEN)
            carry_out(call, settings)
    finally:
        # Nothing may carry a fork of the relay back into its loop.
        os._exit(126)


def rehearse() -> None:
    """Do what a call does, to no effect.

    A page that is shared after a fork is copied when it is first written to, and together the
    copies take longer than the work.
    """
    call = rehearse_packets()
    request = take_place(call)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        execute(request["argv"], request["env"])
    except OSError:
        # A folder is no program.
        os.close(call.socket)


def rehearse_packets() -> Call:
    """Send and receive a call that nobody made."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    null = os.open(os.devnull, os.O_WRONLY)
    give_packet(ours, REHEARSAL, [null, 1, 2])
    call = take_packet(theirs)
    theirs.send(TAKEN)
    os.close(null)
    ours.close()
    theirs.close()
    if call is None:
        raise OSError("a packet was lost")
    return call


def carry_out(call: Call, settings: dict[str, Any]) -> None:
    """Become what was asked for; on a failure say which."""
    failure = NO_FOLDER
    try:
        request = take_place(call)
        if call.head["own"]:
            failure = NO_FILE
            VERBS[call.head["verb"]](request, set(call.head["others"]))
            os._exit(0)
        failure = NO_PROGRAM
        if call.head["verb"] == "enter":
            libc.ioctl(0, TIOCSCTTY, 0)
        limit(settings)
        execute(request["argv"], request["env"])
    except OSError as error:
        call.answer(failure, error.errno or 0)


def take_place(call: Call) -> dict[str, Any]:
    """Read the request, take its streams and go to its folder.

    Raises:
        OSError: there is no such folder.
    """
    targets = call.head["targets"]
    streams, memory = call.fds[1 : 1 + len(targets)], call.fds[1 + len(targets) :]
    if memory:
        with os.fdopen(memory[0], "rb") as file:
            request = marshal.load(file)  # noqa: S302 - only the harness writes there
    else:
        request = marshal.loads(call.head["details"])  # noqa: S302 - likewise
    for target, fd in zip(targets, streams):  # noqa: B905 - a host may have Python 3.9
        if call.head["verb"] != "spawn":
            os.dup2(fd, target)
        os.close(fd)
    os.chdir(request["cwd"])
    return request


def limit(settings: dict[str, Any]) -> None:
    """Limits that the relay itself does without: it must be able to fork when nobody else can."""
    for number, value in (
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CPU, settings["cpu_seconds"]),
        # Beside the commands live the relay and the process that waits for the next call.
        (resource.RLIMIT_NPROC, settings["processes"] + 1),
    ):
        resource.setrlimit(number, (value, value))


def execute(argv: list[bytes], environment: dict[bytes, bytes]) -> None:
    """Replace this process, looking the program up as a shell does.

    Raises:
        OSError: of the first place where something other than nothing was found.
    """
    name = argv[0]
    if b"/" in name:
        os.execve(name, argv, environment)  # noqa: S606
    failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in environment.get(b"PATH", os.fsencode(os.defpath)).split(b":"):
        try:
            os.execve(os.path.join(folder, name), argv, environment)  # noqa: S606, PTH118
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                failure = error
    raise failure
