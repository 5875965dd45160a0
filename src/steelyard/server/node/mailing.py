"""One mail through the organization's own server, bounded in time and in what is read of it.

Decides what stands in a mail beside its text, and that a server which answers in drops or without
end holds nothing: the standard library bounds each read alone, and no number of them.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from steelyard.server.storage.notices import Notice

_TIMEOUT_S: Final = 15.0
_WHOLE_S: Final = 60.0
_ANSWERS_LIMIT_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 1024
_SUBJECT: Final = "Something is due on your disclosure node"


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail server of an organization.

    Attributes:
        sender: Address that mail comes from.
        user: Empty where the server asks for no password.
        starttls: Whether mail goes out only over TLS.
    """

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = ""
    starttls: bool = True


def send_mail(mail: Mail, notice: Notice, clock: Callable[[], float] = time.monotonic) -> None:
    """Send one mail, within a minute.

    Raises:
        OSError, smtplib.SMTPException: the server cannot be reached, refused it, or takes too long.
        ValueError: no address of mail.
    """
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, notice.address.removeprefix("mailto:")
    message["Subject"] = _SUBJECT
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(notice.text)
    with _Server(mail, clock) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, mail.password)
        server.send_message(message)


class _Server(smtplib.SMTP):
    """A connection whose answers end in time."""

    def __init__(self, mail: Mail, clock: Callable[[], float]) -> None:
        until = clock() + _WHOLE_S
        self._left_s = lambda: until - clock()
        super().__init__(mail.host, mail.port, timeout=_TIMEOUT_S)

    def getreply(self) -> tuple[int, bytes]:
        """The next answer; also of TLS, which has begun since the last one."""
        if self.file is None and self.sock is not None:
            self.file = _Answers(self.sock, self._left_s)
        return super().getreply()


class _Answers:
    """Lines that a server says, as `smtplib` reads them from a file."""

    def __init__(self, sock: socket.socket, left_s: Callable[[], float]) -> None:
        self._sock = sock
        self._left_s = left_s
        self._read = bytearray()
        self._count = 0

    def readline(self, most: int) -> bytes:
        """One line, or so much of it; empty at the end.

        Raises:
            OSError: the time is over, or too much was said.
        """
        while b"\n" not in self._read and len(self._read) < most:
            left_s = self._left_s()
            if left_s <= 0:
                raise TimeoutError("no whole answer in time")
            self._sock.settimeout(min(left_s, _TIMEOUT_S))
            part = self._sock.recv(_READ_BYTES)
            self._count += len(part)
            if self._count > _ANSWERS_LIMIT_BYTES:
                raise OSError("the mail server says too much")
            if not part:
                break
            self._read += part
        end = min(self._read.find(b"\n") + 1 or most, most)
        line = bytes(self._read[:end])
        del self._read[:end]
        return line

    def close(self) -> None:
        """Let go; the connection is closed by itself."""
        self._read.clear()
