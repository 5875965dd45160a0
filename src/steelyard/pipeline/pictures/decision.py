"""The path of a sequential decision: how the evidence grew with each answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from steelyard.passport.report.charts import Axis
from steelyard.passport.report.curves import CurveChart, Mark, Series, ticks
from steelyard.pipeline.pictures.picture import Picture, named
from steelyard.risk.selection import planned_repeats
from steelyard.risk.sequential import item_answers, replay

if TYPE_CHECKING:
    from steelyard.evidence import Evidence
    from steelyard.risk import Plan
    from steelyard.risk.sequential import SequentialPlan, SequentialRun
    from steelyard.standard import Framework, Indicator


def decision_paths(evidence: Evidence, plan: Plan, framework: Framework) -> tuple[Picture, ...]:
    """How the evidence of each sequential test grew, one picture for each protocol."""
    found: list[Picture] = []
    for indicator in framework.indicators.values():
        row = plan.sequential.get(indicator.protocol)
        own = evidence.where(indicator=indicator.id)
        if row is None or not len(own):
            continue
        repeats = planned_repeats(indicator, plan)
        run = replay(row, item_answers(indicator, own, repeats))
        found.append(_decision_path(indicator, row, run))
    return tuple(found)


def _decision_path(indicator: Indicator, row: SequentialPlan, run: SequentialRun) -> Picture:
    places = {w.threshold: k for k, w in enumerate(run.clearing.wagers)}
    needed = math.log10(1.0 / row.alpha)
    top = max(needed + 1.0, 4.0)
    curves = [
        Series(
            f"below level {t.level}",
            tuple(
                (k + 1.0, _exponent(pairs[places[t.effective]][1], top))
                for k, pairs in enumerate(run.clearing.path)
            ),
        )
        for t in row.thresholds
        if t.effective in places
    ]
    asked = len(run.asked)
    chart = CurveChart(
        f"{indicator.title}: path of the decision",
        f"Evidence that the model is below each level after each of {asked} of {len(row.items)} "
        "items; a level is cleared where its curve reaches the dashed line.",
        ticks(0.0, float(max(asked, 10))),
        Axis(-2.0, top, tuple((v, f"1e{v:g}") for v in range(-2, int(top) + 1, 2))),
        "items asked",
        "e-value",
        tuple(curves),
        (Mark(f"cleared at an error of {row.alpha:g}", needed), Mark("no evidence", 0.0)),
    )
    return named("path", indicator, chart)


def _exponent(e_value: float, top: float) -> float:
    return min(top, max(-2.0, math.log10(e_value))) if e_value > 0.0 else -2.0
