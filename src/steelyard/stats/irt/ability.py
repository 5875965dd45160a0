"""Abilities of models from their responses to a bank whose items are known.

Posterior means (EAP: Bock and Mislevy, Applied Psychological Measurement 6, 1982) and
posterior modes (MAP: Samejima, Psychometrika Monograph 17, 1969) under a normal prior.
Standard errors say how little the responses tell of the ability; they leave out what the
bank's own parameters do not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from steelyard.stats.irt.matrix import ResponseMatrix, check_responses
from steelyard.stats.irt.quadrature import log_odds, normal_grid, normalised, sigmoid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from steelyard.stats.irt.bank import ItemBank

    Floats = NDArray[np.float64]

_STEPS = 50
_PRECISION = 1e-10
_LARGEST_STEP = 1.0


class AbilityPrior(NamedTuple):
    """Normal prior of abilities; the default is that of the models a bank is fitted to."""

    mean: float = 0.0
    sd: float = 1.0


class Abilities(NamedTuple):
    """Ability of each model in standard deviations of the bank's models, with its error.

    Attributes:
        values: Shape [models].
        standard_errors: Posterior standard deviations, or for a mode 1 / sqrt(curvature);
            shape [models].
    """

    values: Floats
    standard_errors: Floats


@dataclass(frozen=True, slots=True, eq=False)
class AbilityPosterior:
    """Posterior probabilities on a grid of abilities.

    Attributes:
        nodes: Abilities, shape [nodes].
        weights: Probabilities, rows sum to 1; shape [models, nodes].
        log_evidence: Log marginal likelihood of each model's responses, shape [models].
    """

    nodes: Floats
    weights: Floats
    log_evidence: Floats

    @property
    def mean(self) -> Floats:
        """Posterior means, shape [models]."""
        return self.weights @ self.nodes

    @property
    def sd(self) -> Floats:
        """Posterior standard deviations, shape [models]."""
        spread = self.weights @ np.square(self.nodes) - np.square(self.mean)
        return np.sqrt(np.maximum(spread, 0.0))

    def probability_above(self, ability: float) -> Floats:
        """Posterior probability of an ability above this one, shape [models]."""
        return self.weights[:, self.nodes > ability].sum(axis=1)


def estimate_abilities(
    bank: ItemBank,
    responses: ArrayLike,
    *,
    method: Literal["eap", "map"] = "eap",
    prior: AbilityPrior = AbilityPrior(),  # noqa: B008 - immutable
) -> Abilities:
    """Ability of each model, and its standard error.

    A model without any response gets the prior.

    Args:
        bank: The items.
        responses: Scores in [0, 1], nan where missing; shape [models, items] or [items].
        method: "eap" for posterior means, "map" for modes.
        prior: Of the abilities.

    Raises:
        ValueError: not one column for each item, an infinite score, or one outside [0, 1];
            a prior that is no distribution; another method.
    """
    if method == "eap":
        posterior = ability_posterior(bank, responses, prior=prior)
        return Abilities(posterior.mean, posterior.sd)
    if method == "map":
        return _modes(bank, _matching(bank, responses), _checked(prior))
    message = f'an ability is estimated by "eap" or "map", not by {method!r}'
    raise ValueError(message)


def ability_posterior(
    bank: ItemBank,
    responses: ArrayLike,
    *,
    prior: AbilityPrior = AbilityPrior(),  # noqa: B008 - immutable
) -> AbilityPosterior:
    """Posterior of each model's ability on nodes fine enough for the responses.

    Nodes reach 6 prior standard deviations on either side of the prior's mean.

    Args:
        bank: The items.
        responses: Scores in [0, 1], nan where missing; shape [models, items] or [items].
        prior: Of the abilities.

    Raises:
        ValueError: as `estimate_abilities`.
    """
    scores, prior = _matching(bank, responses), _checked(prior)
    # On the prior's own scale the prior is standard normal.
    slope = bank.discrimination * prior.sd
    intercept = bank.intercept + bank.discrimination * prior.mean
    grid = normal_grid(_most_information(scores, slope))
    joint = ResponseMatrix.from_scores(scores).log_likelihoods(grid, slope, intercept)
    weights, evidence = normalised(joint + grid.log_weights)
    return AbilityPosterior(prior.mean + prior.sd * grid.nodes, weights, evidence)


def _most_information(scores: Floats, slope: Floats) -> float:
    """Upper bound of any model's information: a^2 / 4 for each answer."""
    return 0.25 * float(((~np.isnan(scores)) @ np.square(slope)).max())


def _modes(bank: ItemBank, scores: Floats, prior: AbilityPrior) -> Abilities:
    """Newton steps; the log posterior is strictly concave."""
    seen = ~np.isnan(scores)
    scored = np.where(seen, scores, 0.0) @ bank.discrimination
    theta, precision = np.full(len(scores), prior.mean), prior.sd**-2
    curvature = np.full(len(scores), precision)
    for _ in range(_STEPS):
        share = sigmoid(log_odds(theta, bank.discrimination, bank.intercept)) * seen
        slope = scored - share @ bank.discrimination - (theta - prior.mean) * precision
        curvature = (share * (1.0 - share)) @ np.square(bank.discrimination) + precision
        step = np.clip(slope / curvature, -_LARGEST_STEP, _LARGEST_STEP)
        theta = theta + step
        if float(np.abs(step).max()) < _PRECISION:
            break
    return Abilities(theta, 1.0 / np.sqrt(curvature))


def _matching(bank: ItemBank, responses: ArrayLike) -> Floats:
    scores = check_responses(responses)
    if scores.shape[1] != len(bank):
        message = f"the bank has {len(bank)} items, the responses have {scores.shape[1]}"
        raise ValueError(message)
    return scores


def _checked(prior: AbilityPrior) -> AbilityPrior:
    if not (np.isfinite(prior.mean) and np.isfinite(prior.sd) and prior.sd > 0.0):
        message = f"a prior needs a finite mean and a standard deviation above 0, found {prior}"
        raise ValueError(message)
    return prior
