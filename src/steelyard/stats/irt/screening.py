"""Items that no item model should be trusted with, found before it is fitted.

Constant items tell nothing of ability, items that better models fail more often point
to a wrong key or a trap, and items with few responses have parameters that are mostly
prior. What is done about them (dropped, shown, kept) is the caller's choice; a fit
gives constant items no slope and carries the flags along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats.irt.bank import Screening
from steelyard.stats.irt.matrix import check_fittable, check_responses
from steelyard.stats.irt.quadrature import sigmoid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LEAST_RESPONSES = 8
"""Default below which an item is flagged as scarce."""

_SAME = 1e-9  # scores closer than this are the same score
_SLOPE_SD = 2.0
_STEPS = 50
_PRECISION = 1e-8
_LARGEST_STEP = 2.0


def screen_items(responses: ArrayLike, *, least_responses: int = LEAST_RESPONSES) -> Screening:
    """Flag constant, negatively discriminating and scarcely answered items.

    The item-rest correlation is the corrected point-biserial (Henrysson, Psychometrika
    28, 1963). A model's result on the rest is its mean residual from the item means over
    the other items it answered, so that having been given easier items does not count.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [models, items].
        least_responses: Responses below which an item is scarce.

    Raises:
        ValueError: as `check_fittable`.
    """
    scores = check_fittable(responses)
    observed = ~np.isnan(scores)
    counts = observed.sum(axis=0)
    spread = np.nanmax(scores, axis=0) - np.nanmin(scores, axis=0)
    constant = spread <= _SAME
    correlation = np.where(constant, np.nan, _item_rest(scores, observed))
    return Screening(counts, correlation, constant, correlation < 0.0, counts < least_responses)


def _item_rest(scores: Floats, observed: NDArray[np.bool_]) -> Floats:
    counts = observed.sum(axis=0)
    residual = np.where(observed, scores, 0.0)
    residual -= residual.sum(axis=0) / counts
    residual *= observed
    others = np.maximum(observed.sum(axis=1, keepdims=True) - 1, 1)
    rest = (residual.sum(axis=1, keepdims=True) - residual) / others
    rest *= observed
    rest -= rest.sum(axis=0) / counts
    rest *= observed
    covariance = np.einsum("mi,mi->i", residual, rest)
    variances = np.einsum("mi,mi->i", residual, residual) * np.einsum("mi,mi->i", rest, rest)
    safe = np.where(variances > 0.0, variances, 1.0)
    return np.where(variances > 0.0, covariance / np.sqrt(safe), np.nan)


class Slopes(NamedTuple):
    """Free-sign discriminations and their standard errors, both of shape [items]."""

    values: Floats
    standard_errors: Floats


def free_slopes(responses: ArrayLike, ability: ArrayLike) -> Slopes:
    """Discriminations of either sign, by logistic regression of each item on ability.

    Posterior modes under slope ~ N(0, 2^2), which keeps separated items finite; standard
    errors from the curvature there. A slope below 0 by more than its error is a finding,
    where a fit with positive slopes only shows a small one.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [models, items].
        ability: Abilities of the models, shape [models].

    Raises:
        ValueError: as `check_responses`, or not one finite ability for each model.
    """
    scores, theta = check_responses(responses), np.asarray(ability, dtype=float)
    if theta.shape != scores.shape[:1] or not np.isfinite(theta).all():
        message = f"each of {len(scores)} models needs one finite ability"
        raise ValueError(message)
    observed = (~np.isnan(scores)).astype(float)
    filled, moments = np.nan_to_num(scores), np.stack([np.ones_like(theta), theta])
    slope, intercept = np.zeros(scores.shape[1]), np.zeros(scores.shape[1])
    curvature = np.ones((3, scores.shape[1]))
    for _ in range(_STEPS):
        share = sigmoid(np.multiply.outer(theta, slope) + intercept) * observed
        lift, pull = moments @ (filled - share)
        weight = share * (1.0 - share)
        # A weak prior on the intercept too, so that a constant item stays finite.
        curvature = np.stack([np.ones_like(theta), theta, theta**2]) @ weight
        curvature += np.array([[0.01], [0.0], [_SLOPE_SD**-2]])
        lift, pull = lift - 0.01 * intercept, pull - slope / _SLOPE_SD**2
        determinant = curvature[0] * curvature[2] - curvature[1] ** 2
        up = (curvature[2] * lift - curvature[1] * pull) / determinant
        turn = (curvature[0] * pull - curvature[1] * lift) / determinant
        intercept += np.clip(up, -_LARGEST_STEP, _LARGEST_STEP)
        slope += np.clip(turn, -_LARGEST_STEP, _LARGEST_STEP)
        if max(np.abs(up).max(), np.abs(turn).max()) < _PRECISION:
            break
    determinant = curvature[0] * curvature[2] - curvature[1] ** 2
    return Slopes(slope, np.sqrt(curvature[0] / determinant))
