"""One bet: the fairest gamble against a bound on what the remaining items sum to.

An item i is drawn with probability q_i and answered with y_i in [0, 1]. For numbers
b_i >= 0 and c >= 0 with sum(b) + c M <= 1, the factor

    f(i, y) = (b_i + c y) / q_i

has expectation sum(b) + c sum(y) <= 1 whenever the remaining answers sum to at most M,
whatever they are: it is an e-variable, and betting on it cannot pay unless they sum to
more. `best_bet` picks the b and c that grow fastest if the answers are as expected.
Derivation and sources: docs/explanation/certifying-a-score.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ITERATIONS = 100
_PRECISION = 1e-6  # relative step; Newton converges quadratically, so the error is its square


class Bet(NamedTuple):
    """A bet on the next draw.

    Attributes:
        base: b, shape [items left].
        slope: c, at least 0; 0 is no bet.
    """

    base: Floats
    slope: float

    def factor(self, place: int, share: float, answer: float) -> float:
        """What the wealth is multiplied by when the item at `place` answers."""
        return (float(self.base[place]) + self.slope * answer) / share


def best_bet(shares: Floats, expected: Floats, bound: float, start: float = 0.0) -> Bet:
    """The bet of largest expected log growth under expected answers.

    Maximises sum q (p log(b + c) + (1 - p) log b) subject to sum(b) + c M = 1. For a given
    c the maximum in b is the positive root of a quadratic, and c solves one equation.

    Args:
        shares: Probabilities q of the draw, positive, sum 1; shape [items left].
        expected: Expected answers p, strictly between 0 and 1; same shape.
        bound: M, the largest sum that the null hypothesis allows.
        start: A guess of c, for speed.

    Returns:
        No bet (b = q, c = 0) where the expected sum does not exceed the bound.
    """
    if bound <= 0.0 or float(expected.sum()) <= bound:
        return Bet(shares, 0.0)
    failing = shares * (1.0 - expected)
    slope = start if start > 0.0 else 0.5 / len(shares)
    for _ in range(_ITERATIONS):
        base, gain = _bases(shares, failing, slope)
        excess = float(base.sum()) + slope * bound - 1.0
        rise = float(gain.sum()) + bound
        if rise <= 0.0:
            slope *= 2.0
            continue
        step = slope - excess / rise
        if step <= 0.0:
            slope *= 0.5
            continue
        settled = abs(step - slope) <= _PRECISION * slope
        slope = step
        if settled:
            break
    base, _ = _bases(shares, failing, slope)
    total = float(base.sum()) + slope * bound
    return Bet(base / total, slope / total)


def _bases(shares: Floats, failing: Floats, slope: float) -> tuple[Floats, Floats]:
    """Best b for a given c, and its derivative by c."""
    lead = shares - slope
    root = np.sqrt(lead * lead + 4.0 * slope * failing)
    root = np.maximum(root, 1e-300)
    base = 0.5 * (lead + root)
    return base, 0.5 * (-1.0 + (2.0 * failing - lead) / root)


def tamed(bet: Bet, shares: Floats, expected: Floats, needed: float) -> float:
    """Share of the wealth to stake so that a likely success is enough, and no more is risked.

    Args:
        bet: The full bet.
        shares: Probabilities of the draw.
        expected: Expected answers.
        needed: Factor that ends the test, above 1.

    Returns:
        1, or less where four successes in five would overshoot.
    """
    if bet.slope <= 0.0:
        return 1.0
    if needed * float(shares.min()) >= float(bet.base.max()) + bet.slope:
        return 1.0
    payoffs = (bet.base + bet.slope) / shares
    order = np.argsort(payoffs, kind="stable")
    weight: Floats = np.cumsum((shares * expected)[order])
    typical = float(payoffs[order[int(np.searchsorted(weight, float(0.2 * weight[-1])))]])
    if typical <= needed:
        return 1.0
    return min(1.0, (needed - 1.0) / (typical - 1.0) * (1.0 + 1e-7))
