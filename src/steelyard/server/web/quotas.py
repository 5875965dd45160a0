"""How often somebody may ask: a bucket for each key or address, refilled evenly.

Decides who has to wait. Memory is bounded: who was not seen for long is forgotten, and where too
many are seen at once, those with a full bucket go first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from steelyard.server.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

_REMEMBERED: Final = 20_000


@dataclass(slots=True)
class Quota:
    """How often one name may ask.

    Args:
        per_minute: On average.
        burst: At once.
    """

    per_minute: float
    burst: int
    now: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def take(self, name: str) -> None:
        """Count one request.

        Raises:
            HTTPException: 429, with the seconds until the next may come.
        """
        now = self.now()
        left, since = self._buckets.get(name, (float(self.burst), now))
        left = min(float(self.burst), left + (now - since) * self.per_minute / 60)
        if left < 1:
            wait_s = int((1 - left) * 60 / self.per_minute) + 1
            headers = {"retry-after": str(wait_s)}
            raise refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many at once", headers)
        self._buckets[name] = (left - 1, now)
        if len(self._buckets) > _REMEMBERED:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Forget whose bucket is full again; if nobody's is, the fuller half."""
        rate = self.per_minute / 60
        full_s = self.burst / rate
        kept = {
            name: (left, since)
            for name, (left, since) in self._buckets.items()
            if now - since < full_s and left + (now - since) * rate < self.burst
        }
        if len(kept) > _REMEMBERED // 2:
            fullest = sorted(kept.items(), key=lambda item: item[1][0])
            kept = dict(fullest[: _REMEMBERED // 2])
        self._buckets = kept
