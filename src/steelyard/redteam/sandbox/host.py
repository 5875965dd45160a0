"""One running host, as protocols and the Inspect provider use it.

Every method blocks and may be called from any thread. Paths are relative to the home. Failures
are the standard library's `FileNotFoundError`, `PermissionError`, `IsADirectoryError` and
`TimeoutError`, whose text names the path or command.
"""

from __future__ import annotations

import errno
import os
import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.redteam.sandbox.call import Reply, Request, attend, perform
from steelyard.redteam.sandbox.failures import HostLost, OutputLimitExceeded, UserUnsupported
from steelyard.redteam.sandbox.root import ENVIRONMENT, HOME, UID, USER
from steelyard.redteam.sandbox.spec import Command, ExecResult

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from steelyard.redteam.sandbox.spec import HostSpec, Limits

_FILE_TIMEOUT_S = 60.0
_TRIES_ALONE = 5
_LONGEST_LISTING = 64 * 1024 * 1024
_NO_COMMAND, _NOT_STARTED = 127, 126
_RETURNCODES = {errno.ENOENT: _NO_COMMAND, errno.E2BIG: _NOT_STARTED, errno.ENOEXEC: _NOT_STARTED}


class Host:
    """A host of a started pod; made by `Pod`."""

    def __init__(self, spec: HostSpec, limits: Limits, control: socket.socket) -> None:
        self.name = spec.name
        self.address = spec.address
        self._limits = limits
        self._control = control

    def exec(
        self,
        argv: Sequence[str],
        *,
        input: bytes = b"",  # noqa: A002 - the field's word
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        timeout_s: float = 30.0,
    ) -> ExecResult:
        """Run a process to its end; see `run`."""
        return self.run(Command(argv, input, cwd, env or {}, user, timeout_s))

    def run(self, command: Command) -> ExecResult:
        """Run a process to its end.

        What it started and left behind stays. Output beyond the limit breaks the writer's pipe.

        Raises:
            TimeoutError: the time is over; the process and all below it were killed.
            PermissionError: the program may not be executed.
            FileNotFoundError: there is no such working folder.
            UserUnsupported: the host has no such user.
            HostLost: the host is gone.
        """
        require_user(command.user)
        limit = self._limits.output_bytes
        kept = limit if command.output_bytes is None else command.output_bytes
        request = _process("exec", command)
        if request.is_too_long():
            return _not_started(command.argv[0], errno.E2BIG)
        reply = perform(
            self._control, request, data=command.input, limit=kept, timeout_s=command.timeout_s
        )
        return _result(command, reply)

    def spawn(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> int:
        """Start a process that outlives the call, without input or output; returns its id.

        Raises:
            FileNotFoundError: there is no such program or working folder.
            PermissionError: the program may not be executed.
        """
        command = Command(argv, cwd=cwd, env=env or {})
        reply = self._perform(_process("spawn", command))
        _raise_for(reply, b"C", command.cwd or HOME)
        _raise_for(reply, b"E", argv[0])
        return reply.answers[b"S"]

    def enter(
        self, argv: Sequence[str], terminal: int, visitor: socket.socket, *, term: str
    ) -> int:
        """Run a process on a terminal until it ends or its visitor leaves; returns its status.

        Args:
            argv: What to run.
            terminal: Descriptor of one end of a terminal that is used for nothing else.
            visitor: The visit is over when anything arrives there, its end included.
            term: Value of `TERM`.

        Raises:
            HostLost: the host is gone.
        """
        command = Command(argv, env={"TERM": term})
        answers = attend(self._control, _process("enter", command), terminal, visitor)
        return answers.get(b"X", _NOT_STARTED)

    def read_file(self, path: str, *, limit_bytes: int | None = None) -> bytes:
        """A regular file's content; links are resolved inside the host.

        Raises:
            FileNotFoundError, PermissionError, IsADirectoryError: as `open` does; a pipe, device
                or socket is a `PermissionError`.
            OutputLimitExceeded: it is longer than may be read.
        """
        limit = self._limits.file_bytes if limit_bytes is None else limit_bytes
        reply = self._helped("read", path, limit=limit)
        _expect_done(reply, path)
        if reply.stdout.truncated:
            raise OutputLimitExceeded(f"longer than {limit} bytes", where=path)
        return bytes(reply.stdout.data)

    def write_file(self, path: str, data: bytes) -> None:
        """Write a file, with the folders above it.

        Raises:
            PermissionError, IsADirectoryError: as `open` does.
            OSError: with `ENOSPC` when the disk is full, `EFBIG` beyond the largest file.
        """
        _expect_done(self._helped("write", path, data=data), path)

    def processes(self) -> list[tuple[int, str]]:
        """Id and command line, up to 4096 bytes, of every process but the first."""
        reply = self._helped("processes", "", limit=_LONGEST_LISTING)
        _expect_done(reply, "/proc")
        data = bytes(reply.stdout.data)
        found: list[tuple[int, str]] = []
        while data:
            head, _, data = data.partition(b"\n")
            pid, length = map(int, head.split())
            found.append((pid, data[:length].decode(errors="replace")))
            data = data[length:]
        return found

    def kill_all(self) -> None:
        """Kill every process but the first: a restart that keeps the disk."""
        self._perform(_file("kill_all", ""))

    def wipe(self, path: str) -> None:
        """Remove a file, or a folder with all it holds; the home is emptied.

        Raises:
            FileNotFoundError, PermissionError: as `unlink` does.
        """
        _expect_done(self._helped("wipe", path), path)

    def _helped(
        self, verb: str, path: str, *, data: bytes = b"", limit: int | None = None
    ) -> Reply:
        """A call that a process inside carries out; done alone when the others do not let it."""
        request = _file(verb, path)
        reply = self._perform(request, data=data, limit=limit)
        for _ in range(_TRIES_ALONE):
            if reply.answers.get(b"X", 0) >= 0 or reply.stdout.truncated:
                break
            reply = self._perform(replace(request, alone=True), data=data, limit=limit)
        return reply

    def _perform(self, request: Request, *, data: bytes = b"", limit: int | None = None) -> Reply:
        kept = self._limits.output_bytes if limit is None else limit
        reply = perform(self._control, request, data=data, limit=kept, timeout_s=_FILE_TIMEOUT_S)
        if reply.timed_out:
            raise TimeoutError(f"{self.name}: no answer within {_FILE_TIMEOUT_S:g} s")
        return reply


def require_user(user: str | None) -> None:
    """Refuse a user that no host has.

    Raises:
        UserUnsupported: another than the one user of every host.
    """
    if user not in (None, USER, str(UID)):
        raise UserUnsupported(
            f"the host has no user {user!r} to run as", hint=f"its user is {USER!r}"
        )


def _process(verb: str, command: Command) -> Request:
    if not command.argv:
        raise ValueError("a command needs at least its name")
    texts = (*command.argv, *command.env, *command.env.values(), command.cwd or "")
    if any("\0" in text for text in texts):
        raise ValueError("a command, its environment or its folder holds a zero byte")
    details = {
        "argv": [_bytes(argument) for argument in command.argv],
        "env": _ENVIRONMENT | _all_bytes(command.env),
        "cwd": _bytes(_absolute(command.cwd or "")),
    }
    return Request.of(verb, details, own=False)


def _file(verb: str, path: str) -> Request:
    if "\0" in path:
        raise ValueError("a path holds a zero byte")
    return Request.of(verb, {"path": _bytes(_absolute(path)), "cwd": b"/"}, own=True)


def _absolute(path: str) -> str:
    return posixpath.join(HOME, path)


def _bytes(text: str) -> bytes:
    return os.fsencode(text)


def _all_bytes(texts: Mapping[str, str]) -> dict[bytes, bytes]:
    return {_bytes(name): _bytes(value) for name, value in texts.items()}


_ENVIRONMENT = _all_bytes(ENVIRONMENT)


def _result(command: Command, reply: Reply) -> ExecResult:
    if reply.timed_out:
        raise TimeoutError(f"{command.argv[0]}: not finished within {command.timeout_s:g} s")
    _raise_for(reply, b"C", command.cwd or HOME)
    code = reply.answers.get(b"E")
    if code in _RETURNCODES:
        return _not_started(command.argv[0], code)
    _raise_for(reply, b"E", command.argv[0])
    truncated = reply.stdout.truncated or reply.stderr.truncated
    if b"X" not in reply.answers:
        raise HostLost("the host is gone", hint="start a new one")
    return ExecResult(
        reply.answers[b"X"], bytes(reply.stdout.data), bytes(reply.stderr.data), truncated
    )


def _not_started(name: str, code: int) -> ExecResult:
    said = "command not found" if code == errno.ENOENT else os.strerror(code)
    return ExecResult(_RETURNCODES[code], b"", f"{name}: {said}\n".encode(errors="replace"), False)  # noqa: FBT003


def _raise_for(reply: Reply, kind: bytes, name: str) -> None:
    """Raise the `OSError` that an answer of this kind stands for."""
    if kind in reply.answers:
        code = reply.answers[kind]
        raise OSError(code, os.strerror(code), name)


def _expect_done(reply: Reply, path: str) -> None:
    """Raise unless a call about a file went to its end; a cut answer may have stopped its writer.

    The host's processes can be killed at any moment, those that carry out calls among them.
    """
    _raise_for(reply, b"F", path)
    if reply.answers.get(b"X") != 0 and not reply.stdout.truncated:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)
