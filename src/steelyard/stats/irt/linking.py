"""Linking two scales through anchors: items that were calibrated on both.

A bank fitted to other models has another zero and another unit. The link maps abilities
of the source scale to the target's by theta' = slope * theta + intercept. Methods: mean
and sigma (Marco, Journal of Educational Measurement 14, 1977), Haebara (Japanese
Psychological Research 22, 1980), Stocking and Lord (Applied Psychological Measurement 7,
1983); equations in Kolen and Brennan (Test Equating, Scaling, and Linking, chapter 6).
The linking error is a jackknife over anchors: it holds what another choice of anchors
would have changed, so also items that drift, not what the abilities themselves lack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from steelyard.stats.irt.bank import ItemBank
from steelyard.stats.irt.quadrature import log_odds, sigmoid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

Method = Literal["haebara", "stocking-lord", "mean-sigma"]

LEAST_ANCHORS = 2
"""Anchors below which two scales cannot be linked: a zero and a unit are sought."""

_NODES = np.linspace(-4.0, 4.0, 41)
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()
_STEPS, _HALVINGS, _PRECISION = 100, 30, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A map from one scale to another.

    Attributes:
        slope: Target units per source unit, above 0.
        intercept: Target ability of source ability 0.
        covariance: Of slope and intercept, the linking error; shape [2, 2]; nan where too
            few anchors are left to tell.
        method: How it was found.
        anchors: Items used.
    """

    slope: float
    intercept: float
    covariance: Floats
    method: Method
    anchors: int

    def abilities(self, theta: ArrayLike) -> Floats:
        """Source abilities on the target's scale; any shape."""
        return self.slope * np.asarray(theta, dtype=float) + self.intercept

    def standard_errors(self, theta: ArrayLike, own: ArrayLike = 0.0) -> Floats:
        """Standard errors of linked abilities, by the delta method; shape of theta.

        Args:
            theta: Abilities on the source scale.
            own: Their own standard errors on the source scale; 0 leaves the linking
                error alone.
        """
        ability, error = np.asarray(theta, dtype=float), np.asarray(own, dtype=float)
        gradient = np.stack([ability, np.ones_like(ability)], axis=-1)
        linking = np.einsum("...i,ij,...j->...", gradient, self.covariance, gradient)
        return np.sqrt(np.maximum(linking, 0.0) + np.square(self.slope * error))

    def bank(self, source: ItemBank) -> ItemBank:
        """Items of the source scale with parameters on the target's, by parameters only."""
        slope = source.discrimination / self.slope
        return ItemBank(slope, source.intercept - slope * self.intercept)


def link_scales(
    source: ItemBank, target: ItemBank, anchors: ArrayLike, *, method: Method = "haebara"
) -> Link:
    """Find the map that brings the source's anchors closest to the target's.

    Args:
        source: Bank on the scale to be mapped.
        target: Bank on the scale to be mapped to.
        anchors: Position of each anchor in the source and in the target, shape [anchors, 2].
        method: "haebara" for the response curves of single anchors, "stocking-lord" for
            their sum, "mean-sigma" for the first two moments of difficulties.

    Raises:
        ValueError: fewer than 2 anchors; a position outside its bank, or given twice;
            another method; for "mean-sigma" anchors of one difficulty or without slope;
            for the others, anchors that no finite map brings together.
    """
    pairs = _Pairs.of(source, target, anchors)
    if method == "mean-sigma":
        return _mean_sigma(pairs)
    if method in ("haebara", "stocking-lord"):
        return _by_curves(pairs, method)
    message = f"no method of linking is called {method!r}"
    raise ValueError(message)


class _Pairs(NamedTuple):
    """Anchors on both scales, all of shape [anchors]."""

    slope: Floats
    intercept: Floats
    target_slope: Floats
    target_intercept: Floats

    @classmethod
    def of(cls, source: ItemBank, target: ItemBank, anchors: ArrayLike) -> _Pairs:
        places = np.asarray(anchors)
        if places.ndim != 2 or places.shape[1] != 2 or places.dtype.kind not in "iu":  # noqa: PLR2004 - a pair
            message = f"anchors need whole numbers of the shape anchors x 2, found {places.shape}"
            raise ValueError(message)
        if len(places) < LEAST_ANCHORS:
            message = f"a link needs at least {LEAST_ANCHORS} anchors, found {len(places)}"
            raise ValueError(message)
        for column, bank, name in ((0, source, "source"), (1, target, "target")):
            own = places[:, column]
            if own.min() < 0 or own.max() >= len(bank):
                message = f"an anchor lies outside the {len(bank)} items of the {name}"
                raise ValueError(message)
            if len(np.unique(own)) < len(own):
                message = f"an item of the {name} is given as an anchor twice"
                raise ValueError(message)
        first, second = places.T
        return cls(
            source.discrimination[first], source.intercept[first],
            target.discrimination[second], target.intercept[second],
        )  # fmt: skip


