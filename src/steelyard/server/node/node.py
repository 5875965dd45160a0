"""A node: an organization's identity, its database, and the cases it takes part in.

Decides only how changes are made: one after the other, durable before anybody hears of them.
What a node says is in `saying`, what it orders as a host in `ordering`, what it takes from
others in `inbox` and `following`, what it sends in `sending`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from steelyard.disclosure.delivery.sending_policy import load_policy
from steelyard.kernel.clock import utc_now
from steelyard.kernel.errors import BrokenSeal
from steelyard.server.node.chains import Chains
from steelyard.server.node.limits import Limits
from steelyard.server.storage import Writer
from steelyard.server.storage import organizations as cards

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.attest import PublicKey
    from steelyard.disclosure.delivery.parcel import SignedParcel
    from steelyard.server.node.identity import Identity
    from steelyard.server.storage import Database

T = TypeVar("T")


@dataclass(slots=True)
class Node:
    """An organization's node.

    Attributes:
        now: The clock.
        random: Bytes that nobody can guess.
        newer: The identity in its folder, once after a command has put another one there.
        restored: When its database came back from a backup, while cases wait for that.
    """

    identity: Identity
    database: Database
    now: Callable[[], datetime] = utc_now
    random: Callable[[int], bytes] = secrets.token_bytes
    newer: Callable[[], Identity | None] = lambda: None
    restored: datetime | None = None
    limits: Limits = field(default_factory=Limits)
    chains: Chains = field(default_factory=Chains)
    restoring: dict[str, datetime] = field(default_factory=dict[str, "datetime"])
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = Writer(self.database, self.chains.drop_all, self.chains.undo)

    @property
    def organization(self) -> str:
        """Id of the organization that the node speaks for."""
        return self.identity.organization

    def change(self, make: Callable[[Connection], T]) -> Future[T]:
        """Have a change made, with the latest keys; see `Writer.submit`."""

        def with_latest_keys(connection: Connection) -> T:
            newer = self.newer()
            if newer is not None and newer.card.sequence > self.identity.card.sequence:
                self.identity = newer
            return make(connection)

        return self.writer.submit(with_latest_keys)

    def run(self, make: Callable[[Connection], T]) -> T:
        """Make a change and wait until it is on disk."""
        return self.change(make).result()

    def parcel_keys(self, connection: Connection, organization: str) -> Mapping[str, PublicKey]:
        """Keys that may have signed a parcel which is still under way."""
        known, now = cards.find(connection, organization), self.now()
        if known is None:
            return {}
        oldest = now - timedelta(days=load_policy().lapse_days)
        return {
            item.key.key_id: item.key
            for item in known.card.keys
            if not item.revoked and item.since <= now and (item.until or now) >= oldest
        }

    def require_spoke(self, connection: Connection, parcel: SignedParcel) -> None:
        """Refuse a parcel that was made when its key did not speak for the sender.

        Raises:
            BrokenSeal: made before the key, or after it was rotated.
        """
        known, made = cards.find(connection, parcel.parcel.sender), parcel.parcel.made
        if known is None or parcel.key_id not in known.card.keys_at(made):
            message = f"key {parcel.key_id[:16]} did not speak for its sender at that time"
            raise BrokenSeal(message, where="parcel", hint="its card may have changed since")

    def close(self) -> None:
        """Make what was submitted, then give the database back."""
        self.writer.close()
        self.database.close()
