"""Exact and clustered limits of a rate."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.stats import (
    Design,
    clopper_pearson,
    clustered_interval,
    design_effect,
    lower_limit,
    monotone_lower_limit,
    monotone_upper_limit,
    upper_limit,
)
from steelyard.stats.special import t_quantile


def test_clopper_and_pearsons_limits_as_published() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 5.
    assert clopper_pearson(81, 263, 0.95) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(15, 148, 0.95) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert clopper_pearson(0, 20, 0.95) == pytest.approx((0.0, 0.1684), abs=5e-5)
    assert clopper_pearson(1, 29, 0.95) == pytest.approx((0.0009, 0.1776), abs=5e-5)


def test_no_event_in_299_shows_less_than_one_percent() -> None:
    assert upper_limit(0, 299, 0.05) < 0.01 < upper_limit(0, 298, 0.05)


def test_nothing_tried_or_everything_an_event_is_vacuous() -> None:
    assert upper_limit(0, 0, 0.01) == 1.0
    assert upper_limit(7, 7, 0.01) == 1.0
    assert lower_limit(0, 7, 0.01) == 0.0
    assert clustered_interval(np.zeros(0, dtype=int), Design(0, 2, 0.0), 0.95) == (0.0, 1.0)


def test_korn_and_graubard_by_hand() -> None:
    """Twelve samples in four clusters of three with 3, 1, 0, 0 events.

    Variance of the total: 4/3 * (10 - 16/4) = 8; independent: 4 * (1 - 4/12) = 8/3; so the
    design effect is 3, and 12 / 3 * (t(.975, 11) / t(.975, 3))^2 samples are effective.
    """
    events, design = np.array([3, 1, 0, 0]), Design(12, 4, 0.0)
    assert design_effect(events, design) == pytest.approx(3.0)
    ratio = (2.2009851600916384 / 3.182446305283710) ** 2
    trials = 12 / 3 * ratio
    assert design.effective_samples(3.0, 0.025) == pytest.approx(trials)
    expected = (lower_limit(trials / 3, trials, 0.025), upper_limit(trials / 3, trials, 0.025))
    assert clustered_interval(events, design, 0.95) == pytest.approx(expected)


def test_the_effective_sample_never_exceeds_the_sample_nor_the_floor_its_value() -> None:
    design = Design(240, 40, 0.02)
    assert design.least_effect == pytest.approx(1.1)
    assert design_effect(np.zeros(40, dtype=int), design) == pytest.approx(1.1)
    assert design_effect(np.ones(40, dtype=int), design) == pytest.approx(1.1)
    assert Design(4, 4, 0.5).effective_samples(0.1, 0.01) == 4.0


def test_one_cluster_carries_no_information_on_its_spread() -> None:
    assert design_effect(np.array([3]), Design(30, 1, 0.0)) == 30.0


def test_no_event_among_240_in_40_clusters() -> None:
    trials = 240 / 1.1 * (t_quantile(0.995, 239) / t_quantile(0.995, 39)) ** 2
    limit = monotone_upper_limit(np.zeros(40, dtype=int), Design(240, 40, 0.02), 0.005)
    assert limit == pytest.approx(1 - 0.005 ** (1 / trials), rel=1e-9)
    assert limit == pytest.approx(0.0261, abs=5e-5)


@given(events=st.lists(st.integers(0, 3), min_size=2, max_size=5))
def test_the_monotone_limit_is_the_largest_over_all_subsets(events: list[int]) -> None:
    design = Design(4 * len(events), len(events), 0.02)
    subsets = itertools.product(*(range(count + 1) for count in events))
    limits = []
    for subset in subsets:
        part = np.array(subset)
        trials = design.effective_samples(design_effect(part, design), 0.01)
        limits.append(upper_limit(part.sum() / design.samples * trials, trials, 0.01))
    assert monotone_upper_limit(np.array(events), design, 0.01) == pytest.approx(max(limits))


@given(
    events=st.lists(st.integers(0, 30), min_size=2, max_size=40),
    place=st.integers(0, 39),
    floor=st.sampled_from([0.0, 0.02, 0.3]),
)
def test_another_event_never_lowers_the_limit(events: list[int], place: int, floor: float) -> None:
    design = Design(31 * len(events), len(events), floor)
    before = np.array(events)
    after = before.copy()
    after[place % len(events)] += 1
    low, high = (monotone_upper_limit(e, design, 0.01) for e in (before, after))
    assert high >= low - 1e-12
    fewer, more = (monotone_lower_limit(e, design, 0.01) for e in (before, after))
    assert more <= fewer + 1e-12


def test_moving_an_event_to_a_larger_cluster_never_lowers_the_limit() -> None:
    design = Design(60, 6, 0.0)
    spread = monotone_upper_limit(np.array([3, 2, 1, 0, 0, 0]), design, 0.01)
    assert monotone_upper_limit(np.array([4, 2, 0, 0, 0, 0]), design, 0.01) > spread
    assert monotone_upper_limit(np.array([60]), design, 0.01) == 1.0
