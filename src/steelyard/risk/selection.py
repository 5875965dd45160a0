"""Selection: which indicators decide, on which records, and how many there should be.

Decides what belongs to an indicator: its protocol and version, the arms and
repeats that were declared. What these records show is for `rates` and
`horizon`, what follows for `determination`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence.integrity import Shape
from steelyard.risk.contrast import Study
from steelyard.risk.measurement import Request
from steelyard.standard import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from steelyard.evidence import Evidence
    from steelyard.risk.plan import Plan
    from steelyard.standard import Domain, Framework, Indicator


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one model: the evidence, the rule, the plan and the date.

    Attributes:
        shapes: What the samples of protocols can look like, by `protocol@version`.
    """

    evidence: Evidence
    framework: Framework
    plan: Plan | None
    as_of: datetime
    shapes: Mapping[str, Shape] = field(default_factory=dict[str, Shape])


def active_indicators(domain: Domain, question: Question) -> list[Indicator]:
    """The indicators that decide: the core, and what else is planned or has any record.

    What was planned counts even without a record, so that dropping all of a
    protocol's results cannot lower a level.
    """
    indicators = question.framework.indicators
    planned = {protocol for protocol, _ in question.plan.samples} if question.plan else set[str]()
    recorded = set(question.evidence.columns["indicator"].tolist())
    further = [
        name
        for name in domain.supporting
        if name in recorded or indicators[name].protocol in planned
    ]
    return [indicators[name] for name in (*domain.indicators, *further)]


def planned_samples(indicator: Indicator, plan: Plan | None) -> dict[str, int]:
    """Samples each arm should have: the plan's or the standard's design, the larger.

    An indicator fed by imports counts every protocol that the plan declares for
    it, so that leaving out all of one protocol's records leaves a gap. Only a bank
    of timed tasks has no number of its own: `horizon` asks for enough answers.
    """
    own = indicator.kind != "horizon"
    floor = indicator.planned_items * planned_repeats(indicator, plan) if own else 0
    declared = declared_samples(indicator, plan)
    return {arm: max(floor, declared[arm]) for arm in indicator.arms.values()}


def declared_samples(indicator: Indicator, plan: Plan | None) -> Counter[str]:
    """Samples that the plan declares for an indicator, by arm, further arms included."""
    declared = Counter[str]()
    if plan is not None:
        for (protocol, arm), samples in plan.samples.items():
            if indicator.protocol == protocol or (
                indicator.protocol == IMPORTED and plan.may_feed(protocol, arm, indicator.id)
            ):
                declared[arm] += samples
    return declared


def planned_repeats(indicator: Indicator, plan: Plan | None) -> int:
    """Repeats of each item that the plan declares for the indicator's protocol, else 1.

    Repeats that were not declared do not count: they would pass for items.
    """
    if plan is None:
        return 1
    arms = indicator.arms.values()
    return max([1, *(plan.epochs.get((indicator.protocol, arm), 1) for arm in arms)])


def study_of(indicator: Indicator, question: Question, competing: int = 1) -> Study:
    """An indicator's own records with all of their arms, ready to be measured.

    Args:
        indicator: What is measured.
        question: The evidence, the rule and the plan.
        competing: Parts that the error rate of showing a level is split into.
    """
    decision = question.framework.decision
    evidence, _, _ = own_records(indicator, question)
    request = Request(
        indicator=indicator,
        evidence=evidence,
        planned=planned_samples(indicator, question.plan),
        repeats=planned_repeats(indicator, question.plan),
        error_rate=ruling_error_rate(indicator, question.framework),
        showing_error_rate=decision.error_rate / competing,
        interval_level=decision.interval_level,
    )
    return Study(request, declared_samples(indicator, question.plan))


def ruling_error_rate(indicator: Indicator, framework: Framework) -> float:
    """Error rate at which an indicator rules a level out.

    A rule that needs k indicators at the level can be cleared by an error on any of
    those k, so each gets a k-th of what its design may spend.
    """
    return indicator.design.alpha / framework.domains[indicator.domain].largest_k


def own_records(indicator: Indicator, question: Question) -> tuple[Evidence, int, int]:
    """Records of the indicator's protocol and declared repeats, and how many of either are not."""
    fed = question.evidence.where(indicator=indicator.id, domain=indicator.domain)
    if indicator.protocol == IMPORTED:
        return fed, 0, 0
    own = fed.where(protocol=indicator.protocol, protocol_version=indicator.protocol_version)
    repeats = planned_repeats(indicator, question.plan)
    undeclared = np.array([e > repeats for e in own.columns["epoch"]], dtype=bool)
    return own.select(~undeclared), len(fed) - len(own), int(undeclared.sum())
