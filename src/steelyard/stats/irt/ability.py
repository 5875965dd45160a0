"""Abilities of models on a bank's scale, with standard errors.

EAP: mean of the posterior under a standard normal prior (Bock and Mislevy, Applied
Psychological Measurement 6, 1982); its error is the posterior's standard deviation. MAP:
its mode; its error comes from the curvature there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from steelyard.stats.irt.matrix import ResponseMatrix, check_responses
from steelyard.stats.irt.quadrature import (
    log_odds,
    normal_grid,
    normalised,
    sigmoid,
    total_information,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from steelyard.stats.irt.bank import ItemBank

    Floats = NDArray[np.float64]

_STEPS = 100
_PRECISION = 1e-9
_LARGEST_STEP = 1.0


class Abilities(NamedTuple):
    """Estimates and their standard errors, both of shape [models]."""

    theta: Floats
    standard_errors: Floats


def estimate_abilities(
    responses: ArrayLike, bank: ItemBank, *, method: Literal["eap", "map"] = "eap"
) -> Abilities:
    """Place models on a bank's scale.

    Args:
        responses: Scores in [0, 1], nan where missing; shape [models, items] or [items].
            A model without any response stays at the prior: 0 with error 1.
        bank: Parameters of the same items.
        method: `eap` or `map`.

    Raises:
        ValueError: a score outside [0, 1], or another number of items than the bank has.
    """
    scores = check_responses(responses)
    if scores.shape[1] != len(bank):
        message = f"responses to {scores.shape[1]} items, but the bank has {len(bank)}"
        raise ValueError(message)
    return _eap(scores, bank) if method == "eap" else _map(scores, bank)


def _eap(scores: Floats, bank: ItemBank) -> Abilities:
    a, d = bank.discrimination, bank.intercept
    widest = float(total_information(np.linspace(-4.0, 4.0, 17), a, d).max())
    grid = normal_grid(widest)
    matrix = ResponseMatrix.from_scores(scores)
    posterior, _ = normalised(matrix.log_likelihoods(grid.nodes, a, d) + grid.log_weights)
    mean = posterior @ grid.nodes
    variance = posterior @ np.square(grid.nodes) - np.square(mean)
    return Abilities(mean, np.sqrt(np.maximum(variance, 0.0)))


def _map(scores: Floats, bank: ItemBank) -> Abilities:
    a, d = bank.discrimination, bank.intercept
    observed = ~np.isnan(scores)
    filled, theta = np.nan_to_num(scores), np.zeros(len(scores))
    precision = np.ones(len(scores))
    for _ in range(_STEPS):
        share = sigmoid(log_odds(theta, a, d))
        slope = ((filled - share) * observed) @ a - theta
        precision = (share * (1.0 - share) * observed) @ np.square(a) + 1.0
        step = np.clip(slope / precision, -_LARGEST_STEP, _LARGEST_STEP)
        theta = theta + step
        if float(np.abs(step).max()) < _PRECISION:
            break
    return Abilities(theta, 1.0 / np.sqrt(precision))
