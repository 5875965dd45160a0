"""The decision rule for one domain: a lower level has to be earned.

Null hypothesis: the model is at or above the level. The determined level is the
highest one that the domain's rule does not clear (`levels`), and no lower than
holding back allows (`holding_back`). It is `established` when level 0 was
earned, or when the rule's number of indicators is shown to reach the level;
otherwise `presumptive`. What safeguards leave of it is for `residual`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.kernel import days_after
from steelyard.risk.awareness import awareness_conditions
from steelyard.risk.circumstances import (
    import_conditions,
    plan_conditions,
    protocol_conditions,
    repeat_conditions,
    time_conditions,
)
from steelyard.risk.coverage import CoveringRound, covering_rounds, round_conditions
from steelyard.risk.effort import (
    counted_records,
    elicitation_conditions,
    plateau_conditions,
    shows_scaling_plateau,
)
from steelyard.risk.holding_back import Grounds, holding_back_condition, least_level
from steelyard.risk.horizon import measure_horizon
from steelyard.risk.integrity import record_conditions
from steelyard.risk.levels import (
    LevelTest,
    highest_not_ruled_out,
    highest_observed,
    level_tests,
    parts_of_showing,
    shown_at,
)
from steelyard.risk.margins import Freeboard, freeboard, latest_crossing_probability
from steelyard.risk.measurement import (
    Condition,
    Measurement,
    Request,
    unbounded,
    with_decision_of,
)
from steelyard.risk.rates import measure_paired_difference, measure_rate
from steelyard.risk.repeats import mixed_repeats
from steelyard.risk.residual import ResidualDetermination, determine_residual
from steelyard.risk.selection import Question, active_indicators, own_records, study_of
from steelyard.risk.sequential import measure_sequentially
from steelyard.risk.triggers import TriggerState, standing_triggers
from steelyard.standard import HIGHEST_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from steelyard.risk.contrast import Study
    from steelyard.standard import Decision, Domain, Indicator

MEASURES = {
    "paired_rate_difference": measure_paired_difference,
    "rate": measure_rate,
    "horizon": measure_horizon,
}


@dataclass(frozen=True, slots=True)
class Determination:
    """The level of one domain and everything needed to dispute it.

    Attributes:
        level: 0 to 3.
        status: `established`, `presumptive` or `undetermined`.
        observed_only_level: Level if missing data were ignored; never the claim.
        not_measured: Supporting indicators that were not planned and have no record.
        error_rate: Probability of clearing the domain wrongly, at most.
        residual: What the deployed safeguards leave of the level.
        re_evaluate_on: Changes after which it must be made anew, and which already hold.
        rounds: Indicators that a proficiency round covers, with that round.
    """

    domain: Domain
    level: int
    status: str
    observed_only_level: int
    error_rate: float
    measurements: tuple[Measurement, ...]
    not_measured: tuple[str, ...]
    tests: tuple[LevelTest, ...]
    freeboard: Freeboard
    conditions: tuple[Condition, ...]
    next_review: datetime
    residual: ResidualDetermination
    re_evaluate_on: tuple[TriggerState, ...]
    rounds: tuple[tuple[Indicator, CoveringRound], ...] = ()


def determine(domain: Domain, question: Question) -> Determination:
    """Determine the level of one domain."""
    decision = question.framework.decision
    expired = time_conditions(question)
    active = active_indicators(domain, question)
    parts = parts_of_showing(len(active), domain.rules)
    measurements = [_measure(i, question, parts, usable=not expired) for i in active]
    tests = [test for m in measurements for test in level_tests(m, decision)]
    level = highest_not_ruled_out(tests, domain.rules) if measurements else HIGHEST_LEVEL
    conditions = [
        *expired,
        *plan_conditions(question),
        *import_conditions(measurements),
        *record_conditions(question.evidence.where(domain=domain.id), question.shapes),
    ]
    if level == 0 and _tracked(measurements, decision):
        level = 1
        text = "Level 2 may be crossed before the next review, so the domain is tracked."
        conditions.append(Condition("tracked", text, blocks=False))
    verdicts = (c for m in measurements for c in m.conditions)
    level = max(level, least_level(verdicts, decision.holding_back))
    coverage = question.plan.coverage if question.plan is not None else None
    conditions += round_conditions(active, coverage)
    blocking = any(
        c.blocks for c in (*conditions, *(c for m in measurements for c in m.conditions))
    )
    boards = [freeboard(m, level, decision.review_days[level]) for m in measurements]
    return Determination(
        domain=domain,
        level=level,
        status=_status(level, measurements, domain, decision, blocked=blocking),
        observed_only_level=highest_observed(measurements, domain.rules, decision)
        if measurements
        else HIGHEST_LEVEL,
        error_rate=decision.error_rate,
        measurements=tuple(measurements),
        not_measured=tuple(n for n in domain.supporting if n not in {i.id for i in active}),
        tests=tuple(tests),
        freeboard=_least_freeboard(boards),
        conditions=tuple(conditions),
        next_review=days_after(question.as_of, decision.review_days[level]),
        residual=determine_residual(domain, level, question, usable=not expired),
        re_evaluate_on=standing_triggers(question.framework.triggers, boards),
        rounds=tuple(covering_rounds(active, coverage)),
    )


def _measure(indicator: Indicator, question: Question, parts: int, *, usable: bool) -> Measurement:
    """Measure an indicator that gets one of `parts` of the error rate of showing a level."""
    evidence, left_out, undeclared = own_records(indicator, question)
    study = study_of(indicator, question, parts)
    measurement = _measured(study.request, question)
    counted = counted_records(indicator, evidence)
    if not usable:
        nothing = unbounded(indicator)
        measurement = with_decision_of(measurement, nothing)
    elif counted is not None:
        fit = _measured(replace(study.request, evidence=counted), question)
        measurement = with_decision_of(measurement, fit)
    conditions = (
        *elicitation_conditions(indicator, evidence),
        *protocol_conditions(indicator, left_out),
        *repeat_conditions(undeclared),
        *_checks(study, measurement, question),
    )
    return replace(
        measurement,
        conditions=(*measurement.conditions, *conditions),
        mixed_repeats=mixed_repeats(evidence),
        plateau=shows_scaling_plateau(study, question.framework.decision.scaling),
    )


def _measured(request: Request, question: Question) -> Measurement:
    """By the fixed design, or by the sequential run that the plan declares."""
    indicator = request.indicator
    plan = question.plan.sequential.get(indicator.protocol) if question.plan else None
    if plan is None:
        return MEASURES[indicator.kind](request)
    return measure_sequentially(
        plan, request, MEASURES[indicator.kind], question.framework.decision
    )


def _checks(study: Study, measurement: Measurement, question: Question) -> Iterator[Condition]:
    """What further arms say: more tries, an evident test, holding back."""
    decision = question.framework.decision
    yield from plateau_conditions(study, measurement, decision.plateau)
    yield from awareness_conditions(study, decision.awareness)
    rule = decision.holding_back
    if study.indicator.claim in rule.claims:
        grounds = Grounds(study, measurement, _incentive_gap(question))
        yield holding_back_condition(grounds, rule)


def _incentive_gap(question: Question) -> Study | None:
    """The model's records under an incentive, from whatever domain has them, if any does."""
    framework = question.framework
    indicator = framework.indicators.get(framework.decision.holding_back.gap_indicator)
    if indicator is None:
        return None
    study = study_of(indicator, question)
    return study if study.has(study.arm("treatment")) else None


def _tracked(measurements: Sequence[Measurement], decision: Decision) -> bool:
    chances = [latest_crossing_probability(m, 2, decision.review_days[0]) for m in measurements]
    return any(c is not None and c > decision.tracked_probability for c in chances)


def _status(
    level: int,
    measurements: Sequence[Measurement],
    domain: Domain,
    decision: Decision,
    *,
    blocked: bool,
) -> str:
    if not measurements:
        return "undetermined"
    if blocked:
        return "presumptive"
    if level == 0 or shown_at(level, measurements, domain.rules[level], decision.error_rate):
        return "established"
    return "presumptive"


def _least_freeboard(boards: Sequence[Freeboard]) -> Freeboard:
    if not boards:
        return Freeboard(None, None, "logit", None, "The domain has no indicator.")
    return min(boards, key=lambda b: float("-inf") if b.distance is None else b.distance)
