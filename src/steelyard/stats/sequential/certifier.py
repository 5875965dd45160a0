"""The sequential test itself: draw, take answers, stop when a wealth is large enough.

Two wealths start at 1 and grow by bets (`bets`) on draws that the design chose
(`design`) and the beliefs steered (`beliefs`). Under either null hypothesis its wealth is
a nonnegative supermartingale for the answers as they are, fixed and arbitrary: only the
draws are random. By Ville's inequality it ever reaches 1 / alpha with probability at most
alpha, whenever one stops. Draws may be made many at once: then their probabilities are
those at the start of the wave, renormalised, while every bet still knows all answers
before its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard.stats.sequential.beliefs import Beliefs
from steelyard.stats.sequential.bets import Bet, tamed
from steelyard.stats.sequential.design import Bets, Bounds, choose_shares, place_bets
from steelyard.stats.sequential.interval import ScoreInterval
from steelyard.stats.sequential.record import Certification, Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.stats.irt.bank import ItemBank

    Floats = NDArray[np.float64]

_SLACK = 1e-9  # of a sum, relative to the number of items; in favour of the null hypothesis
_SEED_LIMIT = 1 << 128


class Certifier:
    """A sequential test that can be interrupted and goes on where it stood.

    `draw` says which items to ask, `record` takes their answers in that order. Nothing is
    lost when asking fails: the draws are made, and their answers may come later.

    Args:
        n_items: Items of the bank, each with one fixed answer in [0, 1].
        threshold: Between 0 and 1, both excluded: nothing is below 0 or above 1.
        bank: Parameters of the items, in the order of their indices; None for draws
            that are all alike, the certified baseline.
        alpha: Error on either side, above 0 and below 0.5.
        seed: Whole number from 0 to 2^128 - 1; fix it before the first answer.
        max_items: Items to ask at most; None for all.

    Raises:
        ValueError: an argument outside its range, or a bank of other items.
    """

    def __init__(
        self,
        n_items: int,
        threshold: float,
        *,
        bank: ItemBank | None = None,
        alpha: float = 0.05,
        seed: int,
        max_items: int | None = None,
    ) -> None:
        most = n_items if max_items is None else min(max_items, n_items)
        check_test(n_items, threshold, bank)
        check_error(alpha, seed, most)
        self._facts: dict[str, Any] = {
            "n_items": n_items,
            "threshold": float(threshold),
            "alpha": float(alpha),
            "seed": int(seed),
            "bank": bank.digest if bank is not None else None,
            "max_items": most,
        }
        self._n, self._goal, self._most = n_items, n_items * float(threshold), most
        self._needed = math.log(1.0 / alpha)
        self._slack = _SLACK * n_items
        self._beliefs = Beliefs(bank, n_items)
        self._interval = ScoreInterval(n_items, float(alpha))
        self._random = np.random.default_rng(np.random.SeedSequence(int(seed)))
        self._bets: Bets | None = None
        self._frozen: Floats | None = None  # probabilities of the wave, over the items left
        self._pending: list[int] = []
        self._asked: list[int] = []
        self._answers: list[float] = []
        self._probabilities: list[float] = []
        self._waves: list[int] = []
        self._log_above = self._log_below = 0.0
        self._sum = 0.0
        self.decision: Decision = "undecided"

    @property
    def pending(self) -> tuple[int, ...]:
        """Items that were drawn and have no answer yet, in order."""
        return tuple(self._pending)

    @property
    def finished(self) -> bool:
        """Whether no further draw will be made."""
        return self.decision != "undecided" or self._answered + len(self._pending) >= self._most

    @property
    def _answered(self) -> int:
        return len(self._answers)

    def draw(self, count: int = 1) -> tuple[int, ...]:
        """Items to ask now: those still pending, or `count` new ones; empty when finished.

        Raises:
            ValueError: a count below 1.
        """
        if count < 1:
            message = f"a draw is of 1 item or more, asked for {count}"
            raise ValueError(message)
        if self._pending or self.finished:
            return self.pending
        count = min(count, self._most - self._answered)
        shares = self._design()
        self._frozen, left, open_shares = shares.copy(), self._beliefs.left, shares.copy()
        for uniform in self._random.random(count):
            steps: Floats = np.cumsum(open_shares)
            place = min(
                int(np.searchsorted(steps, float(uniform * steps[-1]), side="right")), len(left) - 1
            )
            self._pending.append(int(left[place]))
            open_shares[place] = 0.0
        self._waves.append(count)
        return self.pending

    def record(self, answer: float) -> None:
        """Take the answer of the first pending item.

        Raises:
            ValueError: nothing is pending, or the answer is no number in [0, 1]; the test
                stands where it stood.
        """
        if not self._pending or self._frozen is None:
            message = "no item is waiting for an answer; draw first"
            raise ValueError(message)
        checked = check_answer(answer, self._pending[0])
        place = int(np.searchsorted(self._beliefs.left, self._pending[0]))
        shares = self._frozen / self._frozen.sum()
        if self.decision == "undecided":
            self._bet(shares, place, checked)
        self._interval.record(shares, self._beliefs.guess(), place, checked)
        self._asked.append(self._pending.pop(0))
        self._answers.append(checked)
        self._probabilities.append(float(shares[place]))
        self._sum += checked
        self._beliefs.record(place, checked)
        self._frozen = np.delete(self._frozen, place)
        if self._bets is not None:
            self._bets = Bets(*(Bet(np.delete(b.base, place), b.slope) for b in self._bets))
        self._decide()

    def certification(self) -> Certification:
        """The state of the test: final once `finished` and nothing is pending."""
        return Certification(
            **self._facts,
            decision=self.decision,
            asked=tuple(self._asked),
            answers=tuple(self._answers),
            probabilities=tuple(self._probabilities),
            waves=tuple(self._waves),
            e_above=math.exp(min(self._log_above, 700.0)),
            e_below=math.exp(min(self._log_below, 700.0)),
            interval=self._interval.limits(),
        )

    def _bounds(self) -> Bounds:
        left = self._n - self._answered
        passed = self._goal - self._sum + self._slack
        return Bounds(passed, left - (self._goal - self._sum) + self._slack)

    def _design(self) -> Floats:
        left = len(self._beliefs.left)
        if not self._beliefs.informed:
            return np.full(left, 1.0 / left)
        expected = self._beliefs.expect(self._goal - self._sum)
        return choose_shares(expected, self._bounds(), self._bets)

    def _bet(self, shares: Floats, place: int, answer: float) -> None:
        expected = self._beliefs.expect(self._goal - self._sum)
        self._bets = bets = place_bets(shares, expected, self._bounds(), self._bets)
        self._log_above += self._growth(
            bets.above, shares, expected.if_above, place, answer, self._log_above
        )
        self._log_below += self._growth(
            bets.below, shares, 1.0 - expected.if_below, place, 1.0 - answer, self._log_below
        )

    def _growth(
        self, bet: Bet, shares: Floats, expected: Floats, place: int, answer: float, wealth: float
    ) -> float:
        stake = tamed(bet, shares, expected, math.exp(self._needed - wealth))
        factor = 1.0 - stake + stake * bet.factor(place, float(shares[place]), answer)
        return math.log(max(factor, 1e-300))

    def _decide(self) -> None:
        """Latch the first decision: by a wealth, or because the rest cannot change the side."""
        if self.decision != "undecided":
            return
        left = self._n - self._answered
        if self._log_above >= self._needed or self._sum > self._goal + self._slack:
            self.decision = "above"
        elif self._log_below >= self._needed or self._sum + left < self._goal - self._slack:
            self.decision = "below"


def check_test(n_items: int, threshold: float, bank: ItemBank | None) -> None:
    """Refuse what no test can be made of.

    Raises:
        ValueError: no item, a threshold outside (0, 1), or a bank of other items.
    """
    if n_items < 1:
        message = f"a test needs at least one item, found {n_items}"
        raise ValueError(message)
    if not 0.0 < threshold < 1.0:
        message = (
            f"the threshold is {threshold:g}; no score is below 0 or above 1, so it lies between"
        )
        raise ValueError(message)
    if bank is not None and len(bank) != n_items:
        message = f"the bank has {len(bank)} items, the test {n_items}: it is of other items"
        raise ValueError(message)


def check_error(alpha: float, seed: int, most: int) -> None:
    """Refuse an error rate, seed or limit outside its range.

    Raises:
        ValueError: naming it.
    """
    if not 0.0 < alpha < 0.5:  # noqa: PLR2004 - a coin decides at one half
        message = f"alpha is {alpha:g}, not above 0 and below 0.5"
        raise ValueError(message)
    if not 0 <= seed < _SEED_LIMIT:
        message = "the seed is a whole number from 0 to 2^128 - 1"
        raise ValueError(message)
    if most < 1:
        message = f"max_items is {most}; a test asks at least one item"
        raise ValueError(message)


def check_answer(answer: float, item: int) -> float:
    """An answer as a float.

    Raises:
        ValueError: not a number in [0, 1].
    """
    value = float(answer)
    if not 0.0 <= value <= 1.0:
        message = f"item {item} was answered with {value:g}, not in [0, 1]"
        raise ValueError(message)
    return value
