"""Linking: one scale expressed on another, through items that both hold.

Two calibrations measure ability in units of their own models. If theta_to = slope *
theta_from + shift, an item keeps its probabilities when a_to = a_from / slope and d_to =
d_from - a_from * shift / slope. `link` finds slope and shift from anchor items, by matching
their response curves (Haebara, Japanese Psychological Research 22, 1980) or their moments
(mean/sigma; Marco, Journal of Educational Measurement 14, 1977). The linking error is the
jackknife over anchors: which items happen to be anchors is chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from steelyard.stats.irt.bank import ItemBank
from steelyard.stats.irt.quadrature import sigmoid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_LEAST_ANCHORS = 3
_NODES = np.linspace(-4.0, 4.0, 41)
_WEIGHTS = np.exp(-0.5 * np.square(_NODES)) / np.exp(-0.5 * np.square(_NODES)).sum()
_STEPS, _PRECISION, _DAMPING = 200, 1e-10, 1e-6
_LEAST_SLOPE = 0.05  # of an anchor that can carry a scale


@dataclass(frozen=True, slots=True)
class Link:
    """theta_to = slope * theta_from + shift.

    Attributes:
        slope: Positive.
        shift: In units of the target scale.
        covariance: Jackknife covariance of (slope, shift), shape [2, 2].
        anchors: Number of anchor items.
    """

    slope: float
    shift: float
    covariance: Floats
    anchors: int

    def abilities(self, theta: ArrayLike) -> Floats:
        """Abilities on the target scale, any shape."""
        return self.slope * np.asarray(theta, dtype=float) + self.shift

    def error(self, theta: ArrayLike) -> Floats:
        """Linking error of an ability: standard error from the choice of anchors alone."""
        at = np.asarray(theta, dtype=float)
        (vv, vs), (_, ss) = self.covariance
        return np.sqrt(np.maximum(np.square(at) * vv + 2.0 * at * vs + ss, 0.0))

    def bank(self, bank: ItemBank) -> ItemBank:
        """A bank of the source scale on the target scale."""
        slope = bank.discrimination / self.slope
        return ItemBank(slope, bank.intercept - slope * self.shift)


def link(
    source: ItemBank, target: ItemBank, *, method: Literal["haebara", "mean_sigma"] = "haebara"
) -> Link:
    """Link two scales by the same items, calibrated on each.

    Args:
        source: The anchors on the scale to be left.
        target: The same items in the same order on the scale to be reached.
        method: `haebara` or `mean_sigma`.

    Raises:
        ValueError: another number of items, fewer than three anchors whose slopes are at
            least 0.05 on both scales, or anchors all of one difficulty for `mean_sigma`.
    """
    if len(source) != len(target):
        message = f"anchors are the same items: found {len(source)} and {len(target)}"
        raise ValueError(message)
    usable = (source.discrimination >= _LEAST_SLOPE) & (target.discrimination >= _LEAST_SLOPE)
    anchors = np.flatnonzero(usable)
    if len(anchors) < _LEAST_ANCHORS:
        found = len(anchors)
        message = f"a link needs at least {_LEAST_ANCHORS} anchors that tell ability, found {found}"
        raise ValueError(message)
    solve = _haebara if method == "haebara" else _mean_sigma
    one, other = source.subset(anchors), target.subset(anchors)
    slope, shift = solve(one, other)
    left_out = np.array(
        [solve(*(b.subset(np.delete(np.arange(len(b)), k)) for b in (one, other)))
         for k in range(len(anchors))]
    )  # fmt: skip
    centred = left_out - left_out.mean(axis=0)
    covariance = (len(anchors) - 1) / len(anchors) * centred.T @ centred
    return Link(slope, shift, covariance, len(anchors))


def _mean_sigma(source: ItemBank, target: ItemBank) -> tuple[float, float]:
    one, other = (-b.intercept / b.discrimination for b in (source, target))
    if float(one.std()) <= 0.0 or float(other.std()) <= 0.0:
        message = "anchors are all equally hard: their spread says nothing of the scale"
        raise ValueError(message)
    slope = float(other.std() / one.std())
    return slope, float(other.mean() - slope * one.mean())


def _haebara(source: ItemBank, target: ItemBank) -> tuple[float, float]:
    """Least squares between response curves over the target scale, by Gauss-Newton."""
    log_slope, shift = 0.0, 0.0
    goal = target.probabilities(_NODES)
    damping = _DAMPING
    residual, jacobian = _curves(source, log_slope, shift, goal)
    for _ in range(_STEPS):
        normal = jacobian.T @ jacobian + damping * np.eye(2)
        step = np.clip(np.linalg.solve(normal, -jacobian.T @ residual), -0.5, 0.5)
        tried = _curves(source, log_slope + float(step[0]), shift + float(step[1]), goal)
        if float(tried[0] @ tried[0]) > float(residual @ residual):
            damping = 10.0 * damping
            if damping > 1.0 / _DAMPING:
                break
            continue
        log_slope, shift = log_slope + float(step[0]), shift + float(step[1])
        (residual, jacobian), damping = tried, max(_DAMPING, damping / 10.0)
        if float(np.abs(step).max()) < _PRECISION:
            break
    return float(np.exp(log_slope)), shift


def _curves(
    source: ItemBank, log_slope: float, shift: float, goal: Floats
) -> tuple[Floats, Floats]:
    """Weighted differences of the curves, flat, and their derivatives by (log slope, shift)."""
    slope = np.exp(log_slope)
    theta = (_NODES - shift) / slope
    share = sigmoid(np.multiply.outer(theta, source.discrimination) + source.intercept)
    steep = share * (1.0 - share) * source.discrimination
    root = np.sqrt(_WEIGHTS)[:, None]
    by_log_slope, by_shift = -steep * theta[:, None], -steep / slope
    columns = [(root * d).ravel() for d in (by_log_slope, by_shift)]
    return (root * (share - goal)).ravel(), np.stack(columns, axis=1)
