"""Token buckets, as rows: how much somebody may still ask for, also after a restart.

Decides how a bucket is refilled: evenly, up to what fits into it (thousandths, so that a day's
few tokens trickle in). Who has which bucket, and of which size, is for whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select

from steelyard.server.storage.cases import seconds
from steelyard.server.storage.tables import BUCKETS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

_MILLI: Final = 1000
_DAY_S: Final = 86_400
_FORGOTTEN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Rate:
    """The size of a bucket.

    Attributes:
        per_day: How many tokens come in.
        burst: How many fit.
    """

    per_day: int
    burst: int


def take(connection: Connection, name: str, rate: Rate, at: datetime) -> int:
    """Take a token.

    Returns:
        0, or, where none was there, the seconds until there is one.
    """
    now = seconds(at)
    row = connection.execute(select(BUCKETS).where(BUCKETS.c.name == name)).first()
    most = rate.burst * _MILLI
    left = most
    if row is not None:
        gained = max(0, now - row.at) * rate.per_day * _MILLI // _DAY_S
        left = min(most, row.left_milli + gained)
    if left < _MILLI:
        return (_MILLI - left) * _DAY_S // (max(1, rate.per_day) * _MILLI) + 1
    old = BUCKETS.c.at < seconds(at - _FORGOTTEN)
    connection.execute(delete(BUCKETS).where((BUCKETS.c.name == name) | old))
    connection.execute(insert(BUCKETS), {"name": name, "left_milli": left - _MILLI, "at": now})
    return 0
