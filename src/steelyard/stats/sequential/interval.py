"""An interval for the score that holds at every stop, from the same draws.

For each candidate score on a grid two wealths are kept, one against scores up to it and
one against scores from it on (Waudby-Smith and Ramdas, JRSS B 86, 2024, section 4; with
weights, Shekhar, Xu, Lipton, Liang and Ramdas, UAI 2023). The factor of a draw is

    1 + c (y / q - M - (p / q - P)),    0 <= c <= 1 / (M - P + max p / q),

with M the sum left under the candidate, p the expected answers and P their sum: the
control variate p has expectation P whatever the bank, so it can only narrow or widen.
Candidates on which a wealth reached 2 / alpha are out (Ville's inequality).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CANDIDATES = 501
_GRID = np.linspace(0.0, 1.0, _CANDIDATES)
_BLOCK = 256  # draws at once
_LOGISTIC_SD = math.pi / math.sqrt(3.0)
_STAKE = 0.9  # of the largest stake that cannot ruin


class Guess(NamedTuple):
    """What is expected of the items left.

    Attributes:
        expected: Expected answers, shape [items left].
        deviation: Standard deviation of their sum.
    """

    expected: Floats
    deviation: float


class _Draw(NamedTuple):
    """What the interval needs of one draw, for one side."""

    total: float  # P
    largest: float  # max p / q
    spread: float  # sum p (1 - p) / q
    deviation: float
    surprise: float  # (y - p) / q of the item drawn
    allowed: float  # M = allowed + slope x candidate
    slope: float


class ScoreInterval:
    """Candidates for the score that the draws have not refuted.

    Args:
        n_items: Number of items.
    """

    def __init__(self, n_items: int) -> None:
        self._n = n_items
        self._sum, self._asked = 0.0, 0
        self._above: list[_Draw] = []
        self._below: list[_Draw] = []
        self._known: tuple[Floats, Floats] | None = None

    def record(self, shares: Floats, guess: Guess, place: int, answer: float) -> None:
        """Take one draw.

        Args:
            shares: Its probabilities, shape [items left].
            guess: Expected answers before it, and how sure their sum is.
            place: The item drawn.
            answer: In [0, 1].
        """
        left = self._n - self._asked
        weighted, inverse = guess.expected / shares, 1.0 / shares
        spread = float((weighted * (1.0 - guess.expected)).sum())
        total = float(guess.expected.sum())
        surprise = (answer - float(guess.expected[place])) * float(inverse[place])
        tail = (spread, guess.deviation)
        self._above.append(
            _Draw(total, float(weighted.max()), *tail, surprise, -self._sum, self._n)
        )
        unweighted = float((inverse - weighted).max())
        self._below.append(
            _Draw(left - total, unweighted, *tail, -surprise, left + self._sum, -self._n)
        )
        self._sum += answer
        self._asked += 1
        self._known = None

    def limits(self, alpha: float) -> tuple[float, float]:
        """Lower and upper limit at coverage 1 - alpha, no wider than the open answers allow."""
        limit = math.log(2.0 / alpha)
        left = self._n - self._asked
        least, most = self._sum / self._n, (self._sum + left) / self._n
        candidates, (above, below) = _GRID, self._wealths()
        step = 1.0 / (_CANDIDATES - 1)
        # The score may lie between a candidate that is out and the next, which is not.
        low = np.flatnonzero((above < limit) & (candidates >= least - step))
        high = np.flatnonzero((below < limit) & (candidates <= most + step))
        lower = float(candidates[low[0]]) - step if len(low) else most
        upper = float(candidates[high[-1]]) + step if len(high) else least
        lower, upper = max(least, lower), min(most, upper)
        return (lower, upper) if lower <= upper else (least, most)

    def _wealths(self) -> tuple[Floats, Floats]:
        """Largest log wealths against candidates as least and as most; kept until a draw."""
        if self._known is None:
            self._known = (_largest_log_wealth(self._above), _largest_log_wealth(self._below))
        return self._known


def _largest_log_wealth(draws: list[_Draw]) -> Floats:
    """Largest log wealth at any time against each candidate, shape [candidates]."""
    wealth, largest = np.zeros(_CANDIDATES), np.zeros(_CANDIDATES)
    for start in range(0, len(draws), _BLOCK):
        rows = np.array(draws[start : start + _BLOCK], dtype=float).T[:, :, None]
        total, most, spread, deviation, surprise, allowed, slope = rows
        limit = allowed + slope * _GRID
        lead = total - limit
        hoped = _hoped_lead(lead, np.maximum(deviation, 1e-6))
        stake = np.minimum(
            hoped / (spread + hoped * hoped + 1e-12), _STAKE / np.maximum(most - lead, 1e-12)
        )
        stake[limit < 0.0] = 0.0
        gains = np.log1p(np.maximum(stake * (surprise + lead), -1.0 + 1e-12))
        path = wealth + np.cumsum(gains, axis=0)
        largest, wealth = np.maximum(largest, path.max(axis=0)), path[-1]
    return largest


def _hoped_lead(lead: Floats, deviation: Floats) -> Floats:
    """Mean of the lead where it is positive, for a logistic law of this mean and deviation."""
    scale = deviation / _LOGISTIC_SD
    z = np.clip(lead / scale, -30.0, 700.0)
    return scale * np.logaddexp(0.0, z) * (1.0 + np.exp(-z))
