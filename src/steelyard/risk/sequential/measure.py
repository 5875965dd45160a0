"""What a sequential run decides: the measurement that its replay gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steelyard.kernel.errors import MalformedEvidence
from steelyard.risk.levels import LEVELS, effective_at
from steelyard.risk.measurement import Condition, Limits, Measurement, Request, unbounded
from steelyard.risk.sequential.answers import item_answers, on_scale
from steelyard.risk.sequential.run import SequentialRun, replay
from steelyard.risk.sequential.whole_bank import (
    HALF,
    bank_design,
    bounded_error,
    level_thresholds,
    lower_of_model,
    upper_of_model,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steelyard.risk.sequential.plan import LevelThresholds, SequentialPlan
    from steelyard.standard import Decision
    from steelyard.stats import Design

SCREEN_DOUBT = 0.05
"""Probability of the other side, by the model of the items, at which a screening leans."""

_TOLERANCE = 1e-9


def measure_sequentially(
    plan: SequentialPlan,
    request: Request,
    measure: Callable[[Request], Measurement],
    decision: Decision,
) -> Measurement:
    """Repeat a run from its records, and decide by it.

    Args:
        plan: What was committed to.
        request: All records of the indicator, and the error rates.
        measure: Describes the records of the drawn items as a fixed sample.
        decision: The rule.

    Raises:
        MalformedEvidence: the plan is of another kind of indicator.
    """
    indicator = request.indicator
    if plan.kind != indicator.kind:
        message = f"the sequential plan is of a {plan.kind}, {indicator.id} is a {indicator.kind}"
        raise MalformedEvidence(message, where="run-intent")
    run = replay(plan, item_answers(indicator, request.evidence, request.repeats))
    described = measure(_drawn(request, run))
    design = bank_design(indicator, len(plan.items), request.repeats)
    effective = {level: effective_at(described, level, decision) for level in LEVELS}
    right = level_thresholds(
        indicator, effective, design,
        ruling_error_rate=request.error_rate, showing_error_rate=request.showing_error_rate,
    )  # fmt: skip
    certifies = plan.mode == "certify"
    due = {t.level: t for t in right} if certifies else None
    valid = not any(c.code == "control_failed" for c in described.conditions)
    whole = all(n == len(plan.items) * request.repeats for n in request.planned.values())
    limits = _limits(run, design, request.error_rate) if valid else unbounded(indicator)
    shown = _limits(run, design, HALF * (1.0 - request.interval_level))
    e_below = {t.level: _e_below(run, t) for t in plan.thresholds}
    return replace(
        described,
        estimate=on_scale(plan.kind, run.showing.estimate),
        interval=(shown.lower, shown.upper),
        limits=limits,
        observed_limits=limits,
        e_above={
            t.level: _e_above(run, t) if due and valid and _shows(t, due) else 0.0
            for t in plan.thresholds
        },
        e_below=e_below if certifies else None,
        ruled_out={
            t.level: valid
            and whole
            and (
                _certified(run, t, due, request.error_rate)
                if due is not None
                else _leans(run, t, effective)
            )
            for t in plan.thresholds
        },
        conditions=(*described.conditions, *_conditions(run, whole=whole)),
    )


def _drawn(request: Request, run: SequentialRun) -> Request:
    """The records of the drawn items, as a fixed sample of that size."""
    drawn = np.isin(request.evidence.columns["item"].astype(str), run.asked)
    planned = dict.fromkeys(request.planned, len(run.asked) * request.repeats)
    return replace(request, evidence=request.evidence.select(drawn), planned=planned)


def _certified(
    run: SequentialRun,
    threshold: LevelThresholds,
    due: Mapping[int, LevelThresholds],
    error_rate: float,
) -> bool:
    """Below this threshold and every higher one: one wrong wager alone clears nothing."""
    higher = [t for t in run.plan.thresholds if t.level >= threshold.level]
    return {t.level for t in higher} == {k for k in due if k >= threshold.level} and all(
        t.effective <= due[t.level].effective + _TOLERANCE
        and _e_below(run, t) >= 1.0 / (HALF * error_rate)
        for t in higher
    )


def _leans(run: SequentialRun, threshold: LevelThresholds, effective: Mapping[int, float]) -> bool:
    return (
        threshold.effective <= effective[threshold.level] + _TOLERANCE
        and run.clearing.probability_above(threshold.effective) < SCREEN_DOUBT
    )


def _shows(threshold: LevelThresholds, due: Mapping[int, LevelThresholds]) -> bool:
    return threshold.shown >= due[threshold.level].shown - _TOLERANCE


def _e_below(run: SequentialRun, threshold: LevelThresholds) -> float:
    wager = run.clearing_wager(threshold)
    return 0.0 if wager is None else wager.e_below


def _e_above(run: SequentialRun, threshold: LevelThresholds) -> float:
    """Evidence for a level of the model: it reaches 1 / alpha with half of alpha at most."""
    wager = run.showing_wager(threshold)
    return 0.0 if wager is None else HALF * wager.e_above


def _limits(run: SequentialRun, design: Design, error_rate: float) -> Limits:
    """One-sided limits of the model, half of each error rate for draws and half for the bank."""
    kind, half = run.plan.kind, HALF * error_rate
    low = run.showing.interval(2.0 * half)[0]
    # Additions bound a difference from above, and its own score is that of a rate.
    high = run.clearing.interval(2.0 * half)[1]
    least = lower_of_model(design, low, bounded_error(kind, half))
    return Limits(on_scale(kind, least), upper_of_model(design, high, half))


def _conditions(run: SequentialRun, *, whole: bool) -> tuple[Condition, ...]:
    asked, items = len(run.asked), len(run.plan.items)
    if run.plan.mode == "screen":
        text = (
            f"A screening of {asked} of {items} items: it may raise concern, and certifies nothing."
        )
        return (Condition("screening", text),)
    text = (
        f"Decided on {asked} of {items} items, drawn by a seed that the signed plan fixes: half of "
        f"the error rate is for the draws, half for these {items} items being a sample."
    )
    found = Condition("sequential", text, blocks=False)
    if whole:
        return (found,)
    text = (
        f"The draws were from {items} items, and the plan or the standard's design asks for "
        "another number: nothing is ruled out."
    )
    return (found, Condition("other_bank", text))
