"""A person in a host: a shell on a terminal, under the host's own filter and limits.

The caller's end is a socket in a folder that only its user can open. Whoever connects hands over
one end of a fresh terminal, never the terminal it sits at: what runs in the host can neither read
what is typed elsewhere nor outlive the visit with the descriptor of a real one.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from steelyard.redteam.sandbox.failures import HostLost

if TYPE_CHECKING:
    from steelyard.redteam.sandbox.host import Host

STATUS = struct.Struct("<q")
_PEER = struct.Struct("3i")
_LONGEST_NAME = 64
_TERMINAL_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9.+-]{0,%d}" % (_LONGEST_NAME - 1))
_SHELL = ["/bin/sh", "-i"]
_LEFT = 126


class Door:
    """Lets this user into one host, for as long as it is open."""

    def __init__(self, host: Host) -> None:
        """Open it.

        Raises:
            OSError: no folder or socket can be made.
        """
        self._host = host
        self._folder = Path(tempfile.mkdtemp(prefix="steelyard-"))
        self.path = self._folder / "door"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        Thread(target=self._receive, name=f"door of {host.name}", daemon=True).start()

    def close(self) -> None:
        """Let nobody else in; visits end with the host."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _receive(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._guide, args=(visitor,), daemon=True).start()

    def _guide(self, visitor: socket.socket) -> None:
        """One visit, from the hand-over of a terminal to the shell's status."""
        with visitor, suppress(OSError):
            if not _is_own(visitor):
                return
            name, fds, _, _ = socket.recv_fds(visitor, _LONGEST_NAME + 1, 1)
            if not fds:
                return
            known = _TERMINAL_NAME.fullmatch(name)
            try:
                status = self._host.enter(
                    _SHELL, fds[0], visitor, term=name.decode() if known else "dumb"
                )
            except HostLost:
                status = _LEFT
            finally:
                os.close(fds[0])
            visitor.send(STATUS.pack(status))


def _is_own(visitor: socket.socket) -> bool:
    """Whether the other side is of this process's user."""
    credentials = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return _PEER.unpack(credentials)[1] == os.geteuid()
