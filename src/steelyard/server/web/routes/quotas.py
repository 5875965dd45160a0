"""How often somebody may try, kept in the database: a restart gives nobody a fresh start.

Decides the name of a bucket for an address: a digest under a salt of this node's own, so that
the table does not tell who was here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from steelyard.kernel import keyed_digest
from steelyard.server.storage import buckets
from steelyard.server.storage import organizations as settings
from steelyard.server.storage.buckets import Rate
from steelyard.server.web.problems import refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.server.node import Node

SIGN_IN: Final = Rate(per_day=2880, burst=10)
"""Attempts to sign in from one address, and with one key: one in half a minute, ten at once."""
MESSAGES: Final = Rate(per_day=50, burst=20)
"""Messages of the reporter of one report."""
_SALT: Final = "bucket-salt"
_SALT_BYTES: Final = 32


def take(node: Node, name: str, rate: Rate) -> None:
    """Count one attempt.

    Raises:
        HTTPException: 429, with the seconds until the next may come.
    """
    wait_s = node.run(lambda connection: buckets.take(connection, name, rate, node.now()))
    if wait_s:
        detail = f"too many for now; the next can come in {_span(wait_s)}"
        raise refusal(HTTPStatus.TOO_MANY_REQUESTS, detail, {"retry-after": str(wait_s)})


def of_address(node: Node, kind: str, client: str) -> str:
    """The bucket of an address."""
    salt = node.run(lambda connection: _salt(node, connection))
    return f"{kind} {keyed_digest(bytes.fromhex(salt), kind, client).hex()}"


def _salt(node: Node, connection: Connection) -> str:
    found = settings.setting(connection, _SALT)
    if found is None:
        found = node.random(_SALT_BYTES).hex()
        settings.set_setting(connection, _SALT, found)
    return found


def _span(seconds: int) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds} seconds"
    minutes = -(-seconds // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{-(-minutes // 60)} hours"  # noqa: PLR2004
