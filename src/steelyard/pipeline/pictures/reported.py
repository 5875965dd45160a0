"""The curves of a report: what the run's own designs could decide, and what its tasks show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.pipeline.pictures.design import power_picture, run_cost_picture
from steelyard.pipeline.pictures.horizon import horizon_picture
from steelyard.pipeline.pictures.information import information_picture
from steelyard.risk.levels import LEVELS
from steelyard.risk.margins import rate_threshold
from steelyard.risk.selection import declared_samples, planned_repeats, ruling_error_rate
from steelyard.stats import Design

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from steelyard.evidence import Evidence
    from steelyard.pipeline.pictures.picture import Picture
    from steelyard.risk import Plan
    from steelyard.risk.banks.item_bank import Bank
    from steelyard.standard import Framework, Indicator

LARGEST_SIMULATED = 400
"""Items of a bank above which simulating runs would take longer than the run."""


def reported_curves(
    evidence: Evidence, plan: Plan, framework: Framework, banks: Iterable[Bank]
) -> Iterator[Picture]:
    """Horizons, the power or the cost of each core indicator's design, and the banks used.

    Args:
        evidence: Records of the model.
        plan: What was declared.
        framework: The framework of the release.
        banks: Item banks that steered the draws.
    """
    core = {name for domain in framework.domains.values() for name in domain.indicators}
    for name in sorted(core & set(evidence.values("indicator"))):
        indicator = framework.indicators[name]
        if indicator.kind == "horizon":
            yield horizon_picture(evidence.where(indicator=name), indicator)
        else:
            yield from _of_rate(indicator, plan, framework)
    for bank in banks:
        yield information_picture(bank)


def _of_rate(indicator: Indicator, plan: Plan, framework: Framework) -> Iterator[Picture]:
    """What the run's own design could clear, or what it would have asked of other models."""
    begins = {k: rate_threshold(indicator, k, plan.elicitation) for k in LEVELS}
    run = plan.sequential.get(indicator.protocol)
    if run is not None:
        if run.mode == "certify" and len(run.items) <= LARGEST_SIMULATED:
            yield run_cost_picture(indicator, begins, run)
        return
    arm, repeats = indicator.arms["treatment"], planned_repeats(indicator, plan)
    samples = declared_samples(indicator, plan)[arm]
    if samples >= indicator.planned_items * repeats:
        floor = indicator.intracluster_correlation_floor
        design = Design(samples, indicator.planned_templates, floor, repeats)
        yield power_picture(indicator, begins, design, ruling_error_rate(indicator, framework))
