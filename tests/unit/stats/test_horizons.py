"""The success curve and the decision limits of a horizon."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.stats import Answers, fit_horizon, horizon_lower_limit, horizon_upper_limit


def _tasks(seed: int, horizon: float = 4.0, slope: float = 0.8, n: int = 120) -> Answers:
    random = np.random.default_rng(seed)
    lengths = random.normal(4.0, 3.0, n)
    solved = (random.random(n) < 1 / (1 + np.exp(-slope * (horizon - lengths)))).astype(float)
    return Answers(lengths, solved, solved, random.choice([0.1, 0.3, 1.0], n))


def test_a_table_with_a_closed_form() -> None:
    """Two lengths: the curve passes through both shares, 3/4 at 1 doubling and 1/4 at 3."""
    lengths = np.repeat([1.0, 3.0], 4)
    scores = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=float)
    fit = fit_horizon(lengths, scores, np.ones(8))
    assert fit is not None
    assert fit.slope == pytest.approx(-math.log(3.0))
    assert fit.log2_minutes == pytest.approx(2.0)
    assert fit.samples == 8
    # By hand: every leverage is 1/4, residuals 1/4 or 3/4, information 8 * 3/16.
    residuals = (6 * (1 / 4) ** 2 + 2 * (3 / 4) ** 2) / (3 / 4) ** 2
    standard_error = math.sqrt(residuals) / (8 * 3 / 16) / math.log(3.0)
    assert fit.standard_error == pytest.approx(standard_error)
    assert fit.limit(0.975) == pytest.approx(2.0 + 1.959963984540054 * standard_error)


def test_the_scale_of_weights_does_not_matter() -> None:
    tasks = _tasks(1)
    one = fit_horizon(tasks.log2_minutes, tasks.least, tasks.weights)
    two = fit_horizon(tasks.log2_minutes, tasks.least, 7.0 * tasks.weights)
    assert one is not None
    assert two is not None
    assert one.log2_minutes == pytest.approx(two.log2_minutes)
    assert one.standard_error == pytest.approx(two.standard_error)


@pytest.mark.parametrize(
    "scores",
    [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1]],
    ids=["separated", "none solved", "all solved", "rising, separated", "rising"],
)
def test_no_curve_where_none_exists(scores: list[float]) -> None:
    lengths = np.array([1.0, 2.0, 3.0, 4.0])
    assert fit_horizon(lengths, np.array(scores, dtype=float), np.ones(4)) is None


def test_no_curve_without_spread_in_length() -> None:
    assert fit_horizon(np.full(4, 2.0), np.array([1.0, 0, 1, 0]), np.ones(4)) is None


def test_limits_enclose_the_estimate_and_mirror_each_other() -> None:
    tasks = _tasks(2)
    fit = fit_horizon(tasks.log2_minutes, tasks.least, tasks.weights)
    assert fit is not None
    low, high = horizon_lower_limit(tasks, 0.01), horizon_upper_limit(tasks, 0.01)
    assert low < fit.log2_minutes < high
    assert high == pytest.approx(fit.limit(0.99), abs=1.0)
    mirrored = Answers(-tasks.log2_minutes, 1 - tasks.most, 1 - tasks.least, tasks.weights)
    assert horizon_upper_limit(mirrored, 0.01) == -low


def test_a_model_that_solves_all_has_no_upper_limit_and_one_that_solves_none_a_low_one() -> None:
    tasks = _tasks(3)
    nothing, everything = np.zeros(120), np.ones(120)
    all_solved = Answers(tasks.log2_minutes, everything, everything, tasks.weights)
    none_solved = Answers(tasks.log2_minutes, nothing, nothing, tasks.weights)
    assert horizon_upper_limit(all_solved, 0.01) == math.inf
    assert horizon_lower_limit(none_solved, 0.01) == -math.inf
    assert horizon_upper_limit(none_solved, 0.01) < tasks.log2_minutes.min() + 3.0


def test_success_that_rises_with_length_rules_nothing_out() -> None:
    assert horizon_upper_limit(_tasks(4, slope=-0.5), 0.01) == math.inf


@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.01, 0.1, 0.5]))
@settings(max_examples=40)
def test_an_unknown_answer_never_tightens_a_limit(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    tasks = _tasks(seed, horizon=random.uniform(-4, 10), slope=random.uniform(-0.2, 3))
    unknown = random.random(120) < share
    vague = Answers(
        tasks.log2_minutes,
        np.where(unknown, 0.0, tasks.least),
        np.where(unknown, 1.0, tasks.most),
        tasks.weights,
    )
    assert horizon_upper_limit(vague, 0.01) >= horizon_upper_limit(tasks, 0.01)
    assert horizon_lower_limit(vague, 0.01) <= horizon_lower_limit(tasks, 0.01)


def test_why_refitting_with_imputed_answers_would_not_do() -> None:
    """Counting one missing short task as solved can lower the limit of a fitted curve."""
    lengths = np.array([0.0] * 10 + [6.0] * 10 + [7.0] * 10)
    scores = np.array([1.0] * 9 + [0.0] + [1.0] * 7 + [0.0] * 3 + [1.0] * 6 + [0.0] * 4)
    imputed = scores.copy()
    imputed[9] = 1.0
    before, after = (fit_horizon(lengths, s, np.ones(30)) for s in (scores, imputed))
    assert before is not None
    assert after is not None
    assert after.limit(0.99) < before.limit(0.99)
