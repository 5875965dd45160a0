"""Decision limits of a time horizon that missing answers can only worsen.

Three score tests of one point (horizon, slope), inverted over a fixed grid: of the
horizon with the slope as nuisance, of the slope, and of the overall rate of success.
Moments are taken at the tested point, so an answer moves each statistic one way, and an
unknown one takes whichever value keeps the point: the accepted set can only grow.
Derivation and coverage: docs/explanation/decision-rule.md, section Monotone limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.special import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP = 1.0 / 32.0
"""Grid of the horizon, in doublings; limits are rounded outward to it."""

_ABOVE, _BELOW = 8.0, 4.0  # doublings beyond the lengths seen; nothing is claimed further out
_SLOPES = np.geomspace(0.05, 12.0, 40)  # log odds lost per doubling; published fits: 0.5 to 3.4
_NUISANCE_SHARE = 0.1  # of the error rate, for each of the two supporting tests
_LARGEST_LOG_ODDS = 30.0
_CELLS = 1 << 16  # numbers per pass: what fits a processor's cache; no result depends on it


@dataclass(frozen=True, slots=True)
class Answers:
    """Scored tasks, some answers known only to lie in a range; arrays of shape [tasks].

    Attributes:
        log2_minutes: Task lengths.
        least: Least score each task can have, in [0, 1].
        most: Greatest score each task can have; equal to `least` where it is known.
        weights: Positive weights; their scale does not matter.
    """

    log2_minutes: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    weights: NDArray[np.float64]


def horizon_upper_limit(answers: Answers, error_rate: float) -> float:
    """Upper confidence limit of the 50 % horizon in log2 minutes; infinite where there is none.

    Never decreases when a known answer becomes unknown. Infinite, too, where the answers
    are compatible with (almost) no fall of success with length.

    Args:
        answers: At least one task.
        error_rate: Probability that the true horizon lies above the limit.
    """
    main = normal_quantile(1.0 - error_rate * (1.0 - 2.0 * _NUISANCE_SHARE))
    quantiles = (main, normal_quantile(1.0 - error_rate * _NUISANCE_SHARE))
    longest, shortest = float(answers.log2_minutes.max()), float(answers.log2_minutes.min())
    highest = math.ceil((longest + _ABOVE) / STEP)
    lowest = math.floor((shortest - _BELOW) / STEP)
    if _accepted(np.arange(lowest, highest + 1) * STEP, _SLOPES[:1], answers, quantiles).any():
        return math.inf  # not even shown that longer tasks are harder
    size = max(1, _CELLS // (len(_SLOPES) * len(answers.weights)))
    for top in range(highest, lowest, -size):
        rows = np.arange(top, max(top - size, lowest), -1)
        kept = _accepted(rows * STEP, _SLOPES, answers, quantiles).any(axis=-1)
        if kept.any():
            row = int(rows[int(np.argmax(kept))])
            return math.inf if row == highest else (row + 1) * STEP
    return lowest * STEP


def horizon_lower_limit(answers: Answers, error_rate: float) -> float:
    """Mirror image of `horizon_upper_limit`: lengths and answers change sign."""
    mirrored = Answers(
        -answers.log2_minutes, 1.0 - answers.most, 1.0 - answers.least, answers.weights
    )
    return -horizon_upper_limit(mirrored, error_rate)


def _accepted(
    horizons: NDArray[np.floating],
    slopes: NDArray[np.floating],
    answers: Answers,
    quantiles: tuple[float, float],
) -> NDArray[np.bool_]:
    """Which points no test rejects; shape [horizons, slopes]."""
    main, support = quantiles
    x, weights = answers.log2_minutes, answers.weights
    distance = horizons[:, None, None] - x
    log_odds = np.clip(slopes[:, None] * distance, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)
    expected = 1.0 / (1.0 + np.exp(-log_odds))
    noise = expected * (1.0 - expected)
    information = weights * noise
    total = information.sum(axis=-1, keepdims=True)
    centred = x - (information * x).sum(axis=-1, keepdims=True) / total
    spread = (information * centred**2).sum(axis=-1, keepdims=True) / total
    # Efficient score of the horizon: orthogonal to the slope's (Neyman 1959).
    beyond = horizons[:, None, None] - (x - centred)
    accepted = _not_below(weights * (spread + beyond * centred), expected, noise, answers, main)
    accepted &= _not_below(weights * centred, expected, noise, answers, support)
    accepted &= _not_below(np.broadcast_to(weights, noise.shape), expected, noise, answers, support)
    return accepted


def _not_below(
    loading: NDArray[np.float64],
    expected: NDArray[np.float64],
    noise: NDArray[np.float64],
    answers: Answers,
    quantile: float,
) -> NDArray[np.bool_]:
    """Whether sum(loading * (answer - expected)) can reach -quantile standard deviations."""
    favourable = np.where(loading > 0.0, answers.most, answers.least)
    score = (loading * (favourable - expected)).sum(axis=-1)
    deviation = np.sqrt((loading**2 * noise).sum(axis=-1))
    return np.asarray(score >= -quantile * deviation, dtype=np.bool_)
