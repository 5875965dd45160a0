"""Limits: known values, agreement with exact ones, and error rates over draws of variants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.reproducer.limits import Arm, Limits, log_wealth, make_arm, tail_bound
from steelyard.stats import lower_limit, upper_limit

FIXED = Limits.of(0.05, 0.2, fixed=True)
SEQUENTIAL = Limits.of(0.05, 0.2, fixed=False)


def arm(shown: list[int], tries: int = 1) -> Arm:
    return make_arm(shown, [0] * len(shown), tries)


def test_single_tries_have_exact_limits() -> None:
    eight = arm([1] * 8 + [0] * 12)
    assert FIXED.lower(eight, 0.05) == pytest.approx(lower_limit(8, 20, 0.05))
    assert FIXED.upper(eight, 0.05) == pytest.approx(upper_limit(8, 20, 0.05))


def test_repeated_tries_without_an_event_are_worth_what_single_ones_are() -> None:
    """Repeats of one variant are no further variants."""
    assert FIXED.upper(arm([0] * 20, 5), 0.05) == pytest.approx(upper_limit(0, 20, 0.05), abs=1e-6)
    assert FIXED.lower(arm([5] * 20, 5), 0.05) == pytest.approx(lower_limit(20, 20, 0.05), abs=1e-6)


def test_the_tail_bound_by_hand() -> None:
    """Two variants of mean 1/4 summing to 2: min over t of E(B - t)+ / (2 - t)."""
    by_hand = min(0.5 / 2.0, (1 / 16) / 1.0)
    assert tail_bound(2.0, 2, 0.25) == pytest.approx(by_hand)
    assert tail_bound(0.5, 2, 0.25) == 1.0


@given(st.integers(1, 40), st.floats(0.01, 0.99), st.data())
@settings(max_examples=60)
def test_the_tail_bound_is_never_below_the_binomial_tail(
    n: int, mean: float, data: st.DataObject
) -> None:
    total = data.draw(st.integers(0, n))
    tail = math.fsum(
        math.comb(n, k) * mean**k * (1.0 - mean) ** (n - k) for k in range(total, n + 1)
    )
    assert tail_bound(float(total), n, mean) >= tail - 1e-9


def test_the_wager_is_walds_ratio_where_the_rates_are_the_documents() -> None:
    """With half of the stake on it, ten events beat p = 0.05 by log(0.5 * (0.2 / 0.05)^10)."""
    values = np.ones(10)
    wealth = log_wealth(values, 0.05, SEQUENTIAL.upward, 1.0)
    assert wealth >= math.log(0.5) + 10 * math.log(0.2 / 0.05)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12), st.floats(0.05, 0.95))
@settings(max_examples=100)
def test_wealth_falls_as_the_mean_grows(numbers: list[float], mean: float) -> None:
    values = np.array(numbers)
    assert log_wealth(values, mean, 0.2, 1.0) >= log_wealth(values, mean + 0.04, 0.2, 1.0) - 1e-9


@given(st.lists(st.integers(0, 3), min_size=2, max_size=15), st.data())
@settings(max_examples=60)
def test_a_further_event_never_lowers_a_limit_and_a_missing_try_widens(
    shown: list[int], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(shown) - 1))
    less = [max(0, n - 1) if i == place else n for i, n in enumerate(shown)]
    missing = [int(i == place and shown[place] > 0) for i in range(len(shown))]
    for limits in (FIXED, SEQUENTIAL):
        full, fewer = arm(shown, 3), arm(less, 3)
        open_arm = make_arm(less, missing, 3)
        assert limits.lower(full, 0.05) >= limits.lower(fewer, 0.05) - 1e-9
        assert limits.upper(full, 0.05) >= limits.upper(fewer, 0.05) - 1e-9
        assert limits.lower(open_arm, 0.05) == pytest.approx(limits.lower(fewer, 0.05), abs=1e-9)
        assert limits.upper(open_arm, 0.05) == pytest.approx(limits.upper(full, 0.05), abs=1e-9)


@pytest.mark.parametrize("tries", [1, 4])
@pytest.mark.parametrize("fixed", [True, False])
def test_limits_miss_no_oftener_than_stated_over_draws_of_variants(
    tries: int, *, fixed: bool
) -> None:
    """Rates of variants are 0 or 1 or spread; 400 draws of 15 variants each."""
    limits, random = Limits.of(0.05, 0.2, fixed=fixed), np.random.default_rng(5)
    for mean, spread in ((0.1, 0.05), (0.3, 0.5), (0.5, 20.0)):
        low = high = 0
        for _ in range(400):
            rates = random.beta(mean * spread, (1.0 - mean) * spread, 15)
            drawn = arm(random.binomial(tries, rates).tolist(), tries)
            low += limits.lower(drawn, 0.1) > mean
            high += limits.upper(drawn, 0.1) < mean
        # More than 60 of 400 has a chance below 0.001 at a true rate of 0.1.
        assert max(low, high) <= 60, (mean, spread, low, high)


def test_a_wager_may_be_looked_at_after_every_variant() -> None:
    """The chance that it ever excludes the true mean stays below the error."""
    random, crossed = np.random.default_rng(7), 0
    for _ in range(300):
        values = (random.random(60) < 0.05).astype(float)
        wealths = [log_wealth(values[:n], 0.05, SEQUENTIAL.upward, 1.0) for n in range(1, 61, 3)]
        crossed += max(wealths) >= math.log(1 / 0.1)
    assert crossed <= 47  # chance below 0.001 at a true rate of 0.1
