"""Nodes on the ability scale, and the logistic function on nodes by items.

Abilities are standard normal in the population. Equally spaced nodes integrate a
normal bell with an error of 2 exp(-2 pi^2 (s / h)^2) for spacing h and standard
deviation s (Trefethen and Weideman, SIAM Review 56, 2014, eq. 5.8 for the rate), so h
at most 1.5 s is enough: 3e-4 at the one model with the narrowest posterior.
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

_FEWEST, _MOST = 41, 1001
_SPACING = 1.25  # in standard deviations of the narrowest posterior; leaves room to 1.5


class Grid(NamedTuple):
    """Nodes, and the log of their standard normal weights, both of shape [nodes]."""

    nodes: Floats
    log_weights: Floats

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
    return Grid(nodes, log_weights - math.log(float(np.exp(log_weights).sum())))


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
