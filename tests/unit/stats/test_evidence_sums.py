"""E-values, rare events and grouped means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steelyard.stats import (
    forecast_tail,
    grouped_means,
    mean_e_value,
    p_value_of,
    partial_conjunction_e_value,
    product_e_value,
    rule_of_three,
    trials_needed,
    upper_limit,
)


def test_e_values_combine_as_their_theorems_say() -> None:
    assert mean_e_value([4.0, 0.0]) == 2.0
    assert mean_e_value([]) == 0.0
    assert product_e_value([2.0, 3.0, 0.5]) == 3.0
    assert partial_conjunction_e_value([100.0, 30.0, 2.0], 1) == 44.0
    assert partial_conjunction_e_value([100.0, 30.0, 2.0], 2) == 16.0
    assert partial_conjunction_e_value([100.0, 30.0, 2.0], 3) == 2.0
    assert (p_value_of(0.5), p_value_of(20.0)) == (1.0, 0.05)


@pytest.mark.parametrize("bad", [-0.1, float("nan")])
def test_what_is_no_e_value_is_refused(bad: float) -> None:
    for combine in (mean_e_value, product_e_value, lambda v: partial_conjunction_e_value(v, 1)):
        with pytest.raises(ValueError, match="no e-value"):
            combine([1.0, bad])
    with pytest.raises(ValueError, match="no e-value"):
        p_value_of(bad)
    with pytest.raises(ValueError, match="at least 3 of 2"):
        partial_conjunction_e_value([1.0, 1.0], 3)


def test_a_partial_conjunction_keeps_its_mean_under_dependence() -> None:
    random = np.random.default_rng(0)
    shared = random.exponential(size=20_000)  # mean 1: an e-value, and the same one twice
    huge = np.full(20_000, 1e6)
    values = [partial_conjunction_e_value(row, 2) for row in zip(shared, shared, huge, strict=True)]
    assert np.mean(values) < 1.03


def test_published_numbers_of_trials() -> None:
    assert trials_needed(0.01, 0.05) == 299
    assert trials_needed(0.001, 0.05) == 2995
    assert rule_of_three(300) == 0.01
    assert rule_of_three(2) == 1.0
    for events in (1, 4):
        n = trials_needed(0.02, 0.05, events)
        assert upper_limit(events, n, 0.05) < 0.02 <= upper_limit(events, n - 1, 0.05)
    with pytest.raises(ValueError, match="no number of trials"):
        trials_needed(0.0, 0.05)
    with pytest.raises(ValueError, match="bound nothing"):
        rule_of_three(0)


def test_a_gumbel_tail_is_continued() -> None:
    random = np.random.default_rng(2)
    psi = random.gumbel(-2.5, 0.4, 4000)
    scores = np.exp(-np.exp(-psi))
    found = forecast_tail(scores, 400_000)
    truth = float(np.exp(-np.exp(-(-2.5 + 0.4 * np.log(400_000)))))
    assert found.label == "forecast"
    assert found.largest > scores.max()
    assert 0.3 < np.log(found.largest) / np.log(truth) < 3.0
    assert found.interval[0] <= found.largest <= found.interval[1]
    assert 0.0 < found.any_success <= 1.0


@pytest.mark.parametrize(
    ("scores", "requests", "options", "message"),
    [
        (np.linspace(0.1, 0.2, 9), 100, {}, "too few"),
        (np.linspace(0.0, 0.2, 20), 100, {}, "strictly between"),
        (np.linspace(0.1, 0.2, 20), 10, {}, "goes beyond"),
        (np.full(20, 0.1), 100, {}, "all equal"),
        (np.linspace(0.1, 0.2, 20), 100, {"tail": 2}, "cannot be fitted"),
    ],
)
def test_what_shows_no_tail_is_refused(
    scores: Any,  # noqa: ANN401
    requests: int,
    options: dict[str, int],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        forecast_tail(scores, requests, **options)


def test_grouped_means_agree_with_a_plain_loop() -> None:
    random = np.random.default_rng(3)
    y, g, c = random.random(5000), random.integers(0, 7, 5000), random.integers(0, 90, 5000)
    found = grouped_means(y, g, c)
    for group in range(7):
        rows = g == group
        mean = y[rows].mean()
        sums = [(y[rows & (c == k)] - mean).sum() for k in range(90) if (rows & (c == k)).any()]
        error = np.sqrt(len(sums) / (len(sums) - 1) * np.square(sums).sum()) / rows.sum()
        assert found.mean[group] == pytest.approx(mean)
        assert found.standard_error[group] == pytest.approx(error)
        assert (found.records[group], found.clusters[group]) == (rows.sum(), len(sums))


def test_grouped_means_of_little_and_of_nothing() -> None:
    found = grouped_means([1.0, 0.0], [0, 2], [5, 5])
    assert found.records.tolist() == [1, 0, 1]
    assert np.isnan(found.mean[1])
    assert np.isnan(found.standard_error).all()
    assert len(grouped_means(np.zeros(0), np.zeros(0, int), np.zeros(0, int)).mean) == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1.0], [0, 1], [0]), "shapes"),
        (([np.nan], [0], [0]), "not finite"),
        (([1.0], [-1], [0]), "groups are whole"),
        (([1.0], [0], [0.5]), "clusters are whole"),
        (([1.0, 1.0], [0, 9000], [0, 9000]), "number clusters anew"),
    ],
)
def test_bad_columns_are_refused(columns: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=message):
        grouped_means(*columns)
