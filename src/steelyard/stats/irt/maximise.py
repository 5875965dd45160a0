"""The maximisation of an EM step: every item's expected log posterior, never lowered.

Newton steps with the expected curvature, which is positive definite. A step that lowers
an item's value is halved until it does not, or left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats.irt.quadrature import log_odds, logistic_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.stats.irt.prior import ItemPrior

    Floats = NDArray[np.float64]

_HALVINGS = 6
_LARGEST_STEP = 1.0
_LEAST_LOG_SLOPE, _LARGEST_LOG_SLOPE = -7.0, 4.0
_SLACK = 1e-12


class Items(NamedTuple):
    """Log slopes and intercepts, both of shape [items]."""

    log_slope: Floats
    intercept: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedScores:
    """What a maximisation needs of the responses.

    Attributes:
        knots: Abilities, shape [knots].
        counts: Expected models at each knot that answered each item; [knots, items].
        scored: Sums of scores, shape [items].
        scored_theta: Sums of score times posterior mean ability, shape [items].
    """

    knots: Floats
    counts: Floats
    scored: Floats
    scored_theta: Floats

    def subset(self, items: NDArray[np.intp]) -> ExpectedScores:
        """The same of some items."""
        return ExpectedScores(
            self.knots, self.counts[:, items], self.scored[items], self.scored_theta[items]
        )


class Curvature(NamedTuple):
    """Negative second derivatives of each item's value, all of shape [items]."""

    slope: Floats
    cross: Floats
    intercept: Floats

    @property
    def variances(self) -> tuple[Floats, Floats]:
        """Of the log slope and of the intercept, by the inverse of each 2 x 2 matrix."""
        determinant = self.slope * self.intercept - np.square(self.cross)
        return self.intercept / determinant, self.slope / determinant


class _State(NamedTuple):
    values: Floats
    shares: Floats


def maximised(
    sums: ExpectedScores, items: Items, prior: ItemPrior, *, common: bool = False, steps: int = 2
) -> Items:
    """Some Newton steps on every item at once.

    Args:
        sums: Expected scores.
        items: Where to begin.
        prior: Of the items.
        common: One slope for all items.
        steps: Newton steps.
    """
    state = _state(sums, items, prior)
    for _ in range(steps):
        lift, pull, curvature = _derivatives(sums, items, prior, state.shares)
        if common:
            step = _common_step(lift, pull, curvature)
            items, state = _accepted_together(sums, items, prior, step, state)
        else:
            step = _separate_step(lift, pull, curvature)
            items, state = _accepted(sums, items, prior, step, state)
    return items


def curvature(sums: ExpectedScores, items: Items, prior: ItemPrior) -> Curvature:
    """Curvature of the expected log posterior, priors included."""
    return _derivatives(sums, items, prior, _state(sums, items, prior).shares)[2]


def _state(sums: ExpectedScores, items: Items, prior: ItemPrior) -> _State:
    slope = np.exp(items.log_slope)
    shares, partition = logistic_pair(log_odds(sums.knots, slope, items.intercept))
    partition *= sums.counts
    values = slope * sums.scored_theta + items.intercept * sums.scored - partition.sum(axis=0)
    values += prior.slope_log_density(items.log_slope)
    return _State(values + prior.intercept_log_density(items.intercept), shares)


def _derivatives(
    sums: ExpectedScores, items: Items, prior: ItemPrior, shares: Floats
) -> tuple[Floats, Floats, Curvature]:
    slope = np.exp(items.log_slope)
    expected = sums.counts * shares
    weight = expected * (1.0 - shares)
    moments = np.stack([np.ones_like(sums.knots), sums.knots, np.square(sums.knots)])
    level, cross, curve = moments @ weight
    total, total_theta = moments[:2] @ expected
    slope_precision, intercept_precision = prior.slope_sd**-2, prior.intercept_sd**-2
    pull = slope * (sums.scored_theta - total_theta)
    pull -= (items.log_slope - prior.slope_mean) * slope_precision
    lift = sums.scored - total - (items.intercept - prior.intercept_mean) * intercept_precision
    return (
        lift, pull,
        Curvature(
            np.square(slope) * curve + slope_precision, slope * cross, level + intercept_precision
        ),
    )  # fmt: skip


def _separate_step(lift: Floats, pull: Floats, curvature: Curvature) -> Items:
    determinant = curvature.slope * curvature.intercept - np.square(curvature.cross)
    turn = (curvature.intercept * pull - curvature.cross * lift) / determinant
    up = (curvature.slope * lift - curvature.cross * pull) / determinant
    # One factor for both, so that the direction stays one of ascent.
    scale = _LARGEST_STEP / np.maximum(_LARGEST_STEP, np.maximum(np.abs(turn), np.abs(up)))
    return Items(turn * scale, up * scale)


def _common_step(lift: Floats, pull: Floats, curvature: Curvature) -> Items:
    """The Newton step of one slope and many intercepts, by the Schur complement."""
    remaining = float((curvature.slope - np.square(curvature.cross) / curvature.intercept).sum())
    turn = float((pull - curvature.cross * lift / curvature.intercept).sum()) / remaining
    turn = min(max(turn, -_LARGEST_STEP), _LARGEST_STEP)
    up = (lift - curvature.cross * turn) / curvature.intercept
    return Items(np.full_like(lift, turn), np.clip(up, -_LARGEST_STEP, _LARGEST_STEP))


def moved(items: Items, step: Items, size: float = 1.0) -> Items:
    """Items after a step, with slopes kept where they can be computed with."""
    log_slope = items.log_slope + size * step.log_slope
    return Items(
        np.clip(log_slope, _LEAST_LOG_SLOPE, _LARGEST_LOG_SLOPE),
        items.intercept + size * step.intercept,
    )


def _accepted(
    sums: ExpectedScores, items: Items, prior: ItemPrior, step: Items, state: _State
) -> tuple[Items, _State]:
    """Take the step of each item that gains, halved as often as it needs."""
    candidate = moved(items, step)
    reached = _state(sums, candidate, prior)
    size = 1.0
    for attempt in range(_HALVINGS + 1):
        lower = np.flatnonzero(reached.values < state.values - _slack(state.values))
        if not len(lower):
            break
        size = size / 2.0 if attempt < _HALVINGS else 0.0
        again = moved(
            Items(items.log_slope[lower], items.intercept[lower]),
            Items(step.log_slope[lower], step.intercept[lower]),
            size,
        )
        part = _state(sums.subset(lower), again, prior)
        candidate.log_slope[lower], candidate.intercept[lower] = again
        reached.values[lower], reached.shares[:, lower] = part
    return candidate, reached


def _accepted_together(
    sums: ExpectedScores, items: Items, prior: ItemPrior, step: Items, state: _State
) -> tuple[Items, _State]:
    size = 1.0
    for _ in range(_HALVINGS):
        candidate = moved(items, step, size)
        reached = _state(sums, candidate, prior)
        if reached.values.sum() >= state.values.sum():
            return candidate, reached
        size /= 2.0
    return items, state


def _slack(values: Floats) -> Floats:
    return _SLACK * (1.0 + np.abs(values))
