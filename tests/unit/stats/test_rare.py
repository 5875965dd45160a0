from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.stats import forecast_worst_query, required_trials, upper_limit, zero_event_limit


def test_the_rule_of_three() -> None:
    assert zero_event_limit(1000, 0.05) == pytest.approx(3.0 / 1000, rel=0.01)
    assert zero_event_limit(50, 0.01) == pytest.approx(1.0 - 0.01 ** (1 / 50), rel=1e-9)
    assert (required_trials(0.01, 0.05), required_trials(0.001, 0.05)) == (299, 2995)


@given(
    st.floats(1e-6, 0.9), st.sampled_from([0.01, 0.05, 0.3]), st.integers(0, 5)
)  # fmt: skip
def test_required_trials_are_just_enough(limit: float, error_rate: float, events: int) -> None:
    trials = required_trials(limit, error_rate, events)
    assert upper_limit(events, trials, error_rate) < limit
    assert upper_limit(events, trials - 1, error_rate) >= limit


@pytest.mark.parametrize(
    ("limit", "error_rate", "events", "message"),
    [
        (0.0, 0.05, 0, "a rate in"),
        (1.0, 0.05, 0, "a rate in"),
        (0.1, 0.0, 0, "an error rate lies in"),
        (0.1, 1.0, 0, "an error rate lies in"),
        (0.1, 0.05, -1, "no negative events"),
        (1e-18, 0.05, 0, "more than 10.15 trials"),
    ],
)
def test_impossible_demands_are_refused(
    limit: float, error_rate: float, events: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        required_trials(limit, error_rate, events)


def test_a_limit_needs_a_trial() -> None:
    with pytest.raises(ValueError, match="at least 1 trial, found 0"):
        zero_event_limit(0, 0.05)


def gumbel_queries(count: int, seed: int) -> np.ndarray:
    """Elicitation probabilities whose scores are Gumbel, mode -3 and scale 0.5."""
    random = np.random.default_rng(seed)
    return np.exp(-np.exp(-random.gumbel(-3.0, 0.5, count)))


def test_a_forecast_is_near_the_true_worst_query_and_its_interval_covers_it() -> None:
    queries, covered, errors = 50_000, list[bool](), list[float]()
    for seed in range(80):
        found = forecast_worst_query(gumbel_queries(500, seed), queries, top=10)
        worst = float(gumbel_queries(queries, 10_000 + seed).max())
        covered.append(found.lower <= worst <= found.upper)
        errors.append(np.log(-np.log(found.worst_query)) - np.log(-np.log(worst)))
        assert found.lower < found.worst_query < found.upper
    assert np.mean(covered) >= 0.90
    # The least-squares line forecasts too much harm rather than too little.
    assert -1.2 < np.median(errors) < 0.0


def test_a_forecast_calls_itself_one() -> None:
    found = forecast_worst_query(gumbel_queries(500, 1), 1e6)
    assert (found.kind, found.tested, found.top, found.queries) == ("forecast", 500, 10, 1e6)
    assert found == forecast_worst_query(gumbel_queries(500, 1), 1e6)


def test_more_queries_forecast_more_harm() -> None:
    tested = gumbel_queries(400, 2)
    worst = [forecast_worst_query(tested, 10.0**k).worst_query for k in range(3, 8)]
    assert worst == sorted(worst)
    shares = [forecast_worst_query(tested, 1e4, threshold=t).frequency for t in (0.1, 0.5, 0.9)]
    assert shares == sorted(shares, reverse=True)
    at_worst = forecast_worst_query(tested, 1e5, threshold=worst[2]).frequency
    assert at_worst == pytest.approx(1e-5, rel=1e-6)


@pytest.mark.parametrize(
    ("probabilities", "queries", "options", "message"),
    [
        ([0.1] * 20, 1000, {}, "10 largest elicitation probabilities are all 0.1"),
        ([0.0] * 15 + [0.1] * 5, 1000, {}, "fewer than 10 tested queries"),
        ([0.1, 0.2], 1000, {"top": 3}, "fewer than 3 tested queries"),
        ([0.1, 0.2], 1000, {"top": 2}, "at least 3 queries, found top = 2"),
        ([0.1, 1.0, 0.3], 1000, {"top": 3}, "lie in"),
        ([0.1, float("nan"), 0.3], 1000, {"top": 3}, "lie in"),
        ([0.1, 0.2, 0.3], 3, {"top": 3}, "more than the 3 tested queries"),
        ([0.1, 0.2, 0.3], 9, {"top": 3, "threshold": 1.0}, "threshold and confidence"),
        ([0.1, 0.2, 0.3], 9, {"top": 3, "confidence": 0.0}, "threshold and confidence"),
    ],
)
def test_what_foretells_nothing_is_refused(
    probabilities: list[float], queries: float, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        forecast_worst_query(probabilities, queries, **options)  # pyright: ignore[reportArgumentType]
