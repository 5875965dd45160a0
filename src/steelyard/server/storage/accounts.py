"""Links that let somebody in once, as rows.

Decides that the secret of a link is not kept, only its digest, and that a link works once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from steelyard.kernel import sha256_hex
from steelyard.server.storage.cases import instant, seconds
from steelyard.server.storage.tables import LINKS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is for.

    Attributes:
        kind: What it lets somebody do, as `admin`.
        subject: Whom or what it is about; empty where the kind says it all.
    """

    kind: str
    subject: str
    expires: datetime


def add_link(connection: Connection, secret: str, link: Link) -> None:
    """Keep a link under the digest of its secret."""
    row = {
        "digest": _digest(secret),
        "kind": link.kind,
        "subject": link.subject,
        "expires": seconds(link.expires),
    }
    connection.execute(insert(LINKS), row)


def take_link(connection: Connection, secret: str, at: datetime) -> Link | None:
    """What a link is for, once; None for one that is unknown, used or expired."""
    digest = _digest(secret)
    row = connection.execute(select(LINKS).where(LINKS.c.digest == digest)).first()
    connection.execute(
        delete(LINKS).where((LINKS.c.digest == digest) | (LINKS.c.expires < seconds(at)))
    )
    if row is None or row.expires < seconds(at):
        return None
    return Link(row.kind, row.subject, instant(row.expires))


def _digest(secret: str) -> str:
    return sha256_hex(secret.encode())
