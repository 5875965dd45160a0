"""A wager on one threshold: two wealths, and the side that one of them decides.

The wealths start at 1 and grow by bets on draws. Under its null hypothesis each is a
nonnegative supermartingale for the answers as they are, fixed and arbitrary: only the draws are
random. By Ville's inequality it ever reaches 1 / alpha with probability at most alpha.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats.sequential.bets import Bet, tamed
from steelyard.stats.sequential.design import Bets, Bounds, choose_shares, place_bets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.stats.sequential.beliefs import Beliefs, Expectation
    from steelyard.stats.sequential.draws import Drawn
    from steelyard.stats.sequential.record import Decision

    Floats = NDArray[np.float64]

_SLACK = 1e-9  # of a sum, relative to the number of items; in favour of the null hypothesis
_LARGEST_LOG = 700.0


class Answer(NamedTuple):
    """What is known of an answer: equal limits, or 0 and 1 where it is missing.

    Evidence for `above` takes the lower limit and evidence for `below` the upper one.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        """What beliefs learn from it."""
        return 0.5 * (self.low + self.high)


class Wager:
    """Bets that the score is above, and that it is below, one threshold.

    Args:
        n_items: Number of items.
        threshold: Strictly between 0 and 1.
        alpha: Error at which a side is decided.
    """

    def __init__(self, n_items: int, threshold: float, alpha: float) -> None:
        self.threshold = threshold
        self.decision: Decision = "undecided"
        self._goal, self._slack = n_items * threshold, _SLACK * n_items
        self._needed = math.log(1.0 / alpha)
        self._left = n_items
        self._sums = Answer(0.0, 0.0)
        self._log_above = self._log_below = 0.0
        self._bets: Bets | None = None

    @property
    def e_above(self) -> float:
        """E-value against a score of at most the threshold; infinite where counting decided."""
        if self._sums.low > self._goal + self._slack:
            return math.inf
        return math.exp(min(self._log_above, _LARGEST_LOG))

    @property
    def e_below(self) -> float:
        """E-value against a score of at least the threshold; infinite where counting decided."""
        if self._sums.high + self._left < self._goal - self._slack:
            return math.inf
        return math.exp(min(self._log_below, _LARGEST_LOG))

    @property
    def bounds(self) -> Bounds:
        """What the null hypotheses allow the items left to sum to."""
        passed = self._goal - self._sums.low + self._slack
        return Bounds(passed, self._left - (self._goal - self._sums.high) + self._slack)

    def shares(self, beliefs: Beliefs) -> Floats:
        """Probabilities of a draw that serves this wager best."""
        return choose_shares(self._expect(beliefs), self.bounds, self._bets)

    def pay(self, beliefs: Beliefs, drawn: Drawn, answer: Answer) -> None:
        """Bet on a draw as known before its answer, and learn the answer."""
        if self.decision == "undecided":
            self._bet(beliefs, drawn, answer)
        self._sums = Answer(self._sums.low + answer.low, self._sums.high + answer.high)
        self._left -= 1
        if self._bets is not None:
            place = drawn.place
            self._bets = Bets(*(Bet(np.delete(b.base, place), b.slope) for b in self._bets))
        self._decide()

    def _expect(self, beliefs: Beliefs) -> Expectation:
        return beliefs.expect(self._goal - self._sums.middle)

    def _bet(self, beliefs: Beliefs, drawn: Drawn, answer: Answer) -> None:
        expected = self._expect(beliefs)
        self._bets = bets = place_bets(drawn.shares, expected, self.bounds, self._bets)
        self._log_above += self._growth(
            bets.above, drawn, expected.if_above, answer.low, self._log_above
        )
        self._log_below += self._growth(
            bets.below, drawn, 1.0 - expected.if_below, 1.0 - answer.high, self._log_below
        )

    def _growth(
        self, bet: Bet, drawn: Drawn, expected: Floats, answer: float, wealth: float
    ) -> float:
        stake = tamed(
            bet, drawn.shares, expected, math.exp(min(self._needed - wealth, _LARGEST_LOG))
        )
        factor = 1.0 - stake + stake * bet.factor(drawn.place, drawn.share, answer)
        return math.log(max(factor, 1e-300))

    def _decide(self) -> None:
        """Latch the first decision by a wealth; what counting proves stands above it.

        A wave goes on after its decision, and may count what shows a wealth to have misled.
        """
        if math.isinf(self.e_above):
            self.decision = "above"
        elif math.isinf(self.e_below):
            self.decision = "below"
        elif self.decision == "undecided" and self._log_above >= self._needed:
            self.decision = "above"
        elif self.decision == "undecided" and self._log_below >= self._needed:
            self.decision = "below"
