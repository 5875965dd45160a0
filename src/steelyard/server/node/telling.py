"""Sending notices: by mail through the organization's own server, or to a webhook.

Decides how often it is tried, and that a webhook goes to a public address alone, checked after its
name was resolved, without redirects. What is told is decided by `notices`.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx

from steelyard.kernel import canonical_json
from steelyard.server.node.addresses import AddressDenied, NameUnknown, resolve
from steelyard.server.storage import notices as rows

if TYPE_CHECKING:
    from steelyard.server.node.node import Node
    from steelyard.server.storage.notices import Notice

MOST_ATTEMPTS: Final = 8
_BATCH: Final = 64
_TIMEOUT_S: Final = 15.0
_WHOLE_S: Final = 60.0
_FIRST_DELAY: Final = timedelta(minutes=1)
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


@dataclass(frozen=True, slots=True)
class Teller:
    """Sends what is due.

    Attributes:
        mail: None where the node has no mail server.
        allow_private: Whether webhooks may lie on loopback or in a private network.
    """

    node: Node
    mail: Mail | None = None
    allow_private: bool = False

    async def once(self) -> int:
        """Send what is due now; how many were tried."""
        with self.node.database.reading() as connection:
            waiting = rows.due(connection, self.node.now(), _BATCH)
        for notice in waiting:
            await self._tell(notice)
        return len(waiting)

    async def _tell(self, notice: Notice) -> None:
        failure = await self._attempt(notice)
        now, tried = self.node.now(), notice.attempts + 1
        state = "waiting" if failure and tried < MOST_ATTEMPTS else "dead" if failure else "sent"
        later = now + _FIRST_DELAY * 2.0**notice.attempts
        saved = self.node.change(lambda c: rows.save(c, notice, state, failure, later))
        await asyncio.wrap_future(saved)

    async def _attempt(self, notice: Notice) -> str:
        """Why it could not be told; empty where it was."""
        try:
            if notice.address.startswith(("https:", "http:")):
                return await self._post(notice)
            if self.mail is None:
                return "the node has no mail server"
            await asyncio.to_thread(send_mail, self.mail, notice)
        except (AddressDenied, NameUnknown, httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return type(error).__name__
        return ""

    async def _post(self, notice: Notice) -> str:
        target = await resolve(notice.address, allow_private=self.allow_private)
        parts = urlsplit(notice.address)
        query = f"?{parts.query}" if parts.query else ""
        url = f"{parts.scheme}://{target.netloc}{parts.path or '/'}{query}"
        client = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False)
        async with asyncio.timeout(_WHOLE_S), client:
            response = await client.post(
                url,
                content=canonical_json({"matter": notice.matter, "text": notice.text}),
                headers={"Host": parts.netloc, "Content-Type": "application/json"},
                extensions={"sni_hostname": parts.hostname or ""},
            )
        return "" if response.is_success else f"answered {response.status_code}"


def send_mail(mail: Mail, notice: Notice) -> None:
    """Send one mail.

    Raises:
        OSError, smtplib.SMTPException: the server cannot be reached, or refused it.
        ValueError: no address of mail.
    """
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, notice.address.removeprefix("mailto:")
    message["Subject"] = _SUBJECT
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(notice.text)
    with smtplib.SMTP(mail.host, mail.port, timeout=_TIMEOUT_S) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, mail.password)
        server.send_message(message)
