"""Fitting a bank: posterior modes of the items by expectation-maximisation.

Bock and Aitkin (Psychometrika 46, 1981) with abilities standard normal and the priors of
`ItemPrior` (Mislevy, Psychometrika 51, 1986), their means and spreads estimated from the
same matrix unless given. Iterations are accelerated by SQUAREM (Varadhan and Roland,
Scandinavian Journal of Statistics 35, 2008), and a leap that lowers the objective is not
taken. Scores between 0 and 1 enter as the mean of repeats, by the same likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.irt.bank import Calibration, ItemBank
from steelyard.stats.irt.matrix import ResponseMatrix, check_fittable
from steelyard.stats.irt.maximise import ExpectedScores, Items, curvature, maximised, moved
from steelyard.stats.irt.prior import ItemPrior, updated_moments
from steelyard.stats.irt.quadrature import normal_grid, normalised
from steelyard.stats.irt.residuals import residual_squares
from steelyard.stats.irt.screening import screen_items

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from steelyard.stats.irt.quadrature import Grid

    Floats = NDArray[np.float64]

_DEFAULT = ItemPrior()
_PRIOR_STEPS, _PRIOR_TOLERANCE = 60, 2e-3
_CYCLES = 200
_TOLERANCE = 1e-9  # of the objective, relative
_REFINEMENTS = 4  # of the nodes, which end where there are no finer ones
_MARGIN = 1.2  # information beyond that of the estimates, for which nodes are laid
_LEAST_SHARE = 0.02  # for the first intercepts
_LONGEST_LEAP = 64.0


def fit_2pl(responses: ArrayLike, *, prior: ItemPrior | None = None) -> ItemBank:
    """Fit slopes and intercepts.

    An item without variation gets the slope that its prior and its score allow; the
    bank's screening names it.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [models, items].
        prior: Of the items; None estimates it from the responses.

    Raises:
        ValueError: fewer than two models or items; a model or an item without any
            response; an infinite score or one outside [0, 1].
    """
    return _fitted(responses, prior, common=False)


def fit_1pl(responses: ArrayLike, *, prior: ItemPrior | None = None) -> ItemBank:
    """Fit one slope for all items, and their intercepts; arguments as `fit_2pl`."""
    return _fitted(responses, prior, common=True)


def _fitted(responses: ArrayLike, prior: ItemPrior | None, *, common: bool) -> ItemBank:
    scores = check_fittable(responses)
    screening = screen_items(scores)
    matrix = ResponseMatrix.from_scores(scores)
    problem = _Problem(matrix, normal_grid(_guess(scores)), prior or _DEFAULT, common=common)
    items = _start(scores)
    if prior is None:
        problem, items = _with_estimated_prior(problem, items)
    objective, converged = list[float](), False
    for _ in range(_REFINEMENTS):
        information = _largest_information(problem, items)
        problem = replace(problem, grid=normal_grid(information * _MARGIN))
        items, objective, converged = _climb(problem, items)
        if problem.grid.supports(_largest_information(problem, items)):
            break
    posterior, evidence = problem.expectation(items)
    bank = ItemBank(np.exp(items.log_slope), items.intercept)
    fit = residual_squares(scores, posterior @ problem.grid.nodes, bank)
    return replace(
        bank,
        calibration=Calibration(
            len(scores), float(evidence.sum()), tuple(objective), converged, screening, fit,
            problem.prior,
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Responses, nodes and priors: what is maximised."""

    matrix: ResponseMatrix
    grid: Grid
    prior: ItemPrior
    common: bool

    def expectation(self, items: Items) -> tuple[Floats, Floats]:
        """Posterior [models, nodes] and log evidence [models]."""
        likelihoods = self.matrix.log_likelihoods(
            self.grid, np.exp(items.log_slope), items.intercept
        )
        likelihoods += self.grid.log_weights
        return normalised(likelihoods)

    def objective(self, items: Items, evidence: Floats) -> float:
        """Log evidence plus log priors."""
        slopes = self.shared_prior.slope_log_density(items.log_slope)
        intercepts = self.prior.intercept_log_density(items.intercept)
        return float(evidence.sum()) + float(slopes.sum()) + float(intercepts.sum())

    @property
    def shared_prior(self) -> ItemPrior:
        """The prior, with that of one common slope spread over the items."""
        if not self.common:
            return self.prior
        return replace(self.prior, slope_sd=self.prior.slope_sd * math.sqrt(self.matrix.items))

    def sums(self, posterior: Floats) -> ExpectedScores:
        ability = posterior @ self.grid.nodes
        return ExpectedScores(
            self.grid.knots,
            self.matrix.expected_counts(self.grid.at_knots(posterior)),
            self.matrix.item_sums(np.ones(len(ability))),
            self.matrix.item_sums(ability),
        )

    def step(self, items: Items) -> tuple[Items, float]:
        """One EM step, and the objective before it."""
        posterior, evidence = self.expectation(items)
        after = maximised(self.sums(posterior), items, self.shared_prior, common=self.common)
        return after, self.objective(items, evidence)


