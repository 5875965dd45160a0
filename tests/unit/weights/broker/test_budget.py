from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.kernel.errors import ConfigurationError
from steelyard.weights.broker.budget import DAY_S, Bucket, Terms


def test_the_published_example_of_the_formula() -> None:
    terms = Terms(10**12, detection_s=7 * DAY_S, safety=10)
    assert terms.useful_theft_bytes == 5e11
    assert terms.coverage_bytes == 5e10
    assert terms.rate_bytes_per_s == pytest.approx(82_672, abs=1)


def test_a_week_at_the_rate_is_the_coverage() -> None:
    terms = Terms(7 * 10**9, detection_s=3 * DAY_S, safety=4)
    assert terms.rate_bytes_per_s * terms.detection_s == pytest.approx(terms.coverage_bytes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": 0}, "parameters and detection time are positive"),
        ({"detection_s": 0.0}, "parameters and detection time are positive"),
        ({"detection_s": math.inf}, "parameters and detection time are positive"),
        ({"safety": 0.9}, "the factor of safety is at least 1"),
        ({"safety": math.nan}, "the factor of safety is at least 1"),
        ({"principal_share": 0.0}, "shares rise from above 0"),
        ({"principal_share": 0.6}, "shares rise from above 0"),
        ({"organization_share": 1.1}, "shares rise from above 0"),
    ],
)
def test_terms_that_budget_nothing_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Terms(**{"parameters": 1000, **change})


def test_a_bucket_begins_empty_fills_and_does_not_overflow() -> None:
    bucket = Bucket(rate_bytes_per_s=10, burst_bytes=100, at_s=0)
    assert bucket.wait_s(50, 0) == 5
    assert bucket.wait_s(50, 5) == 0
    bucket.take(50, 5)
    assert bucket.wait_s(100, 1000) == 0
    assert bucket.wait_s(101, 1000) == math.inf


def test_a_clock_that_runs_backwards_gives_nothing() -> None:
    bucket = Bucket(rate_bytes_per_s=10, burst_bytes=1000, at_s=100)
    assert bucket.wait_s(10, 50) == 1
    assert bucket.wait_s(10, 101) == 0
    bucket.take(10, 101)
    for _ in range(5):
        assert bucket.wait_s(10, 60) == 1
    assert bucket.wait_s(10, 101) == 1


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 40)), max_size=40))
def test_never_more_is_taken_than_flowed_in(steps: list[tuple[float, float]]) -> None:
    bucket = Bucket(rate_bytes_per_s=3, burst_bytes=40, at_s=0)
    now, latest, taken = 0.0, 0.0, 0.0
    for step, need in steps:
        now += step
        latest = max(latest, now)
        if bucket.wait_s(need, now) == 0:
            bucket.take(need, now)
            taken += need
    assert taken <= 3 * latest + 1e-6
