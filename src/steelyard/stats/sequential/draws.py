"""The draws of a test: which item is asked next, with which probability.

Draws are made by inversion from one stream of uniform numbers, so that seed and answers
make them again. Several may be made at once: then their probabilities are those at the
start of the wave, renormalised, while every bet still knows all answers before its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats.sequential.beliefs import Beliefs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from steelyard.stats.irt.bank import ItemBank

    Floats = NDArray[np.float64]


class Drawn(NamedTuple):
    """A draw whose answer is about to be learnt.

    Attributes:
        item: Its index.
        place: Its place among the items left.
        shares: Probabilities of the draw, shape [items left].
    """

    item: int
    place: int
    shares: Floats

    @property
    def share(self) -> float:
        """Probability of what was drawn."""
        return float(self.shares[self.place])


class Draws:
    """Draws without replacement, and what is believed of the items left.

    Args:
        n_items: Number of items.
        bank: Their parameters, or None.
        seed: Whole number from 0 to 2^128 - 1.
        most: Items to draw at most.
    """

    def __init__(self, n_items: int, bank: ItemBank | None, seed: int, most: int) -> None:
        self.n_items, self.most = n_items, most
        self.beliefs = Beliefs(bank, n_items)
        self.pending: list[int] = []
        self.asked: list[int] = []
        self.probabilities: list[float] = []
        self.waves: list[int] = []
        self._random = np.random.default_rng(np.random.SeedSequence(seed))
        self._shares: Floats | None = None  # of the wave, over the items left

    @property
    def left(self) -> int:
        """Items without an answer."""
        return self.n_items - len(self.asked)

    @property
    def spent(self) -> bool:
        """Whether no item may be drawn any more."""
        return len(self.asked) + len(self.pending) >= self.most

    def draw(self, count: int, design: Callable[[], Floats]) -> None:
        """Draw a wave: `count` items, or as many as may still be drawn.

        Args:
            count: At least 1.
            design: Gives the probabilities of the items left.
        """
        self._shares = design()
        left, open_shares = self.beliefs.left, self._shares.copy()
        count = min(count, self.most - len(self.asked))
        for uniform in self._random.random(count):
            steps: Floats = np.cumsum(open_shares)
            found = int(np.searchsorted(steps, float(uniform * steps[-1]), side="right"))
            place = min(found, len(left) - 1)
            self.pending.append(int(left[place]))
            open_shares[place] = 0.0
        self.waves.append(count)

    def next_drawn(self) -> Drawn:
        """The first pending draw, with the probability it had given those before it."""
        if not self.pending or self._shares is None:
            message = "no item is waiting for an answer; draw first"
            raise ValueError(message)
        item = self.pending[0]
        place = int(np.searchsorted(self.beliefs.left, item))
        return Drawn(item, place, self._shares / self._shares.sum())

    def settle(self, drawn: Drawn, answer: float) -> None:
        """Strike a draw off once its answer is known and every bet on it is paid."""
        self.pending.pop(0)
        self.asked.append(drawn.item)
        self.probabilities.append(drawn.share)
        self.beliefs.record(drawn.place, answer)
        if self._shares is not None:
            self._shares = np.delete(self._shares, drawn.place)
