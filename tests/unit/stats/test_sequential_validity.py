"""Validity of the sequential test, exactly: every order of draws, whatever the bank says."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.stats.irt.bank import ItemBank
from steelyard.stats.sequential import Certifier
from steelyard.stats.sequential.bets import best_bet

if TYPE_CHECKING:
    from collections.abc import Iterator

BANKS = {
    "none": None,
    "right": ItemBank([1.0, 1.5, 0.7, 2.0], [2.0, 1.0, 0.0, -2.0]),
    "flipped": ItemBank([-1.0, -1.5, -0.7, -2.0], [-2.0, -1.0, 0.0, 2.0]),
    "absurd": ItemBank([9.0, 0.0, -9.0, 5.0], [50.0, -50.0, 0.0, 30.0]),
}
N = 4


class Steered(Certifier):
    """A test whose draws are given from outside, to follow every order."""

    _turn = 0

    def follow(self, item: int, wave: int = 1) -> float:
        """Draw this item, alone or as the next of a wave; its probability."""
        draws = self._draws
        if self._turn % wave == 0 or draws._shares is None:
            draws._shares = self._design()
        self._turn += 1
        draws.pending.append(item)
        return draws.next_drawn().share


def paths(
    answers: tuple[float, ...], threshold: float, bank: str, wave: int, alpha: float
) -> Iterator[tuple[float, Steered]]:
    """Every order in which all items can be drawn, with its probability and the final test."""

    def extend(order: tuple[int, ...]) -> Iterator[tuple[float, Steered]]:
        test = Steered(N, threshold, bank=BANKS[bank], alpha=alpha, seed=0)
        chance = 1.0
        for item in order:
            chance *= test.follow(item, wave)
            test.record(answers[item])
        if len(order) == N or test.decision != "undecided":
            yield chance, test
            return
        for item in range(N):
            if item not in order:
                yield from extend((*order, item))

    yield from extend(())


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("wave", [1, 2])
@pytest.mark.parametrize("ones", [1, 2])
def test_no_order_of_draws_makes_the_error_exceed_alpha(bank: str, wave: int, ones: int) -> None:
    alpha = 0.2
    for pattern in set(product((0.0, 1.0), repeat=N)):
        if sum(pattern) != ones or pattern not in _few(ones):
            continue
        for threshold, wrong in ((ones / N, ""), ((ones + 0.5) / N, "above")):
            errors = {"above": 0.0, "below": 0.0}
            total, wealth = 0.0, {"above": 0.0, "below": 0.0}
            for chance, test in paths(pattern, threshold, bank, wave, alpha):
                total += chance
                if test.decision != "undecided":
                    errors[test.decision] += chance
                found = test.certification()
                wealth["above"] += chance * found.e_above
                wealth["below"] += chance * found.e_below
            assert total == pytest.approx(1.0)
            for side in ("above", "below"):
                if wrong in ("", side):
                    assert errors[side] <= alpha + 1e-9, (pattern, threshold, side)
                    assert wealth[side] <= 1.0 + 1e-6, (pattern, threshold, side)


def _few(ones: int) -> set[tuple[float, ...]]:
    """Three patterns: the successes first, last, and apart."""
    first = tuple(float(k < ones) for k in range(N))
    apart = tuple(float(k % 2 == 0 and k // 2 < ones) for k in range(N))
    return {first, first[::-1], apart} if sum(apart) == ones else {first, first[::-1]}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.01, 1.0), st.floats(0.003, 0.997), st.floats(0.0, 1.0)),
        min_size=1,
        max_size=8,
    ),
    st.floats(0.01, 1.0),
)
def test_a_bet_is_fair_at_every_point_of_the_null_hypothesis(
    items: list[tuple[float, float, float]], part: float
) -> None:
    shares, expected, answers = (np.array(column) for column in zip(*items, strict=True))
    shares = shares / shares.sum()
    bound = part * len(items)
    if answers.sum() > bound:
        answers = answers * bound / answers.sum()
    bet = best_bet(shares, expected, bound)
    assert (bet.base >= 0.0).all()
    assert bet.slope >= 0.0
    mean = sum(
        share * bet.factor(k, float(share), float(answers[k])) for k, share in enumerate(shares)
    )
    assert mean <= 1.0 + 1e-9


def test_a_bet_grows_fastest_among_fair_ones() -> None:
    random = np.random.default_rng(5)
    shares = random.dirichlet(np.ones(6))
    expected = random.uniform(0.2, 0.9, 6)
    bound = 0.6 * expected.sum()

    def growth(base: np.ndarray, slope: float) -> float:
        return float(
            shares @ (expected * np.log(base + slope) + (1 - expected) * np.log(base))
            - shares @ np.log(shares)
        )

    bet = best_bet(shares, expected, float(bound))
    best = growth(bet.base, bet.slope)
    assert best > 0.0
    for _ in range(300):
        base = np.maximum(bet.base * np.exp(random.normal(0, 0.2, 6)), 1e-9)
        slope = bet.slope * float(np.exp(random.normal(0, 0.2)))
        scale = base.sum() + slope * bound
        assert growth(base / scale, slope / scale) <= best + 1e-9
