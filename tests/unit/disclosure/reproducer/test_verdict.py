"""Verdicts: all three, the control, missing tries, judges, and what is still needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.reproducer.document import Decision
from steelyard.disclosure.reproducer.limits import Arm, make_arm
from steelyard.disclosure.reproducer.verdict import (
    Results,
    Verdict,
    decide,
    estimate,
    interval,
    judge_results,
)
from steelyard.stats import JudgeErrors, judged_rate, lower_limit, upper_limit

DECISION = Decision(0.05, 0.2, 0.05, 0.05, "fixed", 1, "absence")


def arm(events: int, variants: int, missing: int = 0) -> Arm:
    """An arm of single tries: events first, missing ones last."""
    shown = [int(i < events) for i in range(variants)]
    gone = [int(i >= variants - missing) for i in range(variants)]
    return make_arm(shown, gone, 1)


def test_the_three_verdicts() -> None:
    assert judge_results(Results(arm(8, 20)), DECISION).verdict is Verdict.AFFECTED
    assert judge_results(Results(arm(0, 20)), DECISION).verdict is Verdict.NOT_AFFECTED
    assert judge_results(Results(arm(3, 20)), DECISION).verdict is Verdict.UNDETERMINED


def test_where_both_hold_the_target_is_affected() -> None:
    assert decide(0.06, 0.19, DECISION) is Verdict.AFFECTED


def test_limits_themselves_are_neither() -> None:
    assert decide(0.05, 0.2, DECISION) is Verdict.UNDETERMINED


def test_without_a_control_limits_have_the_whole_error() -> None:
    found = judge_results(Results(arm(8, 20)), DECISION)
    assert found.lower == pytest.approx(lower_limit(8, 20, 0.05))
    assert found.upper == pytest.approx(upper_limit(8, 20, 0.05))


def test_a_control_that_shows_the_flaw_too_takes_the_verdict_back() -> None:
    affected = judge_results(Results(arm(10, 20), arm(0, 20)), DECISION)
    found = judge_results(Results(arm(10, 20), arm(9, 20)), DECISION)
    assert (affected.verdict, found.verdict) == (Verdict.AFFECTED, Verdict.UNDETERMINED)
    assert found.rate == pytest.approx(0.05)
    assert found.lower == pytest.approx(lower_limit(10, 20, 0.025) - upper_limit(9, 20, 0.025))
    assert found.upper == pytest.approx(upper_limit(10, 20, 0.025) - lower_limit(9, 20, 0.025))


def test_missing_tries_count_against_both_verdicts() -> None:
    assert judge_results(Results(arm(0, 20, 1)), DECISION).upper == pytest.approx(
        upper_limit(1, 20, 0.05)
    )
    found = judge_results(Results(arm(0, 20, 10)), DECISION)
    assert found.verdict is Verdict.UNDETERMINED
    assert (found.rate, found.missing) == (0.0, 0.5)
    assert (found.needed, found.obstacle) == (None, "missing tries leave both answers open")


def test_a_run_without_any_answer_says_nothing() -> None:
    found = judge_results(Results(arm(0, 20, 20), arm(0, 20, 20)), DECISION)
    assert (found.lower, found.upper, found.missing) == (-1.0, 1.0, 1.0)
    assert found.verdict is Verdict.UNDETERMINED


@pytest.mark.parametrize(("events", "wanted"), [(3, Verdict.AFFECTED), (1, Verdict.NOT_AFFECTED)])
def test_the_number_needed_is_where_the_same_share_decides(events: int, wanted: Verdict) -> None:
    start = 20 if events == 3 else 12
    found = judge_results(Results(arm(events, start)), DECISION)
    assert found.verdict is Verdict.UNDETERMINED
    assert found.needed is not None
    many, few = (
        lower_limit(events * n / start, n, 0.05) > 0.05
        or upper_limit(events * n / start, n, 0.05) < 0.2
        for n in (found.needed, found.needed - 1)
    )
    assert (many, few) == (True, False)
    whole = Results(arm(round(events * found.needed / start), found.needed))
    assert judge_results(whole, DECISION).verdict in (wanted, Verdict.UNDETERMINED)


def test_a_faultless_judge_on_a_large_set_changes_little() -> None:
    judge = JudgeErrors(2000, 2000, 2000, 2000)
    with_judge = interval(Results(arm(8, 20), None, judge), DECISION)
    assert with_judge[0] == pytest.approx(lower_limit(8, 20, 0.025), abs=0.005)
    assert with_judge[1] == pytest.approx(upper_limit(8, 20, 0.025), abs=0.005)


def test_a_judge_by_chance_leaves_everything_open() -> None:
    judge = JudgeErrors(20, 10, 20, 10)
    found = judge_results(Results(arm(10, 20), arm(0, 20), judge), DECISION)
    assert (found.upper, found.rate) == (1.0, 0.0)
    alone = judge_results(Results(arm(0, 40), None, JudgeErrors(20, 0, 20, 20)), DECISION)
    assert alone.verdict is Verdict.UNDETERMINED
    assert alone.obstacle == ("the judge's labelled set is too small, or its errors are too many")


def test_the_estimate_is_rogan_and_gladens_and_within_the_likelihood_interval() -> None:
    judge = JudgeErrors(50, 45, 50, 47)
    results = Results(arm(30, 60), None, judge)
    known = judged_rate(30, 60, judge, 0.9)
    assert estimate(results) == pytest.approx(known.value)
    low, high = interval(results, DECISION)
    assert low <= known.lower + 0.01
    assert high >= known.upper - 0.01


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=80)
def test_a_worse_judge_never_narrows_the_interval(
    events: int, quiet: int, detected: int, cleared: int
) -> None:
    results = Results(arm(events, 20), arm(quiet, 20), JudgeErrors(20, detected, 20, cleared))
    worse = Results(
        results.treatment, results.control, JudgeErrors(20, detected - 1, 20, cleared - 1)
    )
    for wide, narrow in zip(interval(worse, DECISION), interval(results, DECISION), strict=True):
        assert abs(wide) <= 1.0
        assert abs(narrow) <= 1.0
    assert interval(worse, DECISION)[0] <= interval(results, DECISION)[0] + 1e-9
    assert interval(worse, DECISION)[1] >= interval(results, DECISION)[1] - 1e-9


@pytest.mark.parametrize("truth", [0.05, 0.2])
def test_judged_verdicts_err_no_oftener_than_stated(truth: float) -> None:
    """Variants, verdicts and the labelled set are drawn anew 400 times."""
    random, wrong = np.random.default_rng(11), 0
    for _ in range(400):
        flawed = random.random(60) < truth
        said = np.where(flawed, random.random(60) < 0.85, random.random(60) < 0.08)
        judge = JudgeErrors(40, int(random.binomial(40, 0.85)), 40, int(random.binomial(40, 0.92)))
        shown = make_arm(said.astype(int).tolist(), [0] * 60, 1)
        verdict = judge_results(Results(shown, None, judge), DECISION).verdict
        wrong += verdict is (Verdict.AFFECTED if truth == 0.05 else Verdict.NOT_AFFECTED)
    assert wrong <= 35  # chance below 0.001 at a true rate of 0.05
