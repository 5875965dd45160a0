"""Who is behind a request: a session, or a visitor who is known by a cookie alone.

Decides how long a session lasts (an hour unused, half a day in all), that signing in gives a new
token, and which token a form must send back. The token of a form follows from that of the
cookie, which nobody else knows, and not the other way round.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.kernel import keyed_digest
from steelyard.server.storage import accounts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.server.storage.accounts import Account

IDLE: Final = timedelta(hours=1)
LONGEST: Final = timedelta(hours=12)
REMEMBERED: Final = timedelta(minutes=1)
"""How often it is kept that a session is in use."""
_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is behind a request.

    Attributes:
        token: Of the cookie; a new one where none came.
        account: Who has signed in; None for anybody.
        is_new: Whether the cookie is to be set.
        is_stale: Whether it is to be kept that the session is in use.
    """

    token: str
    account: Account | None = None
    is_new: bool = False
    is_stale: bool = False

    @property
    def csrf(self) -> str:
        """What every form of this visitor sends back."""
        return keyed_digest(bytes.fromhex(self.token), "steelyard form").hex()

    @property
    def roles(self) -> frozenset[str]:
        """Of the account; none for anybody."""
        return self.account.roles if self.account else frozenset()

    def sent(self, csrf: str) -> bool:
        """Whether a form came from a page of this visitor."""
        return hmac.compare_digest(csrf.encode(), self.csrf.encode())


def visitor(
    connection: Connection, cookie: str, random: Callable[[int], bytes], at: datetime
) -> Visitor:
    """Who a cookie belongs to.

    Args:
        connection: To read.
        cookie: As it came; empty for none.
        random: Makes a token where none came.
        at: Now.
    """
    if not _TOKEN.fullmatch(cookie):
        return Visitor(random(_TOKEN_BYTES).hex(), is_new=True)
    found = accounts.find_session(connection, cookie)
    if found is None or not _lasts(found.made, found.used, at):
        return Visitor(cookie)
    account = accounts.find_account(connection, found.account)
    if account is None or account.disabled:
        return Visitor(cookie)
    return Visitor(cookie, account, is_stale=at - found.used >= REMEMBERED)


def sign_in(
    connection: Connection, before: str, account: str, random: Callable[[int], bytes], at: datetime
) -> str:
    """Begin a session under a new token; what the old one was good for ends.

    Returns:
        The token for the cookie.
    """
    accounts.drop_session(connection, before)
    accounts.drop_old_sessions(connection, at - LONGEST, at - IDLE)
    token = random(_TOKEN_BYTES).hex()
    accounts.add_session(connection, token, account, at)
    return token


def sign_out(connection: Connection, token: str) -> None:
    """End a session."""
    accounts.drop_session(connection, token)


def _lasts(made: datetime, used: datetime, at: datetime) -> bool:
    return at - made < LONGEST and at - used < IDLE
