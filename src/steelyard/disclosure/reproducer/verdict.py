"""The verdict: affected, not affected, or undetermined with what is still needed.

Decides what results mean under a document's decision (spec/reproducer.md, section Verdict).
The unit is the variant. The estimand is the mean rate over variants less that of the control
arm. Missing tries widen the interval on both sides; a judge's errors shift and widen it.
Equations, assumptions, measured error rates: docs/explanation/am-i-affected.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from steelyard.disclosure.reproducer.limits import Arm, Limits
from steelyard.stats import JudgeErrors, lower_limit

if TYPE_CHECKING:
    from steelyard.disclosure.reproducer.document import Decision
    from steelyard.kernel import JsonObject

_MOST_VARIANTS: Final = 10_000
_LEAST_SHARE: Final = 1e-9
_DIGITS: Final = 9  # what every machine computes alike; the verdict is made before


class Verdict(StrEnum):
    """What a run says of its target."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not_affected"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Results:
    """All that a run showed.

    Attributes:
        treatment: The scenario's arm.
        control: The control arm, None where the document has none.
        judge: Counts of the judge on its labelled set, None without a judge.
    """

    treatment: Arm
    control: Arm | None = None
    judge: JudgeErrors | None = None

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms that there are."""
        return (self.treatment,) if self.control is None else (self.treatment, self.control)

    def judge_json(self) -> JsonObject | None:
        """Counts of the judge, as documents hold them."""
        judge = self.judge
        return judge and {name: getattr(judge, name) for name in JudgeErrors.__slots__}


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with what it rests on.

    Attributes:
        rate: Point estimate of the estimand; missing tries left out.
        lower: Lower limit, wrong with probability `alpha` at most.
        upper: Upper limit, wrong with probability `beta` at most.
        variants: Variants that it rests on.
        missing: Mean share of missing tries, the larger of both arms.
        needed: Variants in all that would decide, if the others are like these; None where
            the verdict stands, or where more variants alone would not decide.
        obstacle: Why more variants would not decide; empty otherwise.
    """

    verdict: Verdict
    rate: float
    lower: float
    upper: float
    variants: int
    missing: float
    needed: int | None
    obstacle: str


def judge_results(results: Results, decision: Decision) -> Finding:
    """The verdict on results.

    `affected` where the lower limit exceeds `p_tolerable`, else `not_affected` where the
    upper limit is below `p_affected`, else `undetermined`.
    """
    lower, upper = interval(results, decision)
    verdict = decide(lower, upper, decision)
    variants = results.treatment.variants
    needed, obstacle = None, ""
    if verdict is Verdict.UNDETERMINED:
        needed = _variants_needed(results, decision)
        obstacle = "" if needed is not None else _obstacle(results, decision)
    return Finding(
        verdict, round(estimate(results), _DIGITS), round(lower, _DIGITS), round(upper, _DIGITS),
        variants,
        max(arm.missing for arm in results.arms), needed, obstacle,
    )  # fmt: skip


def decide(lower: float, upper: float, decision: Decision) -> Verdict:
    """The verdict of an interval."""
    if lower > decision.p_tolerable:
        return Verdict.AFFECTED
    if upper < decision.p_affected:
        return Verdict.NOT_AFFECTED
    return Verdict.UNDETERMINED


def interval(results: Results, decision: Decision, factor: float = 1.0) -> tuple[float, float]:
    """Limits of the estimand; each holds with its own error rate.

    Args:
        results: What the run showed.
        decision: Its error rates are split evenly over the limits that a limit rests on.
        factor: As if there had been so many times the variants of the same kind.
    """
    limits = Limits.of(decision.p_tolerable, decision.p_affected, fixed=decision.method == "fixed")
    return (
        _lower(results, limits, decision.alpha, factor),
        _upper(results, limits, decision.beta, factor),
    )


