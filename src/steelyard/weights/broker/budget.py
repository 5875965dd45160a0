"""How much of a model may leave, how fast, and when that is an alarm: the formula.

Decides budgets from the size of a model (spec/broker.md, section 2): with U the smallest useful
theft, D the time in which a theft is noticed otherwise and k a factor of safety, ciphertext
that nobody has had yet leaves at r = U / (k D) at most, and U / k of it in all. What was
handed out is counted by `meter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final

from steelyard.kernel.errors import ConfigurationError

BYTES_PER_PARAMETER: Final = 0.5
"""A theft is useful from four bits a parameter: quantized, a model still works."""
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What a broker is told about a model.

    Attributes:
        parameters: Of the model.
        detection_s: D, seconds until a theft is noticed by other means.
        safety: k, at least 1.
        principal_share: Share of every budget that one principal may use.
        organization_share: Share that the principals of one organization may use together.
    """

    parameters: int
    detection_s: float = 7 * DAY_S
    safety: float = 10.0
    principal_share: float = 0.25
    organization_share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse terms that budget nothing.

        Raises:
            ConfigurationError: naming the term.
        """
        shares = (self.principal_share, self.organization_share, 1.0)
        if self.parameters < 1 or not (isfinite(self.detection_s) and self.detection_s > 0):
            raise ConfigurationError("parameters and detection time are positive", where="terms")
        if not (isfinite(self.safety) and self.safety >= 1):
            raise ConfigurationError("the factor of safety is at least 1", where="terms")
        if not (shares[0] > 0 and list(shares) == sorted(shares)):
            message = "shares rise from above 0 over principal and organization to at most 1"
            raise ConfigurationError(message, where="terms")

    @property
    def useful_theft_bytes(self) -> float:
        """U: the smallest theft that is worth anything."""
        return self.parameters * BYTES_PER_PARAMETER

    @property
    def rate_bytes_per_s(self) -> float:
        """r: how fast new ciphertext may leave, over all principals."""
        return self.useful_theft_bytes / (self.safety * self.detection_s)

    @property
    def coverage_bytes(self) -> float:
        """How much of it may leave in all, before somebody looks: U / k."""
        return self.useful_theft_bytes / self.safety

    def share_of(self, kind: str) -> float:
        """The share of a scope: `model`, `organization` or `principal`."""
        shares = {"organization": self.organization_share, "principal": self.principal_share}
        return shares.get(kind, 1.0)


@dataclass(slots=True)
class Bucket:
    """A token bucket; time is an argument and never runs backwards.

    Attributes:
        rate_bytes_per_s: How fast it fills.
        burst_bytes: How much it holds.
        tokens_bytes: What is in it; empty at first, so that a restart gains nothing.
        at_s: When that was.
    """

    rate_bytes_per_s: float
    burst_bytes: float
    at_s: float
    tokens_bytes: float = 0.0

    def wait_s(self, need_bytes: float, now_s: float) -> float:
        """Seconds until `need_bytes` can be taken; 0 for now, infinite for never."""
        self._fill(now_s)
        if need_bytes > self.burst_bytes:
            return float("inf")
        return max(0.0, (need_bytes - self.tokens_bytes) / self.rate_bytes_per_s)

    def take(self, need_bytes: float, now_s: float) -> None:
        """Take what `wait_s` said is there."""
        self._fill(now_s)
        self.tokens_bytes = max(0.0, self.tokens_bytes - need_bytes)

    def _fill(self, now_s: float) -> None:
        passed = max(0.0, now_s - self.at_s)
        filled = self.tokens_bytes + passed * self.rate_bytes_per_s
        self.tokens_bytes = min(self.burst_bytes, filled)
        self.at_s = max(self.at_s, now_s)
