"""Beliefs: what the next answers are expected to be. They steer cost, never validity.

A mixture of guesses. Each component predicts every item: the bank's items at some ability,
with its log odds shrunk to allow for a bank that fits badly, or one rate for all items,
which is all that is left when the bank is none or misleads. Answers shift the weights
by Bayes' rule, so a bank that fits nobody loses its say within a few answers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats.sequential.interval import Guess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.stats.irt.bank import ItemBank

    Floats = NDArray[np.float64]

_ABILITIES = np.linspace(-4.0, 4.0, 33)
_ABILITY_SD = 1.5  # wider than the calibrated models: a new model lies outside them
# On log odds, with prior weight: a bank is too sure where it misleads and, shrunk by its own
# priors, not sure enough where it fits.
_FACTORS = ((2.8, 0.1), (2.0, 0.2), (1.4, 0.25), (1.0, 0.25), (0.7, 0.15), (0.4, 0.05))
_SLIP = 0.001  # of any item, towards one half
_RATES_WEIGHT = 0.05  # prior weight of the components without a bank
_RATES = np.linspace(0.02, 0.98, 25)
_RARE = np.array([0.0005, 0.002, 0.006])  # a behaviour that is hardly ever shown
_RATES_ALONE = np.concatenate([_RARE, np.linspace(0.02, 0.98, 49), 1.0 - _RARE[::-1]])
_INFLATION = 8.0  # of the variance of the remaining sum: items are not independent
_TEMPER = 0.7  # power of the likelihood, for the same reason
_PROBIT = 1.7  # logistic for normal
_LEAST, _LEAST_ALONE = 0.001, 1e-4  # a bank is never as sure of an item as many equal answers
_COMPACT = 0.7


class Expectation(NamedTuple):
    """What is expected of the items left, under either alternative.

    Attributes:
        above: Probability that the score is above the threshold.
        if_above: Expected answers if it is; shape [items left].
        if_below: Expected answers if it is below; same shape.
    """

    above: float
    if_above: Floats
    if_below: Floats


class Beliefs:
    """A mixture of predictions over the items that have not been asked.

    Args:
        bank: Parameters of the items, or None.
        n_items: Number of items.
    """

    def __init__(self, bank: ItemBank | None, n_items: int) -> None:
        shares, log_prior = _components(bank, n_items)
        self.informed = bank is not None
        self._shares = shares
        self._spread = shares * (1.0 - shares)
        self._log_weights = log_prior
        self._inflation = _INFLATION if self.informed else 1.0
        self._temper = _TEMPER if self.informed else 1.0
        self._sums, self._spreads = shares.sum(axis=1), self._spread.sum(axis=1)
        self._stored: NDArray[np.int_] = np.arange(n_items)
        self.left: NDArray[np.int_] = np.arange(n_items)
        self._expectation: tuple[float, Expectation] | None = None

    def expect(self, open_sum: float) -> Expectation:
        """What is expected if the items left must sum to more, or to less, than `open_sum`."""
        if self._expectation is None or self._expectation[0] != open_sum:
            self._expectation = (open_sum, self._expect(open_sum))
        return self._expectation[1]

    def _expect(self, open_sum: float) -> Expectation:
        deviation = np.sqrt(self._inflation * self._spreads + 0.25)
        distance = _PROBIT * (self._sums - open_sum) / deviation
        log_above, log_below = -np.logaddexp(0.0, -distance), -np.logaddexp(0.0, distance)
        above, mass_above = _normalised(self._log_weights + log_above)
        below, mass_below = _normalised(self._log_weights + log_below)
        # Conditioning on the sum shifts each answer in proportion to its variance.
        pull = _PROBIT * self._inflation / deviation
        shift = np.stack([above * pull * np.exp(log_below), -below * pull * np.exp(log_above)])
        expected = np.stack([above, below]) @ self._shares + shift @ self._spread
        places = self._places()
        least = _LEAST if self.informed else _LEAST_ALONE
        if_above, if_below = np.clip(expected[:, places], least, 1.0 - least)
        return Expectation(float(_logistic(mass_above - mass_below)), if_above, if_below)

    def guess(self) -> Guess:
        """Expected answers whatever the side, and how sure their sum is."""
        weights, _ = _normalised(self._log_weights)
        mean = float(weights @ self._sums)
        variance = weights @ (np.square(self._sums - mean) + self._inflation * self._spreads)
        return Guess((weights @ self._shares)[self._places()], math.sqrt(float(variance)))

    def doubt(self) -> Floats:
        """Variance of each item's expected answer over the components; shape [items left]."""
        weights, _ = _normalised(self._log_weights)
        shares = self._shares[:, self._places()]
        mean = weights @ shares
        return np.maximum(weights @ np.square(shares) - np.square(mean), 0.0)

    def record(self, place: int, answer: float) -> None:
        """Learn the answer of the item at a place of `left`, and strike it off.

        Args:
            place: Place in `left`.
            answer: In [0, 1].
        """
        column = int(self._places()[place])
        share = self._shares[:, column]
        likelihood = answer * np.log(share) + (1.0 - answer) * np.log1p(-share)
        self._log_weights = self._log_weights + self._temper * likelihood
        self._sums = self._sums - share
        self._spreads = np.maximum(self._spreads - self._spread[:, column], 0.0)
        self.left = np.delete(self.left, place)
        self._expectation = None
        if 0 < len(self.left) < _COMPACT * len(self._stored):
            kept = self._places()
            self._shares = np.ascontiguousarray(self._shares[:, kept])
            self._spread = np.ascontiguousarray(self._spread[:, kept])
            self._sums, self._spreads = self._shares.sum(axis=1), self._spread.sum(axis=1)
            self._stored = self.left.copy()

    def _places(self) -> NDArray[np.intp]:
        return self._stored.searchsorted(self.left)


def _components(bank: ItemBank | None, n_items: int) -> tuple[Floats, Floats]:
    """Predictions [components, items] and log prior weights [components]."""
    if bank is None:
        return _flat(_RATES_ALONE, n_items), np.full(
            len(_RATES_ALONE), -math.log(len(_RATES_ALONE))
        )
    odds = np.multiply.outer(_ABILITIES, bank.discrimination) + bank.intercept
    prior = -0.5 * np.square(_ABILITIES / _ABILITY_SD)
    prior -= np.logaddexp.reduce(prior)
    shares = [(1.0 - _SLIP) * _logistic(k * odds) + 0.5 * _SLIP for k, _ in _FACTORS]
    weights = [prior + math.log((1.0 - _RATES_WEIGHT) * w) for _, w in _FACTORS]
    shares.append(_flat(_RATES, n_items))
    weights.append(np.full(len(_RATES), math.log(_RATES_WEIGHT / len(_RATES))))
    return np.concatenate(shares), np.concatenate(weights)


def _flat(rates: Floats, n_items: int) -> Floats:
    return np.repeat(rates[:, None], n_items, axis=1)


def _logistic(z: Floats | float) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(z, dtype=float)))


def _normalised(log_weights: Floats) -> tuple[Floats, float]:
    largest = float(log_weights.max())
    weights = np.exp(log_weights - largest)
    total = float(weights.sum())
    return weights / total, largest + math.log(total)
