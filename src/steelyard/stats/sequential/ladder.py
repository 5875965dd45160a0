"""Several thresholds on the same draws: which levels of a ladder a score reaches.

One wager for each threshold, all paid by the same draws. The design serves the lowest
threshold that is undecided. Whoever claims a score to be below a threshold only where it
is decided to be below that and every higher one errs with probability at most alpha in all:
such a claim is wrong only if the wager on the lowest threshold that the score reaches is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.stats.sequential.certifier import steered_shares
from steelyard.stats.sequential.checks import check_answer, check_error, check_test
from steelyard.stats.sequential.draws import Draws
from steelyard.stats.sequential.interval import ScoreInterval
from steelyard.stats.sequential.wager import Answer, Wager

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from steelyard.stats.irt.bank import ItemBank

    Floats = NDArray[np.float64]


class Ladder:
    """A sequential test of ascending thresholds; see `Certifier` for how to drive it.

    Args:
        n_items: Items of the bank.
        thresholds: Ascending, each strictly between 0 and 1, at least one.
        bank: Parameters of the items, or None.
        alpha: Error at which a threshold is decided.
        seed: Whole number from 0 to 2^128 - 1.
        max_items: Items to ask at most; None for all.

    Raises:
        ValueError: an argument outside its range, or thresholds out of order.
    """

    def __init__(
        self,
        n_items: int,
        thresholds: Sequence[float],
        *,
        bank: ItemBank | None = None,
        alpha: float,
        seed: int,
        max_items: int | None = None,
    ) -> None:
        most = n_items if max_items is None else min(max_items, n_items)
        for threshold in thresholds:
            check_test(n_items, threshold, bank)
        check_error(alpha, seed, most)
        if not thresholds or list(thresholds) != sorted(set(thresholds)):
            message = "thresholds ascend, and there is at least one"
            raise ValueError(message)
        self.wagers = tuple(Wager(n_items, t, alpha) for t in thresholds)
        self.draws = Draws(n_items, bank, seed, most)
        self._low = ScoreInterval(n_items)
        self._high = ScoreInterval(n_items)
        self._middles: list[float] = []
        self._highs: list[float] = []
        self.path: list[tuple[tuple[float, float], ...]] = []
        """(e_above, e_below) of every wager after each answer."""

    @property
    def pending(self) -> tuple[int, ...]:
        """Items that were drawn and have no answer yet, in order."""
        return tuple(self.draws.pending)

    def wager(self, threshold: float) -> Wager:
        """The wager on one of the thresholds."""
        return next(wager for wager in self.wagers if wager.threshold == threshold)

    def draw(self, count: int) -> tuple[int, ...]:
        """Items to ask now: those still pending, or `count` new ones; empty when all are spent.

        Draws go on after every threshold is decided: when to stop is the caller's.
        """
        if not self.pending and not self.draws.spent:
            self.draws.draw(count, self._design)
        return self.pending

    def record(self, low: float, high: float) -> None:
        """Take what is known of the first pending item's answer: 0 and 1 where it is missing.

        Raises:
            ValueError: nothing is pending, or no limits with 0 <= low <= high <= 1.
        """
        drawn = self.draws.next_drawn()
        answer = Answer(check_answer(low, drawn.item), check_answer(high, drawn.item))
        if answer.low > answer.high:
            message = f"item {drawn.item} was answered with {low:g} to {high:g}"
            raise ValueError(message)
        beliefs = self.draws.beliefs
        for wager in self.wagers:
            wager.pay(beliefs, drawn, answer)
        guess = beliefs.guess()
        self._low.record(drawn.shares, guess, drawn.place, answer.low)
        self._high.record(drawn.shares, guess, drawn.place, answer.high)
        self._middles.append(answer.middle)
        self._highs.append(answer.high)
        self.draws.settle(drawn, answer.middle)
        self.path.append(tuple((w.e_above, w.e_below) for w in self.wagers))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Limits of the score at coverage 1 - alpha, with every missing answer either way."""
        return self._low.limits(alpha)[0], self._high.limits(alpha)[1]

    @property
    def estimate(self) -> float:
        """Expected score: what was answered, and what is believed of the rest."""
        asked = sum(self._middles)
        rest = self.draws.beliefs.guess().expected.sum() if self.draws.left else 0.0
        return (asked + float(rest)) / self.draws.n_items

    def probability_above(self, threshold: float) -> float:
        """What the model of the items says of a threshold; no error rate.

        Missing answers count as the largest that they could have been.
        """
        open_sum = self.draws.n_items * threshold - sum(self._highs)
        if self.draws.left == 0:
            return float(open_sum < 0.0)
        return self.draws.beliefs.expect(open_sum).above

    def _design(self) -> Floats:
        undecided = (wager for wager in self.wagers if wager.decision == "undecided")
        return steered_shares(self.draws, next(undecided, self.wagers[-1]))
