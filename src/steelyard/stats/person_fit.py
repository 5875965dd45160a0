"""Person fit: does one model fail and pass the items that its ability says.

Gives the standardised log likelihood lz (Drasgow, Levine and Williams, British Journal
of Mathematical and Statistical Psychology 38, 1985) and the contrast of two sets of
items. Neither is standard normal for language models, whose honest lz has standard
deviations of 2 and more on some matrices: hold them against the values of honest models,
by `anomaly` or, without any distribution, by `empirical_p_value`. Both sides count, since
failing exactly the hardest solved items looks too regular. Which items are compared is
the caller's choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.irt import ItemBank, estimate_abilities, fit_2pl
from steelyard.stats.irt.matrix import check_fittable, check_responses
from steelyard.stats.special import t_cdf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LEAST_HONEST = 8
"""Honest values below which no anomaly is decided."""

_LEAST_SHARE = 1e-4  # of success or failure on any item; a slip is always possible


def ability(responses: ArrayLike, slope: ArrayLike, intercept: ArrayLike) -> float:
    """Posterior mean of one model's ability under a standard normal prior.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [items].
        slope: Discriminations, shape [items].
        intercept: Intercepts, shape [items].

    Raises:
        ValueError: shapes that differ, or a score that is infinite or outside [0, 1].
    """
    bank = ItemBank(np.asarray(slope, dtype=float), np.asarray(intercept, dtype=float))
    return float(estimate_abilities(bank, responses).values[0])


def shares(theta: float, slope: ArrayLike, intercept: ArrayLike) -> Floats:
    """P(success) at one ability, kept from 0 and 1; shape [items]."""
    z = np.asarray(slope, dtype=float) * theta + np.asarray(intercept, dtype=float)
    return np.clip(0.5 * (1.0 + np.tanh(0.5 * z)), _LEAST_SHARE, 1.0 - _LEAST_SHARE)


def fit_index(responses: ArrayLike, expected: ArrayLike, repeats: ArrayLike = 1.0) -> float:
    """Lz of one model: low where it fails easy items, high where it is too regular.

    A score between 0 and 1 is the mean of repeats. Its variance is p (1 - p) over their
    number, if repeats of one item are independent. Without that number a single answer is
    supposed, which makes lz too close to 0, alike for all models with the same repeats.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [items].
        expected: P(success) of each item, shape [items].
        repeats: Answers behind each score, at least 1; a number or shape [items].

    Returns:
        nan where no item is answered, or all of them have P(success) 1/2, where the
        likelihood is the same whatever the answers.
    """
    scores, p = np.asarray(responses, dtype=float), np.asarray(expected, dtype=float)
    counts = np.broadcast_to(np.asarray(repeats, dtype=float), scores.shape)
    seen = ~np.isnan(scores)
    scores, p, counts = scores[seen], p[seen], counts[seen]
    odds = np.log(p) - np.log1p(-p)
    variance = float((p * (1.0 - p) * odds**2 * counts).sum())
    if variance <= 0.0:
        return math.nan
    return float((counts * (scores - p) * odds).sum()) / math.sqrt(variance)


def fit_indices(bank: ItemBank, responses: ArrayLike, repeats: ArrayLike = 1.0) -> Floats:
    """Lz of each model at its own posterior mean ability, shape [models].

    Args:
        bank: The items; not fitted to these models, or lz looks too good.
        responses: Scores in [0, 1], nan where missing; shape [models, items].
        repeats: Answers behind each score; a number, [items] or [models, items].

    Raises:
        ValueError: as `estimate_abilities`.
    """
    scores = check_responses(responses)
    counts = np.broadcast_to(np.asarray(repeats, dtype=float), scores.shape)
    abilities = estimate_abilities(bank, scores).values
    rows = zip(scores, abilities.tolist(), counts, strict=True)
    slope, intercept = bank.discrimination, bank.intercept
    return np.array([fit_index(s, shares(t, slope, intercept), n) for s, t, n in rows])


def honest_fit_indices(responses: ArrayLike, fit: Callable[[Floats], ItemBank] = fit_2pl) -> Floats:
    """Lz of each model under a bank fitted to the others: the empirical null; [models].

    Args:
        responses: Scores of honest models in [0, 1], nan where missing; [models, items].
        fit: Fits a bank to scores.

    Raises:
        ValueError: as `fit_2pl`; fewer than three models.
    """
    scores = check_fittable(responses)
    values = np.full(len(scores), np.nan)
    for model in range(len(scores)):
        others = np.delete(scores, model, axis=0)
        asked = ~np.isnan(others).all(axis=0) & ~np.isnan(scores[model])
        others = others[:, asked]
        bank = fit(others[~np.isnan(others).all(axis=1)])
        values[model] = fit_indices(bank, scores[model, asked])[0]
    return values


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


def empirical_p_value(value: float, honest: Sequence[float]) -> float:
    """Two-sided p-value of a value among those of honest models, by ranks alone.

    Twice the smaller of the shares of values as low or as high, the value itself counted
    among them. Valid if the model is exchangeable with the honest ones, whatever their
    distribution (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World,
    2005, chapter 2); it cannot fall below 2 / (n + 1). 1 where the value is nan.

    Args:
        value: Of the model in question.
        honest: Values of n honest models; nan is left out.
    """
    values = np.asarray([x for x in honest if not math.isnan(x)], dtype=float)
    if math.isnan(value):
        return 1.0
    low, high = int((values <= value).sum()), int((values >= value).sum())
    return min(1.0, 2.0 * (1 + min(low, high)) / (len(values) + 1))
