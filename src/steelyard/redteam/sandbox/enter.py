"""Enter a host through its door: `python -m steelyard.redteam.sandbox.enter DOOR`.

The visitor's side of `terminal`. It makes a fresh terminal, hands one end over, and carries bytes
between the other end and where it was started, until the shell is over.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import socket
import sys
import termios
import tty
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from steelyard.redteam.sandbox.terminal import STATUS

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_CHUNK = 65536
_END_OF_INPUT = b"\x04"
_USAGE, _NOBODY_THERE = 2, 3


def enter(path: str) -> int:
    """Visit a host.

    Returns:
        The shell's status; a signal as 128 and its number.

    Raises:
        OSError: nobody is behind the door.
    """
    with ExitStack() as opened:
        door = opened.enter_context(socket.socket(socket.AF_UNIX))
        door.connect(path)
        ours, theirs = pty.openpty()
        opened.callback(os.close, ours)
        _copy_size(ours)
        socket.send_fds(door, [os.environ.get("TERM", "dumb").encode()[:64]], [theirs])
        os.close(theirs)
        opened.enter_context(_raw_input())

        def follow_size(*_: object) -> None:
            _copy_size(ours)

        signal.signal(signal.SIGWINCH, follow_size)
        status = _carry(ours, door)
    return status if status >= 0 else 128 - status


def _carry(ours: int, door: socket.socket) -> int:
    """Carry bytes both ways until the door tells the status."""
    poll = select.poll()
    for fd in (0, ours, door.fileno()):
        poll.register(fd, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if 0 in ready:
            typed = os.read(0, _CHUNK)
            os.write(ours, typed or _END_OF_INPUT)
            if not typed:
                poll.unregister(0)
        if ours in ready and not _show(ours):
            poll.unregister(ours)
        if door.fileno() in ready:
            told = door.recv(STATUS.size)
            os.set_blocking(ours, False)
            with suppress(BlockingIOError):
                while _show(ours):
                    pass
            return STATUS.unpack(told)[0] if told else _NOBODY_THERE


def _show(ours: int) -> bool:
    """Show what the host said; False when nobody holds the other end any more."""
    try:
        said = os.read(ours, _CHUNK)
    except BlockingIOError:
        raise
    except OSError:
        return False
    os.write(1, said)
    return bool(said)


@contextmanager
def _raw_input() -> Generator[None]:
    """Keys go through one by one, to be interpreted in the host alone."""
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _copy_size(ours: int) -> None:
    if os.isatty(0):
        fcntl.ioctl(ours, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))


def main(arguments: Sequence[str]) -> int:
    """Visit the door that is named."""
    if len(arguments) != 1:
        sys.stderr.write(
            "error: name one door\nhint: python -m steelyard.redteam.sandbox.enter DOOR\n"
        )
        return _USAGE
    try:
        return enter(arguments[0])
    except OSError as error:
        sys.stderr.write(f"error: nobody is behind {arguments[0]}: {error.strerror}\n")
        return _NOBODY_THERE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