def estimate(results: Results) -> float:
    """Point estimate: observed rates, corrected as Rogan and Gladen do, less the control's."""
    true = [_corrected(_observed(arm), results.judge) for arm in results.arms]
    return true[0] - (true[1] if len(true) > 1 else 0.0)


def _observed(arm: Arm) -> float:
    answered = 1.0 - (arm.highs - arm.lows)
    total = float(answered.sum())
    return float(arm.lows.sum()) / total if total else 0.0


def _corrected(rate: float, judge: JudgeErrors | None) -> float:
    """Rogan and Gladen, Am J Epidemiol 107, 1978; a judge by chance says nothing: 0.5."""
    if judge is None:
        return rate
    youden = judge.sensitivity + judge.specificity - 1.0
    return min(1.0, max(0.0, (rate + judge.specificity - 1.0) / youden)) if youden > 0.0 else 0.5


def _lower(results: Results, limits: Limits, error: float, factor: float) -> float:
    """Lower limit of the true excess rate.

    With a control arm, q1 - q0 = (p1 - p0) (s + c - 1) and s + c - 1 is at most 1, so that
    the apparent difference bounds the true one from below whatever the judge's errors are.
    """
    judge, control = results.judge, results.control
    if control is not None:
        part = error / 2.0
        high = limits.upper(control, part, factor)
        return max(-1.0, limits.lower(results.treatment, part, factor) - high)
    if judge is None:
        return limits.lower(results.treatment, error, factor)
    part = error / 2.0
    specificity = lower_limit(judge.cleared, judge.negatives, part)
    apparent = limits.lower(results.treatment, part, factor)
    if specificity <= 0.0:
        return 0.0
    return max(0.0, (apparent + specificity - 1.0) / specificity)


def _upper(results: Results, limits: Limits, error: float, factor: float) -> float:
    """Upper limit of the true excess rate: the smaller of two that rest on the same limits."""
    judge, control = results.judge, results.control
    part = error / (1 + (control is not None) + (0 if judge is None else 1 + (control is not None)))
    high = limits.upper(results.treatment, part, factor)
    low = limits.lower(control, part, factor) if control is not None else 0.0
    if judge is None:
        return high - low
    sensitivity = lower_limit(judge.detected, judge.positives, part)
    plain = min(1.0, high / sensitivity) if sensitivity > 0.0 else 1.0
    if control is None:
        return plain
    youden = sensitivity + lower_limit(judge.cleared, judge.negatives, part) - 1.0
    difference = (high - low) / youden if youden > 0.0 and high >= low else 1.0
    return min(plain, difference)


def _variants_needed(results: Results, decision: Decision) -> int | None:
    """Fewest variants that decide, if further ones are like those so far.

    Found by doubling and halving on the factor; the interval narrows as it grows. It is a
    forecast: about every second run needs more.
    """
    now = results.treatment.variants
    low, high = now, 2 * now
    while not _decided(results, decision, high / now):
        low, high = high, 2 * high
        if high > _MOST_VARIANTS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if _decided(results, decision, middle / now):
            high = middle
        else:
            low = middle
    return high


def _decided(results: Results, decision: Decision, factor: float) -> bool:
    return decide(*interval(results, decision, factor), decision) is not Verdict.UNDETERMINED


def _obstacle(results: Results, decision: Decision) -> str:
    """Why more of the same would not decide."""
    control = results.control
    whole = Results(
        _answered(results.treatment), None if control is None else _answered(control), results.judge
    )
    if any(arm.missing for arm in results.arms) and _variants_needed(whole, decision) is not None:
        return "missing tries leave both answers open"
    if results.judge is not None:
        return "the judge's labelled set is too small, or its errors are too many"
    return "the rate lies too near to a limit"


def _answered(arm: Arm) -> Arm:
    """The arm, had its missing tries been answered as the others were."""
    shares = arm.lows / np.maximum(1.0 - (arm.highs - arm.lows), _LEAST_SHARE)
    filled = np.minimum(1.0, shares)
    return Arm(filled, filled, arm.single)
