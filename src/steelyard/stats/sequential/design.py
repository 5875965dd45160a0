"""Design of a draw: which items to ask with which probability, and the bets of both sides.

The expected log growth of the wealth is maximised over bets and probabilities in turn: for
given bets the best probabilities are proportional to exp(p log(b + c) + (1 - p) log b),
for given probabilities `best_bet` is best. One turn a draw is enough, from the bets of the draw
before. Each side counts by the probability that it is
right. A share of the probability is spread over all items, so that none is out of reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats.sequential.bets import Bet, best_bet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.stats.sequential.beliefs import Expectation

    Floats = NDArray[np.float64]

_SPREAD = 0.002  # share of the probability that goes to all items alike
_FIRST_ROUNDS = 4
_TINY = 1e-300


class Bounds(NamedTuple):
    """Largest sums of the items left under the null hypotheses.

    Attributes:
        passed: Of the answers, if the score is at most the threshold.
        failed: Of one minus the answers, if the score is at least the threshold.
    """

    passed: float
    failed: float


class Bets(NamedTuple):
    """A bet that the score is above, and one that it is below (on one minus the answers)."""

    above: Bet
    below: Bet


def place_bets(
    shares: Floats, expected: Expectation, bounds: Bounds, before: Bets | None = None
) -> Bets:
    """The best bets of both sides under given probabilities."""
    slopes = (before.above.slope, before.below.slope) if before else (0.0, 0.0)
    return Bets(
        best_bet(shares, expected.if_above, bounds.passed, slopes[0]),
        best_bet(shares, 1.0 - expected.if_below, bounds.failed, slopes[1]),
    )


def choose_shares(expected: Expectation, bounds: Bounds, before: Bets | None = None) -> Floats:
    """Probabilities of the next draw, shape [items left].

    Args:
        expected: What is expected under either alternative.
        bounds: What the null hypotheses allow.
        before: Bets of an earlier draw, restricted to the items left, to start from.
    """
    if before is not None:
        return _shares(before, expected)
    deviation = np.sqrt(expected.if_above * (1.0 - expected.if_above))
    shares, bets = _spread(deviation / deviation.sum()), None
    for _ in range(_FIRST_ROUNDS):
        bets = place_bets(shares, expected, bounds, bets)
        shares = _shares(bets, expected)
    return shares


def _shares(bets: Bets, expected: Expectation) -> Floats:
    growth = expected.above * _log_base(bets.above, expected.if_above)
    growth += (1.0 - expected.above) * _log_base(bets.below, 1.0 - expected.if_below)
    shares = np.exp(growth - growth.max())
    return _spread(shares / shares.sum())


def _log_base(bet: Bet, expected: Floats) -> Floats:
    base = np.maximum(bet.base, _TINY)
    return expected * np.log(base + bet.slope) + (1.0 - expected) * np.log(base)


def _spread(shares: Floats) -> Floats:
    return (1.0 - _SPREAD) * shares + _SPREAD / len(shares)
