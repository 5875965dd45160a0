"""The sequential test itself: draw, take answers, stop when a wealth is large enough.

`draws` makes the draws, `wager` holds the wealths. Validity comes from the draws alone,
whenever one stops: docs/explanation/certifying-a-score.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard.stats.sequential.checks import check_answer, check_error, check_test
from steelyard.stats.sequential.draws import Draws
from steelyard.stats.sequential.interval import ScoreInterval
from steelyard.stats.sequential.record import Certification, Decision
from steelyard.stats.sequential.wager import Answer, Wager

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.stats.irt.bank import ItemBank

    Floats = NDArray[np.float64]


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
        self._draws = Draws(n_items, bank, int(seed), most)
        self._wager = Wager(n_items, float(threshold), float(alpha))
        self._interval = ScoreInterval(n_items)
        self._answers: list[float] = []

    @property
    def decision(self) -> Decision:
        """`above`, `below`, or `undecided` so far."""
        return self._wager.decision

    @property
    def pending(self) -> tuple[int, ...]:
        """Items that were drawn and have no answer yet, in order."""
        return tuple(self._draws.pending)

    @property
    def finished(self) -> bool:
        """Whether no further draw will be made."""
        return self.decision != "undecided" or self._draws.spent

    def draw(self, count: int = 1) -> tuple[int, ...]:
        """Items to ask now: those still pending, or `count` new ones; empty when finished.

        Raises:
            ValueError: a count below 1.
        """
        if count < 1:
            message = f"a draw is of 1 item or more, asked for {count}"
            raise ValueError(message)
        if not self.pending and not self.finished:
            self._draws.draw(count, self._design)
        return self.pending

    def record(self, answer: float) -> None:
        """Take the answer of the first pending item.

        Raises:
            ValueError: nothing is pending, or the answer is no number in [0, 1]; the test
                stands where it stood.
        """
        drawn = self._draws.next_drawn()
        checked = check_answer(answer, drawn.item)
        beliefs = self._draws.beliefs
        self._wager.pay(beliefs, drawn, Answer(checked, checked))
        self._interval.record(drawn.shares, beliefs.guess(), drawn.place, checked)
        self._answers.append(checked)
        self._draws.settle(drawn, checked)

    def certification(self) -> Certification:
        """The state of the test: final once `finished` and nothing is pending."""
        return Certification(
            **self._facts,
            decision=self.decision,
            asked=tuple(self._draws.asked),
            answers=tuple(self._answers),
            probabilities=tuple(self._draws.probabilities),
            waves=tuple(self._draws.waves),
            e_above=self._wager.e_above,
            e_below=self._wager.e_below,
            interval=self._interval.limits(self._facts["alpha"]),
        )

    def _design(self) -> Floats:
        return steered_shares(self._draws, self._wager)


def steered_shares(draws: Draws, wager: Wager) -> Floats:
    """Probabilities that serve a wager best; all alike without a bank to steer by."""
    left = draws.left
    return wager.shares(draws.beliefs) if draws.beliefs.informed else np.full(left, 1.0 / left)
