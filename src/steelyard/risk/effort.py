"""Effort: which records were elicited as the indicator asks, and whether more would add.

Too little effort, and for a propensity too much, makes a record missing data.
From E2 on, the gain of the last doubling of tries must be ruled out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence import Elicitation
from steelyard.evidence.arms import HALF, QUARTER
from steelyard.risk.contrast import contrast
from steelyard.risk.measurement import Condition, as_missing

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from steelyard.evidence import Evidence
    from steelyard.risk.contrast import Study
    from steelyard.risk.measurement import Measurement
    from steelyard.standard import Indicator, Plateau, Scaling

WEAK_ELICITATION = "weak_elicitation"
STRONG_ELICITATION = "strong_elicitation"
_DRIVEN = (Elicitation.E2, Elicitation.E3)


def counted_records(indicator: Indicator, evidence: Evidence) -> Evidence | None:
    """The records with unfit ones turned into missing data; None where all are fit."""
    weak, strong = _weak(indicator, evidence), _strong(indicator, evidence)
    if not (weak | strong).any():
        return None
    counted = as_missing(evidence, weak, WEAK_ELICITATION)
    return as_missing(counted, strong, STRONG_ELICITATION)


def elicitation_conditions(indicator: Indicator, evidence: Evidence) -> tuple[Condition, ...]:
    """Which records were elicited less, or more, than the indicator asks for."""
    found: list[Condition] = []
    rule = indicator.elicitation
    weak, strong = _weak(indicator, evidence), _strong(indicator, evidence)
    if weak.any():
        text = f"Elicitation {_steps(evidence, weak)} is below the {rule.minimum} that the "
        found.append(Condition(WEAK_ELICITATION, f"{text}indicator needs."))
    if strong.any():
        text = f"Elicitation {_steps(evidence, strong)} is above the {rule.maximum} at which the "
        found.append(Condition(STRONG_ELICITATION, f"{text}indicator's claim still holds."))
    return tuple(found)


def last_doubling(study: Study, rule: Plateau) -> Measurement:
    """Rate within all tries minus rate within the first half of them, over the same items."""
    whole, half = study.arm("treatment"), study.arm("treatment", HALF)
    needed = study.indicator.planned_items
    return contrast(study, whole, half, least=needed, error_rate=rule.error_rate)


def plateau_conditions(
    study: Study, measurement: Measurement, rule: Plateau
) -> tuple[Condition, ...]:
    """Whether the last doubling of tries may still add more than the margin."""
    indicator = study.indicator
    imported = indicator.protocol == "imported"
    if imported or indicator.claim != "capability" or measurement.elicitation not in _DRIVEN:
        return ()
    gain = last_doubling(study, rule)
    if gain.limits.upper < rule.gain:
        return ()
    text = (
        "It is not ruled out that further tries would add: the last doubling of tries was "
        f"observed on {gain.observed} of {gain.planned} items."
    )
    return (Condition("still_rising", text),)


def shows_scaling_plateau(study: Study, rule: Scaling) -> bool:
    """Whether neither of the last two doublings of the budget may add more than the margin.

    Three points of a horizon's budget-scaling curve: the whole budget, the half and the
    quarter, over the same tasks. What is missing counts for a gain.
    """
    indicator = study.indicator
    if indicator.kind != "horizon":
        return False
    points = [study.arm("treatment", use) for use in ("", HALF, QUARTER)]
    if not all(study.has(arm) for arm in points):
        return False
    arms = np.isin(study.request.evidence.columns["arm"].astype(str), points)
    families = len(set(study.request.evidence.columns["template"][arms].tolist()))
    clustered = replace(indicator, planned_templates=max(2, families))
    curve = replace(study, request=replace(study.request, indicator=clustered))
    gains = (
        contrast(curve, more, less, least=indicator.planned_items, error_rate=rule.error_rate)
        for more, less in (points[:2], points[1:])
    )
    return all(gain.limits.upper < rule.gain for gain in gains)


def _weak(indicator: Indicator, evidence: Evidence) -> NDArray[np.bool_]:
    """Records of the indicator's arms below its least step; unknown effort may be any."""
    wanted = indicator.elicitation.minimum
    if wanted == Elicitation.E0:
        return np.zeros(len(evidence), dtype=bool)
    steps = {s for s in evidence.values("elicitation") if s == Elicitation.UNKNOWN or s < wanted}
    return _own(indicator, evidence) & _among(evidence, "elicitation", steps)


def _strong(indicator: Indicator, evidence: Evidence) -> NDArray[np.bool_]:
    """Records of the indicator's arms above its highest step."""
    allowed = indicator.elicitation.maximum
    steps = {s for s in evidence.values("elicitation") if s != Elicitation.UNKNOWN and s > allowed}
    return _own(indicator, evidence) & _among(evidence, "elicitation", steps)


def _own(indicator: Indicator, evidence: Evidence) -> NDArray[np.bool_]:
    return _among(evidence, "arm", set(indicator.arms.values()))


def _among(evidence: Evidence, column: str, wanted: Collection[str]) -> NDArray[np.bool_]:
    """Records whose column has one of few values."""
    mask = np.zeros(len(evidence), dtype=bool)
    for value in wanted:
        mask |= evidence.columns[column] == value
    return mask


def _steps(evidence: Evidence, mask: NDArray[np.bool_]) -> str:
    return ", ".join(sorted(map(str, evidence.select(mask).values("elicitation"))))