def _climb(problem: _Problem, items: Items) -> tuple[Items, list[float], bool]:
    """SQUAREM cycles until one gains too little."""
    objective, rejected = list[float](), 0
    for _ in range(_CYCLES):
        first, value = problem.step(items)
        objective.append(value)
        second, value = problem.step(first)
        objective.append(value)
        leap = _leap(items, first, second, _LONGEST_LEAP / 4.0**rejected)
        after, value = problem.step(leap)
        if value < objective[-1]:
            rejected += 1
            after, value = problem.step(second)
        else:
            rejected = max(0, rejected - 1)
        objective.append(value)
        items = after
        if objective[-1] - objective[-3] < _TOLERANCE * abs(value):
            return items, objective, True
    return items, objective, False


def _leap(before: Items, first: Items, second: Items, longest: float) -> Items:
    start, change = np.concatenate(before), np.concatenate(first) - np.concatenate(before)
    bend = np.concatenate(second) - np.concatenate(first) - change
    size = float(np.linalg.norm(change) / max(float(np.linalg.norm(bend)), 1e-300))
    size = min(max(size, 1.0), max(longest, 1.0))
    there = start + 2.0 * size * change + size**2 * bend
    half = len(start) // 2
    return moved(Items(there[:half], there[half:]), Items(np.zeros(half), np.zeros(half)))


def _with_estimated_prior(problem: _Problem, items: Items) -> tuple[_Problem, Items]:
    """EM steps of items and of their priors in turn."""
    for _ in range(_PRIOR_STEPS):
        posterior, _ = problem.expectation(items)
        sums = problem.sums(posterior)
        items = maximised(sums, items, problem.shared_prior, common=problem.common)
        prior = _updated(problem, sums, items)
        change = max(
            abs(prior.slope_mean - problem.prior.slope_mean),
            abs(prior.slope_sd - problem.prior.slope_sd),
            abs(prior.intercept_mean - problem.prior.intercept_mean),
            abs(prior.intercept_sd - problem.prior.intercept_sd),
        )
        problem = replace(problem, prior=prior)
        if change < _PRIOR_TOLERANCE:
            break
    return replace(problem, prior=problem.prior.widened()), items


def _updated(problem: _Problem, sums: ExpectedScores, items: Items) -> ItemPrior:
    slope_variances, intercept_variances = curvature(sums, items, problem.shared_prior).variances
    intercepts = updated_moments(
        items.intercept, intercept_variances, (_DEFAULT.intercept_mean, _DEFAULT.intercept_sd)
    )
    if problem.common:
        return replace(problem.prior, intercept_mean=intercepts[0], intercept_sd=intercepts[1])
    slopes = updated_moments(
        items.log_slope, slope_variances, (_DEFAULT.slope_mean, _DEFAULT.slope_sd)
    )
    return ItemPrior(*slopes, *intercepts)


def _start(scores: Floats) -> Items:
    shares = np.clip(np.nanmean(scores, axis=0), _LEAST_SHARE, 1.0 - _LEAST_SHARE)
    return Items(np.zeros(scores.shape[1]), np.log(shares / (1.0 - shares)))


def _guess(scores: Floats) -> float:
    """Information of the most answers of any model, at slopes of 1."""
    return 0.15 * float((~np.isnan(scores)).sum(axis=1).max())


def _largest_information(problem: _Problem, items: Items) -> float:
    """Of any model's answers, at its posterior mean."""
    ability = problem.expectation(items)[0] @ problem.grid.nodes
    return float(
        problem.matrix.information(ability, np.exp(items.log_slope), items.intercept).max()
    )
