"""One call to a host: descriptors handed over, input written, output and answers read.

Every call has its own pipes and its own socket, so calls do not wait for one another and a slow
reader slows nobody else. What the host answers is a fixed-size record of kind and number; nothing
else of it is parsed.
"""

from __future__ import annotations

import marshal
import os
import select
import socket
import struct
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from steelyard.redteam.sandbox.failures import HostLost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ANSWER = struct.Struct("<cq")
_CHUNK = 65536
_CLOSED = -1
_GRACE_S = 10.0
_FURTHER_TRIES = 4
_LARGEST_REQUEST_BYTES = 8 * 1024 * 1024
# A packet takes what nearly every call needs; a memory file takes the rest.
_LONGEST_INSIDE_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What a host is asked for.

    Attributes:
        verb: What is to be done.
        own: Whether the relay's own code does it, and no program.
        details: For the process that carries it out: folder, and arguments and environment or
            path; packed, since the relay does not look at them.
        alone: Whether everything else in the host stands still meanwhile.
    """

    verb: str
    own: bool
    details: bytes
    alone: bool = False

    @classmethod
    def of(cls, verb: str, details: Mapping[str, Any], *, own: bool) -> Request:
        """One that lets everything else go on."""
        return cls(verb, own, _packed(details))

    def is_too_long(self) -> bool:
        """Whether it is longer than any command line can be."""
        return len(self.details) > _LARGEST_REQUEST_BYTES


@dataclass(slots=True)
class Stream:
    """What was kept of an output."""

    limit: int
    data: bytearray = field(default_factory=bytearray)
    truncated: bool = False

    def add(self, part: bytes) -> None:
        """Keep a part as far as the limit allows."""
        room = self.limit - len(self.data)
        self.truncated = self.truncated or len(part) > room
        self.data += part[:room]


@dataclass(slots=True)
class Reply:
    """Everything one call brought back.

    Attributes:
        answers: Number by kind, see `relay`: `S`tarted, e`X`ited, `L`ost before it began, or the
            error of `C`hanging folder, `E`xecuting, or a `F`ile.
    """

    stdout: Stream
    stderr: Stream
    answers: dict[bytes, int] = field(default_factory=dict[bytes, int])
    timed_out: bool = False


def perform(
    control: socket.socket,
    request: Request,
    *,
    data: bytes = b"",
    limit: int,
    timeout_s: float,
) -> Reply:
    """Hand a call to the relay behind `control` and see it to its end.

    Whoever kills everything in a host kills the process that waits for the next call as well. The
    call is made again when nothing had begun with it.

    Raises:
        HostLost: the relay is gone.
    """
    for _ in range(_FURTHER_TRIES):
        reply = _performed(control, request, data, limit, timeout_s)
        if b"L" not in reply.answers:
            return reply
    reply = _performed(control, request, data, limit, timeout_s)
    if b"L" in reply.answers:
        reply.answers[b"X"] = reply.answers[b"L"]
    return reply


def _performed(
    control: socket.socket, request: Request, data: bytes, limit: int, timeout_s: float
) -> Reply:
    # Without input a process keeps the null device that the relay left it.
    targets = (0, 1, 2) if data else (1, 2)
    with ExitStack() as opened:
        ours, theirs = socket.socketpair()
        opened.enter_context(ours)
        pipes = {target: os.pipe() for target in targets}
        ends = [reading if target == 0 else writing for target, (reading, writing) in pipes.items()]
        try:
            _hand_over(control, request, targets, [theirs.fileno(), *ends])
        finally:
            # Made while the host is at work already.
            stdin = pipes[0][1] if data else _CLOSED
            conversation = _Conversation(ours, stdin, pipes[1][0], pipes[2][0], data, limit)
            opened.callback(conversation.close)
            theirs.close()
            for fd in ends:
                os.close(fd)
        return conversation.hold(timeout_s)


def attend(
    control: socket.socket, request: Request, terminal: int, visitor: socket.socket
) -> Mapping[bytes, int]:
    """See a process on a terminal to its end; it is killed when its visitor leaves.

    Args:
        control: The relay's socket.
        request: What to run.
        terminal: Becomes its input, output and error.
        visitor: Anything that arrives there, its end included, ends the visit.

    Raises:
        HostLost: the relay is gone.
    """
    answers = dict[bytes, int]()
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            _hand_over(control, request, (0, 1, 2), [theirs.fileno(), terminal, terminal, terminal])
        poll = select.poll()
        for end in (ours, visitor):
            poll.register(end, select.POLLIN)
        goes_on = True
        while goes_on:
            ready = {fd for fd, _ in poll.poll()}
            if visitor.fileno() in ready:
                poll.unregister(visitor)
                with suppress(BrokenPipeError, ConnectionResetError):
                    ours.send(b"K")
            if ours.fileno() in ready:
                goes_on = _take_answers(ours, answers)
    return answers


def _packed(values: Mapping[str, Any]) -> bytes:
    # Version 4 is read by every Python that a host may have.
    return marshal.dumps(dict(values), 4)


def _hand_over(
    control: socket.socket, request: Request, targets: Sequence[int], fds: list[int]
) -> None:
    head: dict[str, Any] = {
        "verb": request.verb,
        "own": request.own,
        "alone": request.alone,
        "targets": tuple(targets),
    }
    try:
        if len(request.details) <= _LONGEST_INSIDE_BYTES:
            socket.send_fds(control, [_packed(head | {"details": request.details})], fds)
            return
        with os.fdopen(os.memfd_create("request"), "wb") as memory:
            memory.write(request.details)
            memory.seek(0)
            socket.send_fds(control, [_packed(head)], [*fds, memory.fileno()])
    except OSError as error:
        raise HostLost("the host is gone", hint="start a new one") from error


def _take_answers(source: socket.socket, answers: dict[bytes, int]) -> bool:
    """Read what the relay says; False when the call is over."""
    try:
        data = source.recv(16 * _ANSWER.size)
    except ConnectionResetError:
        data = b""
    answers.update(_ANSWER.iter_unpack(data[: len(data) // _ANSWER.size * _ANSWER.size]))
    if not data and not answers:
        raise HostLost("the host is gone", hint="start a new one")
    return bool(data) and not answers.keys() & {b"X", b"L"}


class _Conversation:
    """The loop over one call's descriptors."""

    def __init__(
        self, ours: socket.socket, stdin: int, stdout: int, stderr: int, data: bytes, limit: int
    ) -> None:
        self._socket = ours
        self._reply = Reply(Stream(limit), Stream(limit))
        self._outputs = {stdout: self._reply.stdout, stderr: self._reply.stderr}
        self._input = stdin
        self._left = memoryview(data)
        self._poll = select.poll()
        for fd in (stdin, stdout, stderr, ours.fileno()):
            if fd != _CLOSED:
                os.set_blocking(fd, False)
                self._poll.register(fd, select.POLLOUT if fd == stdin else select.POLLIN)

    def hold(self, timeout_s: float) -> Reply:
        """Until the process is over, or the relay lets go of a process that stays."""
        ends = monotonic() + timeout_s
        while self._turn(ends):
            if monotonic() >= ends:
                if self._reply.timed_out:
                    raise HostLost("the host does not answer", hint="start a new one")
                self._reply.timed_out = True
                ends = monotonic() + _GRACE_S
                with suppress(BrokenPipeError, ConnectionResetError):
                    self._socket.send(b"K")
        for fd, stream in list(self._outputs.items()):
            self._read_rest(fd, stream)
        return self._reply

    def _turn(self, ends: float) -> bool:
        """One round; False when the call is over."""
        left_ms = max(0.0, ends - monotonic()) * 1000
        for fd, _ in self._poll.poll(min(left_ms, 3_600_000)):
            if fd == self._socket.fileno():
                if not _take_answers(self._socket, self._reply.answers):
                    return False
            elif fd == self._input:
                self._write()
            else:
                with suppress(BlockingIOError):
                    self._read(fd)
        return True

    def _write(self) -> None:
        try:
            written = os.write(self._input, self._left[:_CHUNK])
        except BrokenPipeError:
            self._close_stdin()
            return
        except BlockingIOError:
            # A process of the same user can open its pipes once more and be quicker.
            return
        self._left = self._left[written:]
        if not self._left:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._input >= 0:
            self._poll.unregister(self._input)
            os.close(self._input)
            self._input = _CLOSED

    def _read(self, fd: int) -> bool:
        """Keep what is there; the writer of too much finds its pipe broken."""
        part = os.read(fd, _CHUNK)
        stream = self._outputs[fd]
        stream.add(part)
        if part and not stream.truncated:
            return True
        self._poll.unregister(fd)
        del self._outputs[fd]
        os.close(fd)
        return False

    def _read_rest(self, fd: int, stream: Stream) -> None:
        """What a finished process left in the pipe, which one of its children may hold open."""
        while len(stream.data) <= stream.limit:
            try:
                if not self._read(fd):
                    return
            except BlockingIOError:
                return

    def close(self) -> None:
        """Let go of what is still open."""
        self._close_stdin()
        for fd in self._outputs:
            os.close(fd)
        self._outputs.clear()
