"""The stated bound against every sign pattern there is, and against known values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.weights.trace.tails import FLOOR, log10_normal_tail, log10_tail_bound, threshold

WEIGHTS = st.lists(st.floats(0.01, 10.0), min_size=1, max_size=11)


@settings(max_examples=60)
@given(WEIGHTS)
def test_no_weighting_of_fair_signs_exceeds_the_bound(weights: list[float]) -> None:
    values = np.array(weights)
    patterns = np.array(list(itertools.product((-1.0, 1.0), repeat=values.size)))
    z = np.sort(patterns @ values / np.linalg.norm(values))
    for count, least in enumerate(z[::-1], 1):
        # The exact probability of a z of at least `least`, ties counted in.
        share = max(count, int((z >= least - 1e-12).sum())) / z.size
        assert math.log10(share) <= log10_tail_bound(float(least) - 1e-9) + 1e-9


def test_the_gaussian_bound_is_attained_by_two_equal_weights() -> None:
    # P((s1 + s2) / sqrt 2 >= sqrt 2) = 1/4: the constant cannot be smaller.
    pairs = itertools.product((-1.0, 1.0), repeat=2)
    reached = [sum(pair) / math.sqrt(2.0) >= math.sqrt(2.0) - 1e-12 for pair in pairs]
    share = sum(reached) / len(reached)
    assert share == 0.25
    assert log10_tail_bound(math.sqrt(2.0)) == pytest.approx(math.log10(share), abs=1e-12)


@pytest.mark.parametrize(
    ("z", "p"),
    [(0.0, 0.5), (1.0, 0.15865525393145707), (6.0, 9.865876450376946e-10), (-1.0, 0.8413447460685)],
)
def test_the_normal_tail_has_its_known_values(z: float, p: float) -> None:
    assert 10 ** log10_normal_tail(z) == pytest.approx(p, rel=1e-9)


def test_beyond_25_the_tail_is_never_understated_and_joins_on() -> None:
    # log10 P(N >= 30) = -197.3092 (tables of the error function).
    assert log10_normal_tail(30.0) == pytest.approx(-197.3092, abs=1e-3)
    assert log10_normal_tail(30.0) >= -197.3093
    assert log10_normal_tail(25.0) == pytest.approx(log10_normal_tail(24.9999999), abs=2e-3)


def test_no_probability_is_stated_that_a_cipher_cannot_vouch_for() -> None:
    assert log10_tail_bound(3258.0) == FLOOR == pytest.approx(-38.53, abs=0.01)


@pytest.mark.parametrize("z", [0.0, -3.0, 0.3])
def test_a_small_or_negative_z_says_nothing(z: float) -> None:
    assert log10_tail_bound(z) >= log10_tail_bound(0.3) > -0.05


def test_the_bound_falls_as_z_rises() -> None:
    bounds = [log10_tail_bound(z / 10) for z in range(130)]
    assert bounds == sorted(bounds, reverse=True)


@pytest.mark.parametrize(("recipients", "z"), [(1, 6.183), (10_000, 7.5019)])
def test_thresholds_for_an_error_of_one_in_a_thousand_million(recipients: int, z: float) -> None:
    assert threshold(1e-9, recipients) == z


@given(st.floats(1e-30, 1e-2), st.integers(1, 100_000))
def test_at_the_threshold_the_family_error_holds_and_just_below_it_does_not(
    error: float, recipients: int
) -> None:
    z = threshold(error, recipients)
    assert log10_tail_bound(z) + math.log10(recipients) <= math.log10(error) + 1e-12
    assert log10_tail_bound(z - 2e-4) + math.log10(recipients) > math.log10(error)
