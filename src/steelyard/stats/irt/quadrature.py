"""Nodes on the ability scale, and the logistic function on nodes by items.

Abilities are standard normal in the population. Equally spaced nodes integrate a
normal bell with an error of 2 exp(-2 pi^2 (s / h)^2) for spacing h and standard
deviation s (Trefethen and Weideman, SIAM Review 56, 2014, eq. 5.8 for the rate), so h
at most 1.5 s is enough: 3e-4 at the one model with the narrowest posterior.

Posteriors are narrow, items are not: their functions of ability are read at knots 0.2
apart and interpolated by six-point Lagrange polynomials, so that the cost of a response
does not grow with the number of nodes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HALF_WIDTH = 6.0
"""Reach of the nodes in standard deviations of the population."""

_FEWEST, _MOST = 41, 2001
_KNOT_SPACING = 0.2
_STENCIL = 6  # knots of one interpolation
_SPACING = 1.25  # in standard deviations of the narrowest posterior; leaves room to 1.5


class Grid(NamedTuple):
    """Nodes of posteriors, and knots of the items' functions.

    Attributes:
        nodes: Abilities, shape [nodes].
        log_weights: Log of their standard normal weights, shape [nodes].
        knots: Abilities at which items are evaluated, shape [knots].
        interpolation: Weights of the knots at each node, [nodes, knots]; None where the
            nodes are the knots.
    """

    nodes: Floats
    log_weights: Floats
    knots: Floats
    interpolation: Floats | None

    def at_nodes(self, values: Floats) -> Floats:
        """Values at knots [..., knots], interpolated to [..., nodes]."""
        return values if self.interpolation is None else values @ self.interpolation.T

    def at_knots(self, weights: Floats) -> Floats:
        """Weights of nodes [..., nodes] as weights of knots [..., knots].

        Any interpolated function has the same weighted sum at the knots.
        """
        return weights if self.interpolation is None else weights @ self.interpolation

    def supports(self, information: float) -> bool:
        """Whether the spacing is at most 1.5 posterior standard deviations."""
        return float(self.nodes[1] - self.nodes[0]) * math.sqrt(1.0 + information) <= 1.5  # noqa: PLR2004 - see the module


def normal_grid(information: float, half_width: float = HALF_WIDTH) -> Grid:
    """Nodes fine enough for posteriors that data of this information narrow.

    Args:
        information: Largest Fisher information of any model's responses.
        half_width: Reach of the nodes on either side of 0.
    """
    spacing = _SPACING / math.sqrt(1.0 + information)
    count = min(_MOST, max(_FEWEST, 2 * math.ceil(half_width / spacing) + 1))
    nodes = np.linspace(-half_width, half_width, count)
    log_weights = -0.5 * np.square(nodes)
    log_weights -= math.log(float(np.exp(log_weights).sum()))
    knots = np.linspace(-half_width, half_width, 2 * round(half_width / _KNOT_SPACING) + 1)
    if count <= len(knots):
        return Grid(nodes, log_weights, nodes, None)
    return Grid(nodes, log_weights, knots, _lagrange(nodes, knots))


def _lagrange(points: Floats, knots: Floats) -> Floats:
    """Weights of equally spaced knots that interpolate at points; shape [points, knots]."""
    spacing = float(knots[1] - knots[0])
    position = (points - knots[0]) / spacing
    start = np.clip(np.floor(position).astype(int) - _STENCIL // 2 + 1, 0, len(knots) - _STENCIL)
    offset = position - start
    weights = np.zeros((len(points), len(knots)))
    rows = np.arange(len(points))
    for own in range(_STENCIL):
        factor = np.ones_like(offset)
        for other in range(_STENCIL):
            if other != own:
                factor *= (offset - other) / (own - other)
        weights[rows, start + own] = factor
    return weights


def log_odds(theta: Floats, slope: Floats, intercept: Floats) -> Floats:
    """Log odds of success, shape [abilities, items]."""
    return np.multiply.outer(theta, slope) + intercept


def sigmoid(z: Floats) -> Floats:
    """Probability with log odds z, any shape, without overflow."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0.0, 1.0, small) / (1.0 + small)


def log_partition(z: Floats) -> Floats:
    """log(1 + exp(z)), any shape, without overflow."""
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))


def logistic_pair(z: Floats) -> tuple[Floats, Floats]:
    """`sigmoid` and `log_partition` of the same log odds, with one exponential."""
    small = np.exp(-np.abs(z))
    shares = np.where(z >= 0.0, 1.0, small)
    shares /= 1.0 + small
    return shares, np.maximum(z, 0.0) + np.log1p(small)


def total_information(theta: Floats, slope: Floats, intercept: Floats) -> Floats:
    """Fisher information of all items together, sum of a^2 P (1 - P); shape of theta."""
    share = sigmoid(log_odds(theta, slope, intercept))
    return (share * (1.0 - share)) @ np.square(slope)


def normalised(log_values: Floats) -> tuple[Floats, Floats]:
    """Probabilities over the last axis, and the log of their former sum.

    Args:
        log_values: Shape [..., nodes].
    """
    largest = log_values.max(axis=-1, keepdims=True)
    shares = np.exp(log_values - largest)
    sums = shares.sum(axis=-1, keepdims=True)
    return shares / sums, (largest + np.log(sums))[..., 0]
