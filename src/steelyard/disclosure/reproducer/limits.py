"""Limits of a mean rate over variants, with no assumption but that variants are drawn alike.

Each variant gives one number in [0, 1]: the share of its tries that showed the flaw. However
tries of one variant depend on each other, the numbers of different variants are independent
draws with the mean that is asked about. Three limits follow, each for its case:

- a fixed number of single tries: coin flips, so Clopper and Pearson's limits are exact;
- a fixed number of repeated tries: no convex function of the sum has a larger mean than under
  coin flips of the same mean (Hoeffding, JASA 58, 1963), so that the smallest ratio
  E(B - t)+ / (s - t) bounds the tail (Bentkus, Annals of Probability 32, 2004);
- any number, looked at at any time: for a mean of at most p the wealth
  prod(1 + f (y - p) / p) has expectation at most 1 and reaches 1 / error with a probability of
  at most error (Ville; Waudby-Smith and Ramdas, JRSS B 86, 2024). Fractions f are mixed, half
  of the stake on the one that the document's two rates make the best for coin flips: Wald's
  sequential test of them.

Derivation: docs/explanation/am-i-affected.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from steelyard.stats import lower_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FRACTIONS: Final = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
_STEPS: Final = 40
_ROUNDING: Final = 1e-9
_LARGEST_FRACTION: Final = 0.999


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm's numbers, with what is missing left open.

    Attributes:
        lows: Per variant, the share of tries that showed the flaw, missing ones as if they
            had not; shape [variants].
        highs: The same, missing ones as if they had.
        single: Whether every variant was tried once, so that numbers are 0 or 1.
    """

    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    single: bool

    @property
    def variants(self) -> int:
        """Number of variants."""
        return len(self.lows)

    @property
    def missing(self) -> float:
        """Mean share of missing tries."""
        return float((self.highs - self.lows).mean()) if self.variants else 1.0

    def repeated(self, factor: float) -> tuple[float, float]:
        """Sum of lows and of highs, had there been `factor` times the variants of this kind."""
        return float(self.lows.sum()) * factor, float(self.highs.sum()) * factor


@dataclass(frozen=True, slots=True)
class Limits:
    """How limits are made.

    Attributes:
        fixed: Whether the number of variants was fixed beforehand.
        upward: Fraction of the wager that the rate is high.
        downward: Fraction of the wager that it is low.
    """

    fixed: bool
    upward: float
    downward: float

    @classmethod
    def of(cls, p_tolerable: float, p_affected: float, *, fixed: bool) -> Limits:
        """Limits tuned to a document's two rates."""
        gap = p_affected - p_tolerable
        return cls(fixed, gap / (1.0 - p_tolerable), gap / p_affected)

    def lower(self, arm: Arm, error: float, factor: float = 1.0) -> float:
        """Lower limit of an arm's mean.

        Args:
            arm: Its numbers.
            error: Probability that the mean lies below the limit.
            factor: As if there had been so many times the variants of the same kind.
        """
        if self.fixed:
            return _fixed(arm.repeated(factor)[0], arm.variants * factor, error, arm.single)
        return _wagered(arm.lows, self.upward, error, factor)

    def upper(self, arm: Arm, error: float, factor: float = 1.0) -> float:
        """Upper limit of an arm's mean; see `lower`."""
        if self.fixed:
            count = arm.variants * factor
            return 1.0 - _fixed(count - arm.repeated(factor)[1], count, error, arm.single)
        return 1.0 - _wagered(1.0 - arm.highs, self.downward, error, factor)


def make_arm(shown: Sequence[int], missing: Sequence[int], tries: int) -> Arm:
    """An arm from counts by variant.

    Args:
        shown: Tries that showed the flaw.
        missing: Tries without an answer.
        tries: Tries of each variant.
    """
    lows = np.asarray(shown, dtype=float) / tries
    return Arm(lows, lows + np.asarray(missing, dtype=float) / tries, tries == 1)


def tail_bound(total: float, variants: int, mean: float) -> float:
    """Bound on the chance that numbers in [0, 1] with this mean sum to `total` or more.

    The ratio is monotone in t between whole numbers, so its smallest value lies at one of them.
    """
    if total <= variants * mean:
        return 1.0
    counts = np.arange(variants + 1)
    logs = _log_choose(variants) + counts * math.log(mean) + counts[::-1] * math.log1p(-mean)
    survival = np.exp(logs)[::-1].cumsum()[::-1]
    hinges = np.append(survival[1:][::-1].cumsum()[::-1], 0.0)
    below = counts < total
    return min(1.0, float((hinges[below] / (total - counts[below])).min()))


def log_wealth(values: NDArray[np.float64], mean: float, best: float, factor: float) -> float:
    """Log of the mixed wealth against a mean of at most `mean`.

    Args:
        values: Numbers in [0, 1]; shape [variants].
        mean: Strictly between 0 and 1.
        best: The fraction that gets half of the stake.
        factor: Times that each number counts.
    """
    fractions = np.array([min(best, _LARGEST_FRACTION), *_FRACTIONS])
    weights = np.array([0.5, *[0.5 / len(_FRACTIONS)] * len(_FRACTIONS)])
    # 1 + f (y - p) / p, as a sum of two terms that cannot cancel.
    growth = (1.0 - fractions)[:, None] + fractions[:, None] * (values / mean)[None, :]
    logs = np.log(growth).sum(axis=1) * factor + np.log(weights)
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))


def _fixed(total: float, variants: float, error: float, single: bool) -> float:  # noqa: FBT001
    """Largest mean that a sum over a fixed number of variants excludes."""
    if single:
        return lower_limit(total, variants, error)
    count, low, high = round(variants), 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        # The last bits of a sum of shares must not lift it over a whole number.
        if tail_bound(total * count / variants - _ROUNDING, count, middle) < error:
            low = middle
        else:
            high = middle
    return low


@lru_cache(maxsize=64)
def _log_choose(n: int) -> NDArray[np.float64]:
    """Log of the binomial coefficients of n; shape [n + 1]."""
    factorials = np.concatenate([[0.0], np.log(np.arange(1, n + 1)).cumsum()])
    return factorials[-1] - factorials - factorials[::-1]


def _wagered(values: NDArray[np.float64], best: float, error: float, factor: float) -> float:
    """Largest mean that the wager excludes; wealth falls as the mean grows."""
    needed = math.log(1.0 / error)
    low, high = 0.0, 1.0
    if not values.any():
        return 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if log_wealth(values, middle, best, factor) >= needed:
            low = middle
        else:
            high = middle
    return low
