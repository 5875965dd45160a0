"""The curves of a report: what the run's own designs could decide, and what its tasks show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.pipeline.pictures.design import power_picture, run_cost_picture
from steelyard.pipeline.pictures.horizon import horizon_picture
from steelyard.pipeline.pictures.information import information_picture
from steelyard.risk.selection import ruling_error_rate
from steelyard.risk.sequential import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from steelyard.evidence import Evidence
    from steelyard.pipeline.pictures.picture import Picture
    from steelyard.risk import Plan
    from steelyard.risk.banks.item_bank import Bank
    from steelyard.standard import Framework

_SMALL_BANK = 400


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
        run = plan.sequential.get(indicator.protocol)
        if indicator.kind == "horizon":
            yield horizon_picture(evidence.where(indicator=name), indicator)
        elif run is not None and run.mode == "certify" and len(run.items) <= _SMALL_BANK:
            yield run_cost_picture(indicator, run)
        elif run is None and indicator.kind in KINDS:
            yield power_picture(indicator, ruling_error_rate(indicator, framework))
    for bank in banks:
        yield information_picture(bank)
