"""Sending notices: by mail through the organization's own server, or to a webhook.

Decides how often it is tried, that an attempt is on disk before it is made, that no address waits
for another, and that a webhook is called at a public address alone, checked after its name was
resolved, without redirects. What is told is decided by `notices`, how a mail goes by `mailing`.
"""

from __future__ import annotations

import asyncio
import smtplib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import httpx

from steelyard.kernel import canonical_json
from steelyard.kernel.errors import StorageError
from steelyard.server.node.addresses import AddressDenied, NameUnknown, resolve
from steelyard.server.node.mailing import send_mail
from steelyard.server.node.ordering import FAILURES
from steelyard.server.node.wire import bounded
from steelyard.server.storage import notices as rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from steelyard.server.node.mailing import Mail
    from steelyard.server.node.node import Node
    from steelyard.server.storage.notices import Notice

MOST_ATTEMPTS: Final = 8
_EACH: Final = 16
_TIMEOUT_S: Final = 15.0
_FIRST_DELAY: Final = timedelta(minutes=1)
_UNENDED: Final = "the attempt did not end"
_MAILING: Final = ThreadPoolExecutor(1, "mailing")
"""A thread of its own: a mail server that is slow holds its own mail alone."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Sends what is due.

    Attributes:
        mail: None where the node has no mail server.
        allow_private: Whether webhooks may lie on loopback or in a private network.
        bounded: Begins the time that one call of a webhook may take.
    """

    node: Node
    mail: Mail | None = None
    allow_private: bool = False
    bounded: Callable[[], asyncio.Timeout] = bounded
    every_s: float = 30.0
    # The latest task of each address.
    _telling: dict[str, asyncio.Task[None]] = field(
        default_factory=dict[str, "asyncio.Task[None]"], init=False
    )

    async def run(self) -> None:
        """Send what is due, over and over, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self.begin(group)
                await asyncio.sleep(self.every_s)

    async def begin(self, group: asyncio.TaskGroup) -> None:
        """Begin to send what is due, in a task for each address that has none under way.

        Raises:
            StorageError: what is due cannot be read.
        """
        # What ends while notices are read may still be in what was read.
        busy = {address for address, task in self._telling.items() if not task.done()}
        addresses: dict[str, list[Notice]] = {}
        for notice in await asyncio.to_thread(self._due):
            if notice.address not in busy:
                addresses.setdefault(notice.address, []).append(notice)
        for address, notices in addresses.items():
            self._telling[address] = group.create_task(self._tell_all(notices))

    def _due(self) -> tuple[Notice, ...]:
        with self.node.database.reading() as connection:
            return rows.due(connection, self.node.now(), _EACH)

    async def _tell_all(self, notices: Iterable[Notice]) -> None:
        """Send an address what is due, until one fails: others wait for a later round."""
        try:
            for notice in notices:
                if await self._tell(notice):
                    return
        except StorageError as error:
            # What is under way to other addresses goes on.
            FAILURES.error("an attempt to send a notice is not kept: %s", error)

    async def _tell(self, notice: Notice) -> str:
        """Make an attempt, once it is on disk; why it failed, empty where it did not.

        Raises:
            StorageError: it cannot be kept, and was not made; or its end cannot be kept.
        """
        await self._keep(notice, _UNENDED)
        failure = await self._attempt(notice)
        await self._keep(notice, failure)
        return failure

    async def _keep(self, notice: Notice, failure: str) -> None:
        """Keep an attempt, and when the next one is due if it failed."""
        now, tried = self.node.now(), notice.attempts + 1
        state = "waiting" if failure and tried < MOST_ATTEMPTS else "dead" if failure else "sent"
        later = now + _FIRST_DELAY * 2.0**notice.attempts
        saved = self.node.change(lambda c: rows.save(c, notice, state, failure, later))
        await asyncio.wrap_future(saved)

    async def _attempt(self, notice: Notice) -> str:
        """Why it could not be told; empty where it was."""
        try:
            if notice.address.startswith(("https:", "http:")):
                async with self.bounded():
                    return await self._post(notice)
            if self.mail is None:
                return "the node has no mail server"
            send = partial(send_mail, self.mail, notice)
            await asyncio.get_running_loop().run_in_executor(_MAILING, send)
        except (AddressDenied, NameUnknown, httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return type(error).__name__
        return ""

    async def _post(self, notice: Notice) -> str:
        """Call a webhook; nothing is read of what it answers but the status."""
        target = await resolve(notice.address, allow_private=self.allow_private)
        client = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False)
        async with (
            client,
            client.stream(
                "POST",
                target.url,
                content=canonical_json({"matter": notice.matter, "text": notice.text}),
                headers={"Host": target.host, "Content-Type": "application/json"},
                extensions=target.extensions,
            ) as response,
        ):
            return "" if response.is_success else f"answered {response.status_code}"
