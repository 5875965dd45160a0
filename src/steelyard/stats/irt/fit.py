"""Fitting a two-parameter bank: posterior modes of the items by expectation-maximisation.

Bock and Aitkin (Psychometrika 46, 1981) with abilities standard normal, log slopes
normal around 0 and intercepts normal around 0, which keeps the items of few models
finite (Mislevy, Psychometrika 51, 1986). Scores between 0 and 1 enter as the mean of
repeats, by the same likelihood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.irt.bank import Calibration, ItemBank, ItemFit
from steelyard.stats.irt.matrix import ResponseMatrix, check_fittable
from steelyard.stats.irt.quadrature import log_odds, normal_grid, normalised, sigmoid
from steelyard.stats.irt.screening import screen_items

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from steelyard.stats.irt.quadrature import Grid

    Floats = NDArray[np.float64]

_SLOPE_SD = 0.5  # of the log of a slope
_INTERCEPT_SD = 3.0
_STEPS = 3  # Newton steps in one maximisation
_LARGEST_STEP = 0.5
_ITERATIONS = 200
_TOLERANCE = 1e-6  # relative gain of the objective
_INFORMATION = 60.0  # of a model's responses, for which the nodes are laid


def fit_2pl(responses: ArrayLike) -> ItemBank:
    """Fit slopes and intercepts; constant items get a slope of almost 0.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [models, items].

    Raises:
        ValueError: as `check_fittable`.
    """
    scores = check_fittable(responses)
    matrix, screening, grid = (
        ResponseMatrix.from_scores(scores), screen_items(scores), normal_grid(_INFORMATION),
    )  # fmt: skip
    shares = np.clip(np.nanmean(scores, axis=0), 0.02, 0.98)
    log_slope, intercept = np.zeros(scores.shape[1]), np.log(shares / (1.0 - shares))
    log_slope[screening.constant] = -6.0
    objective, total, converged = list[float](), 0.0, False
    for _ in range(_ITERATIONS):
        slope = np.exp(log_slope)
        joint = matrix.log_likelihoods(grid.nodes, slope, intercept) + grid.log_weights
        posterior, evidence = normalised(joint)
        total = float(evidence.sum())
        objective.append(total + _log_prior(log_slope[~screening.constant], intercept))
        if len(objective) > 1 and objective[-1] - objective[-2] < _TOLERANCE * abs(total):
            converged = True
            break
        log_slope, intercept = _maximised(
            _Sums.of(matrix, posterior, grid), log_slope, intercept, screening.constant
        )
    slope = np.exp(log_slope)
    ability = posterior @ grid.nodes
    fit = _residual_squares(scores, ability, slope, intercept)
    calibration = Calibration(len(scores), total, tuple(objective), converged, screening, fit)
    return ItemBank(slope, intercept, calibration)


def _log_prior(log_slope: Floats, intercept: Floats) -> float:
    squares = np.square(log_slope / _SLOPE_SD).sum() + np.square(intercept / _INTERCEPT_SD).sum()
    return -0.5 * float(squares)


class _Sums:
    """What one maximisation needs of the responses."""

    __slots__ = ("counts", "nodes", "scored", "scored_theta")

    def __init__(self, nodes: Floats, counts: Floats, scored: Floats, theta: Floats) -> None:
        self.nodes, self.counts, self.scored, self.scored_theta = nodes, counts, scored, theta

    @classmethod
    def of(cls, matrix: ResponseMatrix, posterior: Floats, grid: Grid) -> _Sums:
        ability = posterior @ grid.nodes
        ones = np.ones(len(ability))
        return cls(
            grid.nodes, matrix.node_counts(posterior), matrix.item_sums(ones),
            matrix.item_sums(ability),
        )  # fmt: skip


def _maximised(
    sums: _Sums, log_slope: Floats, intercept: Floats, fixed: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """A few damped Newton steps on every item at once."""
    theta = sums.nodes[:, None]
    for _ in range(_STEPS):
        slope = np.exp(log_slope)
        share = sigmoid(log_odds(sums.nodes, slope, intercept))
        expected, weight = sums.counts * share, sums.counts * share * (1.0 - share)
        pull = slope * (sums.scored_theta - (expected * theta).sum(axis=0))
        pull -= log_slope / _SLOPE_SD**2
        lift = sums.scored - expected.sum(axis=0) - intercept / _INTERCEPT_SD**2
        curve = np.square(slope) * (weight * theta**2).sum(axis=0) + _SLOPE_SD**-2
        cross = slope * (weight * theta).sum(axis=0)
        level = weight.sum(axis=0) + _INTERCEPT_SD**-2
        determinant = curve * level - cross**2
        turn = np.where(fixed, 0.0, (level * pull - cross * lift) / determinant)
        up = np.where(fixed, lift / level, (curve * lift - cross * pull) / determinant)
        log_slope = log_slope + np.clip(turn, -_LARGEST_STEP, _LARGEST_STEP)
        intercept = intercept + np.clip(up, -_LARGEST_STEP, _LARGEST_STEP)
    return log_slope, intercept


def _residual_squares(scores: Floats, ability: Floats, slope: Floats, intercept: Floats) -> ItemFit:
    share = sigmoid(log_odds(ability, slope, intercept))
    variance = np.where(np.isnan(scores), np.nan, share * (1.0 - share))
    squares = np.square(scores - share)
    information = np.nansum(variance, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        infit = np.where(information > 0, np.nansum(squares, axis=0) / information, np.nan)
    return ItemFit(infit, np.nanmean(squares / np.maximum(variance, 1e-9), axis=0))
