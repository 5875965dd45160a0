"""Fitting item banks: posterior modes of the items by expectation-maximisation.

Abilities are standard normal and integrated out (Bock and Aitkin, Psychometrika 46, 1981).
Log slopes and intercepts are normal around 0, which keeps the items of few models finite
(Mislevy, Psychometrika 51, 1986). Scores between 0 and 1 enter as means of repeats, by the
same likelihood. A maximisation is one damped Newton step on all items at once, which is as
good as many (Lange, JRSS B 57, 1995) and a third of the cost. Where all abilities drift
together, the scale follows at once (PX-EM; Liu, Rubin and Wu, Biometrika 85, 1998), as long
as the objective rises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats.irt.bank import Calibration, ItemBank, ItemFit
from steelyard.stats.irt.matrix import ResponseMatrix, check_fittable
from steelyard.stats.irt.quadrature import (
    log_odds,
    normal_grid,
    normalised,
    sigmoid,
    total_information,
)
from steelyard.stats.irt.screening import screen_items

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from steelyard.stats.irt.quadrature import Grid

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_SLOPE_SD = 0.5  # of the log of a slope
_INTERCEPT_SD = 3.0
_LARGEST_STEP = 0.5
_ITERATIONS = 500
_TOLERANCE = 1e-6  # gain of the objective, relative to the log likelihood
_NO_SLOPE = -6.0  # log slope of a constant item: it tells nothing
_FIRST_SHARES = (0.02, 0.98)
_LEAST_VARIANCE = 1e-9


class _Items(NamedTuple):
    """Log slopes and intercepts, both of shape [items]."""

    log_slope: Floats
    intercept: Floats

    def log_prior(self, free: Flags, *, common: bool) -> float:
        slopes = self.log_slope[free]
        if common:
            slopes = slopes[:1]
        squares = float(np.square(slopes / _SLOPE_SD).sum())
        return -0.5 * (squares + float(np.square(self.intercept / _INTERCEPT_SD).sum()))


class _Expected(NamedTuple):
    """What one maximisation needs of the responses.

    Attributes:
        nodes: Abilities, shape [nodes].
        counts: Expected models at each node that answered each item, [nodes, items].
        scored: Sums of scores, [items].
        scored_ability: Sums of scores times expected ability, [items].
    """

    nodes: Floats
    counts: Floats
    scored: Floats
    scored_ability: Floats


def fit_2pl(responses: ArrayLike) -> ItemBank:
    """Fit a slope and an intercept to every item.

    P(success) = sigmoid(discrimination * theta + intercept). Constant items get a slope of
    almost 0. Estimates do not depend on the order of models or items, up to rounding.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [models, items].

    Raises:
        ValueError: fewer than two models or items, one without any response, a score
            outside [0, 1] or infinite.
    """
    return _fit(responses, common=False)


def fit_1pl(responses: ArrayLike) -> ItemBank:
    """Fit an intercept to every item and one slope to all of them.

    The Rasch model with a free spread of abilities (Thissen, Psychometrika 47, 1982). Takes
    and raises what `fit_2pl` does.
    """
    return _fit(responses, common=True)


def _fit(responses: ArrayLike, *, common: bool) -> ItemBank:
    scores = check_fittable(responses)
    matrix, screening = ResponseMatrix.from_scores(scores), screen_items(scores)
    free = ~screening.constant
    items = plain = _start(scores, free)
    grid, expand = _grid(items, scores), True
    objective, log_likelihood, converged = list[float](), 0.0, False
    ability = np.zeros(len(scores))
    for _ in range(_ITERATIONS):
        posterior, log_likelihood = _posterior(matrix, grid, items)
        reached = log_likelihood + items.log_prior(free, common=common)
        gain = reached - objective[-1] if objective else np.inf
        if gain < 0.0 and expand:
            items, expand = plain, False
            continue
        objective.append(reached)
        ability = posterior @ grid.nodes
        if gain < _TOLERANCE * abs(log_likelihood):
            converged = True
            break
        expected = _Expected(
            grid.nodes,
            matrix.node_counts(posterior),
            matrix.item_sums(np.ones(len(ability))),
            matrix.item_sums(ability),
        )
        items = plain = _maximised(expected, items, free, common=common)
        if expand:
            items = _rescaled(plain, posterior, grid, free)
        finer = _grid(items, scores)
        if len(finer.nodes) > len(grid.nodes):
            grid = finer
    slope = np.exp(items.log_slope)
    fit = _residual_squares(scores, ability, slope, items.intercept)
    calibration = Calibration(
        len(scores), log_likelihood, tuple(objective), converged, screening, fit
    )
    return ItemBank(slope, items.intercept, calibration)


def _start(scores: Floats, free: Flags) -> _Items:
    shares = np.clip(np.nanmean(scores, axis=0), *_FIRST_SHARES)
    return _Items(np.where(free, 0.0, _NO_SLOPE), np.log(shares / (1.0 - shares)))


def _grid(items: _Items, scores: Floats) -> Grid:
    """Nodes fine enough for the narrowest posterior of any model, by its number of answers."""
    abilities = np.linspace(-3.0, 3.0, 13)
    whole = float(total_information(abilities, np.exp(items.log_slope), items.intercept).max())
    most = float((~np.isnan(scores)).sum(axis=1).max()) / scores.shape[1]
    return normal_grid(whole * most)


def _posterior(matrix: ResponseMatrix, grid: Grid, items: _Items) -> tuple[Floats, float]:
    """Node probabilities of each model [models, nodes], and the marginal log likelihood."""
    slope = np.exp(items.log_slope)
    joint = matrix.log_likelihoods(grid.nodes, slope, items.intercept) + grid.log_weights
    posterior, evidence = normalised(joint)
    return posterior, float(evidence.sum())


def _maximised(expected: _Expected, items: _Items, free: Flags, *, common: bool) -> _Items:
    """One damped Newton step on every item at once."""
    theta = expected.nodes[:, None]
    slope = np.exp(items.log_slope)
    share = sigmoid(log_odds(expected.nodes, slope, items.intercept))
    passed = expected.counts * share
    weight = passed * (1.0 - share)
    pull = slope * (expected.scored_ability - (passed * theta).sum(axis=0))
    lift = expected.scored - passed.sum(axis=0) - items.intercept / _INTERCEPT_SD**2
    curve = np.square(slope) * (weight * np.square(theta)).sum(axis=0)
    cross = slope * (weight * theta).sum(axis=0)
    level = weight.sum(axis=0) + _INTERCEPT_SD**-2
    if common:
        turn = _common_turn(pull, curve, items.log_slope, free)
    else:
        pull = pull - items.log_slope / _SLOPE_SD**2
        curve = curve + _SLOPE_SD**-2
        turn = (level * pull - cross * lift) / (curve * level - np.square(cross))
    turn = np.where(free, np.clip(turn, -_LARGEST_STEP, _LARGEST_STEP), 0.0)
    # The intercept's step is best given the slope's, clipped or not.
    up = np.clip((lift - cross * turn) / level, -_LARGEST_STEP, _LARGEST_STEP)
    return _Items(items.log_slope + turn, items.intercept + up)


def _common_turn(pull: Floats, curve: Floats, log_slope: Floats, free: Flags) -> Floats:
    """One Newton step of the slope that all free items share."""
    if not free.any():
        return np.zeros_like(pull)
    force = float(pull[free].sum()) - float(log_slope[free][0]) / _SLOPE_SD**2
    return np.full_like(pull, force / (float(curve[free].sum()) + _SLOPE_SD**-2))


def _rescaled(items: _Items, posterior: Floats, grid: Grid, free: Flags) -> _Items:
    """The same items on a scale where the models' abilities are standard again (PX-EM)."""
    mean = float((posterior @ grid.nodes).mean())
    spread = float((posterior @ np.square(grid.nodes)).mean()) - mean**2
    log_slope = np.where(free, items.log_slope + 0.5 * np.log(spread), items.log_slope)
    return _Items(log_slope, items.intercept + np.where(free, np.exp(items.log_slope) * mean, 0.0))


def _residual_squares(scores: Floats, ability: Floats, slope: Floats, intercept: Floats) -> ItemFit:
    """Infit and outfit at the models' expected abilities (Wright and Masters 1982)."""
    share = sigmoid(log_odds(ability, slope, intercept))
    variance = np.maximum(share * (1.0 - share), _LEAST_VARIANCE)
    observed = ~np.isnan(scores)
    squares = np.where(observed, np.square(np.nan_to_num(scores) - share), 0.0)
    information = np.where(observed, variance, 0.0).sum(axis=0)
    told = information > len(scores) * _LEAST_VARIANCE
    infit = np.where(told, squares.sum(axis=0) / np.maximum(information, _LEAST_VARIANCE), np.nan)
    return ItemFit(infit, (squares / variance).sum(axis=0) / observed.sum(axis=0))
