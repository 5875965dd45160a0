"""Person fit: does one model fail and pass the items that its ability says.

Gives the standardised log likelihood lz (Drasgow, Levine and Williams, British Journal
of Mathematical and Statistical Psychology 38, 1985) and the contrast of two sets of
items. Neither is standard normal for language models: hold them against the values of
honest models, by `anomaly`. Which items are compared is the caller's choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.special import t_cdf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LEAST_HONEST = 8
"""Honest values below which no anomaly is decided."""

_NODES = np.linspace(-6.0, 6.0, 241)
_LEAST_SHARE = 1e-4  # of success or failure on any item; a slip is always possible


def ability(responses: ArrayLike, slope: ArrayLike, intercept: ArrayLike) -> float:
    """Posterior mean of one model's ability under a standard normal prior.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [items].
        slope: Discriminations, shape [items].
        intercept: Intercepts, shape [items].
    """
    scores, a, d = (np.asarray(x, dtype=float) for x in (responses, slope, intercept))
    seen = ~np.isnan(scores)
    z = np.multiply.outer(_NODES, a[seen]) + d[seen]
    log_joint = z @ scores[seen] - np.logaddexp(0.0, z).sum(axis=1) - 0.5 * _NODES**2
    weights = np.exp(log_joint - log_joint.max())
    return float(weights @ _NODES / weights.sum())


def shares(theta: float, slope: ArrayLike, intercept: ArrayLike) -> Floats:
    """P(success) at one ability, kept from 0 and 1; shape [items]."""
    z = np.asarray(slope, dtype=float) * theta + np.asarray(intercept, dtype=float)
    return np.clip(0.5 * (1.0 + np.tanh(0.5 * z)), _LEAST_SHARE, 1.0 - _LEAST_SHARE)


def fit_index(responses: ArrayLike, expected: ArrayLike) -> float:
    """The index lz of one model: low where it fails easy items, high where it is too regular.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [items].
        expected: P(success) of each item, shape [items].

    Returns:
        nan where no item is answered.
    """
    scores, p = np.asarray(responses, dtype=float), np.asarray(expected, dtype=float)
    seen = ~np.isnan(scores)
    scores, p = scores[seen], p[seen]
    odds = np.log(p / (1.0 - p))
    variance = float((p * (1.0 - p) * odds**2).sum())
    if variance <= 0.0:
        return math.nan
    return float(((scores - p) * odds).sum()) / math.sqrt(variance)


def contrast(responses: ArrayLike, expected: ArrayLike, first: ArrayLike) -> float:
    """By how many standard errors a model does better than expected on some items.

    Its mean residual on the items of `first` minus that on all others.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [items].
        expected: P(success) of each item, shape [items].
        first: The items that are compared with the rest; bool, shape [items].

    Returns:
        nan where either side has no answer.
    """
    scores, p = np.asarray(responses, dtype=float), np.asarray(expected, dtype=float)
    seen, chosen = ~np.isnan(scores), np.asarray(first, dtype=bool)
    means, variance = list[float](), 0.0
    for mask in (seen & chosen, seen & ~chosen):
        if not mask.any():
            return math.nan
        means.append(float((scores[mask] - p[mask]).mean()))
        variance += float((p[mask] * (1.0 - p[mask])).sum()) / int(mask.sum()) ** 2
    return (means[0] - means[1]) / math.sqrt(variance)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """How far a value lies from those of honest models.

    Attributes:
        distance: In standard deviations of a further honest value.
        low: Probability of a value this low or lower.
        high: Probability of a value this high or higher.
        outside: Whether it lies beyond every honest value.
    """

    distance: float
    low: float
    high: float
    outside: bool

    @property
    def two_sided(self) -> float:
        """Probability of a value this far out on either side."""
        return min(1.0, 2.0 * min(self.low, self.high))


def anomaly(value: float, honest: Sequence[float]) -> Anomaly | None:
    """Hold a value against those of honest models, by a prediction limit of Student's t.

    The values count as a normal sample, of which this is to be one more. Mean and
    standard deviation, not median and its deviation: honest models have heavy tails, and
    robust measures called twice as many of them anomalous. None below
    `LEAST_HONEST` values, and where they do not vary or the value is nan.
    """
    values = np.asarray([x for x in honest if not math.isnan(x)], dtype=float)
    if len(values) < LEAST_HONEST or math.isnan(value):
        return None
    spread = float(values.std(ddof=1)) * math.sqrt(1.0 + 1.0 / len(values))
    if spread <= 0.0:
        return None
    distance = (value - float(values.mean())) / spread
    low = t_cdf(distance, len(values) - 1)
    outside = not values.min() <= value <= values.max()
    return Anomaly(distance, low, 1.0 - low, outside)
