"""Fitting counts by rows and columns: a logistic-normal model with crossed effects.

log odds of cell (i, j) = m + a_i + b_j + e_ij, all normal around 0. Penalised likelihood by
Newton's steps; variances by the expectation-maximization of Laplace's approximation (Breslow
and Clayton, JASA 88, 1993; Stiratelli, Laird and Ware, Biometrics 40, 1984), each with a weak
inverse-gamma prior, so that two rows or a matrix without any event do not drive one to 0 or
to infinity. Limits use the curvature at the mode; they are a little narrow where counts are
very small (docs/explanation/am-i-affected.md gives the measured coverage).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int_]

_ROUNDS: Final = 60
_NEWTON_STEPS: Final = 30
_SETTLED: Final = 1e-4
_MEAN_VARIANCE: Final = 9.0  # of m: 95 % of its prior lies between rates of 0.3 % and 99.7 %
_PRIOR_SHAPE: Final = 1.0
_PRIOR_SCALE: Final = 0.5
_LARGEST_LOG_ODDS: Final = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class CrossedFit:
    """The mode and its covariance.

    Attributes:
        mode: m, then row, column and cell effects; shape [1 + rows + columns + cells].
        covariance: Of the mode; square.
        variances: Of row, column and cell effects.
        rows: Row of each cell; shape [cells].
        columns: Column of each cell; shape [cells].
        shape: Numbers of rows and columns.
    """

    mode: Floats
    covariance: Floats
    variances: tuple[float, float, float]
    rows: Whole
    columns: Whole
    shape: tuple[int, int]

    def log_odds(self, row: int, column: int) -> tuple[float, float]:
        """Centre and standard deviation of a cell's log odds, tested or not."""
        places = [0, 1 + row, 1 + self.shape[0] + column]
        known = np.flatnonzero((self.rows == row) & (self.columns == column))
        places.extend((1 + sum(self.shape) + known).tolist())
        spread = float(self.covariance[np.ix_(places, places)].sum())
        if not len(known):
            spread += self.variances[2]
        return float(self.mode[places].sum()), float(np.sqrt(spread))


def fit_crossed(rows: Whole, columns: Whole, counts: Floats, shape: tuple[int, int]) -> CrossedFit:
    """Fit the model.

    Args:
        rows: Row of each cell, from 0; shape [cells].
        columns: Column of each cell, from 0; shape [cells].
        counts: Events and trials of each cell, trials above 0; shape [cells, 2].
        shape: Numbers of rows and columns.
    """
    groups = (1, *shape, len(rows))
    design = _design(rows, columns, groups)
    mode, variances = np.zeros(sum(groups)), np.ones(3)
    covariance = np.eye(len(mode))
    for _ in range(_ROUNDS):
        mode, covariance = _mode(design, counts, mode, _precisions(variances, groups))
        updated = _updated(mode, np.diag(covariance), groups)
        settled = np.abs(updated - variances).max() < _SETTLED * variances.max()
        variances = updated
        if settled:
            break
    kept = (float(variances[0]), float(variances[1]), float(variances[2]))
    return CrossedFit(mode, covariance, kept, rows, columns, shape)


def _design(rows: Whole, columns: Whole, groups: tuple[int, ...]) -> Floats:
    """Which effects make up each cell; shape [cells, effects]."""
    cells = np.arange(len(rows))
    design = np.zeros((len(rows), sum(groups)))
    design[:, 0] = 1.0
    design[cells, 1 + rows] = 1.0
    design[cells, 1 + groups[1] + columns] = 1.0
    design[cells, 1 + groups[1] + groups[2] + cells] = 1.0
    return design


def _precisions(variances: Floats, groups: tuple[int, ...]) -> Floats:
    return np.repeat(1.0 / np.array([_MEAN_VARIANCE, *variances]), groups)


def _mode(
    design: Floats, counts: Floats, start: Floats, precisions: Floats
) -> tuple[Floats, Floats]:
    """Mode of the penalised likelihood, concave, by damped Newton's steps; its covariance."""
    point = start
    value = _penalised(design, counts, point, precisions)
    for _ in range(_NEWTON_STEPS):
        slope, curvature = _derivatives(design, counts, point, precisions)
        step = np.linalg.solve(curvature, slope)
        size = 1.0
        while size > _SETTLED:
            tried = _penalised(design, counts, point + size * step, precisions)
            if tried >= value:
                break
            size /= 2.0
        else:
            break
        point, value = point + size * step, tried
        if float(np.abs(step).max()) < _SETTLED:
            break
    curvature = _derivatives(design, counts, point, precisions)[1]
    return point, np.asarray(np.linalg.inv(curvature), dtype=np.float64)


def _rates(design: Floats, point: Floats) -> Floats:
    odds = np.clip(design @ point, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)
    return 1.0 / (1.0 + np.exp(-odds))


def _penalised(design: Floats, counts: Floats, point: Floats, precisions: Floats) -> float:
    rates = _rates(design, point)
    events, trials = counts[:, 0], counts[:, 1]
    likelihood = events @ np.log(rates) + (trials - events) @ np.log1p(-rates)
    return float(likelihood - 0.5 * (precisions @ np.square(point)))


def _derivatives(
    design: Floats, counts: Floats, point: Floats, precisions: Floats
) -> tuple[Floats, Floats]:
    rates = _rates(design, point)
    slope = design.T @ (counts[:, 0] - counts[:, 1] * rates) - precisions * point
    weights = counts[:, 1] * rates * (1.0 - rates)
    return slope, design.T @ (weights[:, None] * design) + np.diag(precisions)


def _updated(mode: Floats, spreads: Floats, groups: tuple[int, ...]) -> Floats:
    """Variances of row, column and cell effects, under an inverse-gamma prior."""
    edges = np.cumsum(groups)
    return np.array(
        [
            (float((np.square(mode[a:b]) + spreads[a:b]).sum()) + 2.0 * _PRIOR_SCALE)
            / (b - a + 2.0 * _PRIOR_SHAPE)
            for a, b in pairwise(edges.tolist())
        ]
    )