def _mean_sigma(pairs: _Pairs) -> Link:
    if not (np.abs(pairs.slope).min() > 0.0 and np.abs(pairs.target_slope).min() > 0.0):
        message = "an anchor without a slope has no difficulty, which mean-sigma compares"
        raise ValueError(message)
    difficulty = -pairs.intercept / pairs.slope
    wanted = -pairs.target_intercept / pairs.target_slope
    if difficulty.std() <= 0.0 or wanted.std() <= 0.0:
        message = "the anchors are all of one difficulty, so that they show no unit"
        raise ValueError(message)
    count = len(difficulty)
    slope, intercept = _moments(difficulty, wanted)
    left_out = np.array(
        [_moments(np.delete(difficulty, i), np.delete(wanted, i)) for i in range(count)]
    )
    return Link(slope, intercept, _jackknife(left_out), "mean-sigma", count)


def _moments(difficulty: Floats, wanted: Floats) -> tuple[float, float]:
    spread = float(difficulty.std())
    slope = float(wanted.std()) / spread if spread > 0.0 and len(difficulty) > 1 else math.nan
    return slope, float(wanted.mean()) - slope * float(difficulty.mean())


def _by_curves(pairs: _Pairs, method: Method) -> Link:
    """Gauss-Newton steps, halved until the loss falls, in log slope and intercept."""
    summed = method == "stocking-lord"
    place = _first_place(pairs)
    residuals, jacobian = _curves(pairs, place, summed=summed)
    for _ in range(_STEPS):
        step = np.linalg.lstsq(jacobian.reshape(-1, 2), residuals.ravel(), rcond=None)[0]
        for _ in range(_HALVINGS):
            nearer, nearer_jacobian = _curves(pairs, place - step, summed=summed)
            if np.square(nearer).sum() <= np.square(residuals).sum():
                break
            step = step / 2.0
        else:
            break
        place, residuals, jacobian = place - step, nearer, nearer_jacobian
        if float(np.abs(step).max()) < _PRECISION:
            break
    if not np.isfinite(place).all() or np.abs(place).max() > 20.0:  # noqa: PLR2004 - e^20 units
        message = "no finite map brings the anchors of the two banks together"
        raise ValueError(message)
    slope, intercept = math.exp(place[0]), float(place[1])
    left_out = _left_out(pairs, place, summed=summed)
    left_out[:, 0] = np.exp(left_out[:, 0])
    return Link(slope, intercept, _jackknife(left_out), method, len(pairs.slope))


def _first_place(pairs: _Pairs) -> Floats:
    """Mean slopes give a unit and mean intercepts a zero, which any anchors allow."""
    unit = float(np.abs(pairs.slope).sum() / max(float(np.abs(pairs.target_slope).sum()), 1e-9))
    log_slope = math.log(min(max(unit, 1e-3), 1e3))
    gap = float((pairs.intercept - pairs.target_intercept).mean())
    mean_slope = max(float(np.abs(pairs.target_slope).mean()), 1e-9)
    return np.array([log_slope, min(max(gap / mean_slope, -10.0), 10.0)])


def _curves(pairs: _Pairs, place: Floats, *, summed: bool) -> tuple[Floats, Floats]:
    """Weighted residuals [nodes, anchors or 1], and their derivatives [..., 2].

    Derivatives are by log slope and intercept. Residuals are mapped less target.
    """
    slope = pairs.slope * math.exp(-min(max(float(place[0]), -50.0), 50.0))
    mapped = sigmoid(log_odds(_NODES - place[1], slope, pairs.intercept))
    wanted = sigmoid(log_odds(_NODES, pairs.target_slope, pairs.target_intercept))
    steepness = mapped * (1.0 - mapped) * slope
    jacobian = np.stack([-steepness * (_NODES - place[1])[:, None], -steepness], axis=-1)
    root = np.sqrt(_WEIGHTS)[:, None]
    residuals, jacobian = (mapped - wanted) * root, jacobian * root[:, :, None]
    if summed:
        return residuals.sum(axis=1, keepdims=True), jacobian.sum(axis=1, keepdims=True)
    return residuals, jacobian


def _left_out(pairs: _Pairs, place: Floats, *, summed: bool) -> Floats:
    """One Gauss-Newton step from the solution without each anchor; [anchors, 2]."""
    residuals, jacobian = _curves(pairs, place, summed=False)
    if summed:
        residuals = residuals.sum(axis=1, keepdims=True) - residuals
        jacobian = jacobian.sum(axis=1, keepdims=True) - jacobian
        normal = np.einsum("qai,qaj->aij", jacobian, jacobian)
        gradient = np.einsum("qai,qa->ai", jacobian, residuals)
    else:
        own = np.einsum("qai,qaj->aij", jacobian, jacobian)
        pull = np.einsum("qai,qa->ai", jacobian, residuals)
        normal, gradient = own.sum(axis=0) - own, pull.sum(axis=0) - pull
    determinant = normal[:, 0, 0] * normal[:, 1, 1] - np.square(normal[:, 0, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        log_slope = normal[:, 1, 1] * gradient[:, 0] - normal[:, 0, 1] * gradient[:, 1]
        intercept = normal[:, 0, 0] * gradient[:, 1] - normal[:, 0, 1] * gradient[:, 0]
        return place - np.stack([log_slope, intercept], axis=1) / determinant[:, None]


def _jackknife(left_out: Floats) -> Floats:
    count = len(left_out)
    centred = left_out - left_out.mean(axis=0)
    return (count - 1) / count * centred.T @ centred
