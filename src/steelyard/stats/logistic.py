"""Time horizon: the task length a model completes with a given probability.

Weighted logistic regression of success on log2 of human minutes (METR, "Measuring
AI Ability to Complete Long Tasks", 2025), fitted by iteratively reweighted least
squares, with the sandwich covariance (Huber 1967) and the delta method for the
horizon. Reproduces the published cyber horizons (tests/end_to_end).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.special import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAXIMUM_STEPS = 100
_TOLERANCE = 1e-10
_SEPARATION = 60.0


@dataclass(frozen=True, slots=True)
class HorizonFit:
    """A fitted success curve P = sigmoid(intercept + slope * log2 minutes).

    Attributes:
        intercept: Log odds at one minute.
        slope: Change of log odds per doubling; negative where longer is harder.
        log2_minutes: Horizon at 50 % probability, -intercept / slope.
        standard_error: Of `log2_minutes`, sandwich covariance and delta method.
        samples: Number of responses.
    """

    intercept: float
    slope: float
    log2_minutes: float
    standard_error: float
    samples: int

    def limit(self, probability: float) -> float:
        """Confidence limit of `log2_minutes` below which it lies with `probability`."""
        return self.log2_minutes + normal_quantile(probability) * self.standard_error


def fit_horizon(
    log2_minutes: NDArray[np.float64],
    successes: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> HorizonFit | None:
    """Fit the success curve.

    Args:
        log2_minutes: Task lengths, shape [samples].
        successes: Scores in [0, 1], shape [samples].
        weights: Positive weights, shape [samples]; their scale does not matter.

    Returns:
        The fit, or None where none exists: separated data, no spread in length,
        or success that does not fall with length.
    """
    design = np.column_stack([np.ones_like(log2_minutes), log2_minutes])
    coefficients = np.zeros(2)
    for _ in range(_MAXIMUM_STEPS):
        predicted = _probabilities(design, coefficients)
        gradient = design.T @ (weights * (successes - predicted))
        information = (design.T * (weights * predicted * (1.0 - predicted))) @ design
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        coefficients = coefficients + _damped(step)
        if not np.isfinite(coefficients).all() or abs(coefficients[1]) > _SEPARATION:
            return None
        if np.abs(step).max() < _TOLERANCE:
            return _summary(design, successes, weights, coefficients)
    return None


def _damped(step: NDArray[np.floating]) -> NDArray[np.floating]:
    """Limit a Newton step to five log odds, which keeps early steps from overshooting."""
    return step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))


def _probabilities(
    design: NDArray[np.float64], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-np.clip(design @ coefficients, -500.0, 500.0)))


def _summary(
    design: NDArray[np.float64],
    successes: NDArray[np.float64],
    weights: NDArray[np.float64],
    coefficients: NDArray[np.float64],
) -> HorizonFit | None:
    intercept, slope = float(coefficients[0]), float(coefficients[1])
    if slope >= 0.0:
        return None
    predicted = _probabilities(design, coefficients)
    information = (design.T * (weights * predicted * (1.0 - predicted))) @ design
    inverse = np.linalg.inv(information)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    leverage *= weights * predicted * (1.0 - predicted)
    # HC3 (MacKinnon and White 1985): each residual as if its own sample were left out.
    scores = design * (weights * (successes - predicted) / (1.0 - leverage))[:, None]
    covariance = inverse @ (scores.T @ scores) @ inverse
    gradient = np.array([-1.0 / slope, intercept / slope**2])
    variance = float(gradient @ covariance @ gradient)
    return HorizonFit(intercept, slope, -intercept / slope, math.sqrt(variance), len(successes))
