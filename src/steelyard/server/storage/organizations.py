"""Cards of organizations, and the settings of the node, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, select

from steelyard.disclosure.case.organization import Card, open_card, require_later
from steelyard.server.storage.cases import instant, seconds
from steelyard.server.storage.tables import ORGANIZATIONS, SETTINGS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

RESTORED: Final = "restored"
"""Names the setting that says when the database came back from a backup."""


@dataclass(frozen=True, slots=True)
class Known:
    """An organization that the node knows.

    Attributes:
        trusted: Whether a person here has compared its fingerprint.
    """

    card: Card
    trusted: bool


def find(connection: Connection, organization: str) -> Known | None:
    """An organization by its id."""
    query = select(ORGANIZATIONS).where(ORGANIZATIONS.c.id == organization)
    row = connection.execute(query).first()
    return None if row is None else Known(open_card(row.card), row.trusted)


def all_known(connection: Connection) -> tuple[Known, ...]:
    """All organizations, by name."""
    rows = connection.execute(select(ORGANIZATIONS).order_by(ORGANIZATIONS.c.name))
    return tuple(Known(open_card(row.card), row.trusted) for row in rows)


def sequences(connection: Connection) -> tuple[tuple[str, int, bool], ...]:
    """Which card of each organization is here, and whether it is trusted."""
    columns = ORGANIZATIONS.c
    query = select(columns.id, columns.sequence, columns.trusted).order_by(columns.id)
    return tuple((row.id, row.sequence, row.trusted) for row in connection.execute(query))


def count_strangers(connection: Connection) -> int:
    """How many organizations nobody here has trusted."""
    query = select(func.count()).select_from(ORGANIZATIONS).where(~ORGANIZATIONS.c.trusted)
    return connection.execute(query).scalar_one()


def keep(connection: Connection, card: Card, at: datetime, *, trusted: bool | None = None) -> Known:
    """Keep a card that is later than the one that is known; an older or equal one is passed over.

    Args:
        connection: In a transaction.
        card: What was opened.
        at: Now.
        trusted: What a person decided; None leaves it as it is.

    Raises:
        BrokenSeal: a later card that brings a revoked key back.
    """
    known = find(connection, card.organization)
    trust = trusted if trusted is not None else known is not None and known.trusted
    if known is not None:
        if card.sequence <= known.card.sequence:
            card = known.card
        else:
            require_later(known.card, card)
        connection.execute(delete(ORGANIZATIONS).where(ORGANIZATIONS.c.id == card.organization))
    row = {
        "id": card.organization,
        "name": card.name,
        "sequence": card.sequence,
        "card": card.envelope,
        "trusted": trust,
        "added": seconds(at),
    }
    connection.execute(insert(ORGANIZATIONS), row)
    return Known(card, trust)


def setting(connection: Connection, name: str) -> str | None:
    """A setting of the node."""
    return connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == name)).scalar()


def restored_since(connection: Connection) -> datetime | None:
    """When the database came back from a backup, while cases still wait; None otherwise."""
    found = setting(connection, RESTORED)
    return instant(int(found)) if found else None


def set_setting(connection: Connection, name: str, value: str) -> None:
    """Keep a setting."""
    connection.execute(delete(SETTINGS).where(SETTINGS.c.name == name))
    connection.execute(insert(SETTINGS), {"name": name, "value": value})
