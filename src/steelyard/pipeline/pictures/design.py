"""What a design can do: the items a certification asks, the levels a fixed design clears.

Cost is simulated with the sequential run's own code. Power is that of the fixed design under
independent samples.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from steelyard.passport.report.charts import Axis
from steelyard.passport.report.curves import CurveChart, Series, ticks
from steelyard.pipeline.pictures.picture import level_marks, named
from steelyard.pipeline.simulated import asked_items
from steelyard.risk.levels import LEVELS
from steelyard.risk.sequential import (
    HALF,
    SequentialPlan,
    bank_design,
    clearing_rate,
    level_thresholds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from steelyard.pipeline.pictures.picture import Picture
    from steelyard.standard import Indicator
    from steelyard.stats import Design

_RATES = np.linspace(0.0, 1.0, 41)
_SEEDS = 3
_FEW_RATES = np.linspace(0.0, 1.0, 13)  # in a report, which must not take longer than the run


def cost_picture(indicator: Indicator, alpha: float) -> Picture:
    """Items that a certification asks, by the model's true rate."""
    count = indicator.planned_items
    begins = {k: indicator.threshold(k) for k in LEVELS}
    plan = SequentialPlan(
        protocol=indicator.protocol,
        kind=indicator.kind,
        mode="certify",
        alpha=HALF * alpha,
        seed=1,
        wave=max(1, count // 40),
        budget=count,
        items=tuple(str(k) for k in range(count)),
        thresholds=level_thresholds(
            indicator,
            begins,
            bank_design(indicator, count, 1),
            ruling_error_rate=alpha,
            showing_error_rate=alpha,
        ),
    )
    return run_cost_picture(indicator, begins, plan, _RATES, _SEEDS)


def run_cost_picture(
    indicator: Indicator,
    begins: Mapping[int, float],
    plan: SequentialPlan,
    rates: NDArray[np.float64] = _FEW_RATES,
    seeds: int = 1,
) -> Picture:
    """Items that a run of a plan asks, by the model's true rate.

    Args:
        indicator: What is measured.
        begins: Where each level begins for this run, margins included.
        plan: What the run commits to.
        rates: True rates of the curve, shape [rates].
        seeds: Simulations at each rate.
    """
    count = len(plan.items)
    points = tuple(
        (float(r), float(np.mean([asked_items(plan, float(r), k) for k in range(seeds)])))
        for r in rates
    )
    chart = CurveChart(
        f"{indicator.title}: cost of a certification",
        f"Items asked of {count}, by the bank's rate; most where the rate lies at a threshold.",
        ticks(0.0, 1.0),
        ticks(0.0, float(count)),
        "true rate",
        "items",
        (Series("certify", points), Series("full", ((0.0, float(count)), (1.0, float(count))))),
        level_marks(begins),
    )
    return named("cost", indicator, chart)


def power_picture(
    indicator: Indicator, begins: Mapping[int, float], design: Design, alpha: float
) -> Picture:
    """Probability that a fixed design clears each level, by the true rate.

    Args:
        indicator: What is measured.
        begins: Where each level begins, margins included.
        design: Samples, templates and correlation.
        alpha: Error rate of ruling a level out.
    """
    count = design.samples
    share = 0.5 if indicator.kind == "paired_rate_difference" else 1.0
    series: list[Series] = []
    for level, threshold in begins.items():
        most = round(clearing_rate(design, threshold, share * alpha) * count) - 1
        points = ((float(r), _binomial_cdf(most, count, float(r))) for r in _RATES**2)
        series.append(Series(f"clears level {level}", tuple(points)))
    chart = CurveChart(
        f"{indicator.title}: power of the fixed design",
        f"Probability that {count} samples clear each level at an error of {alpha:g}, by the true "
        "rate of the behaviour, samples independent and the control without any.",
        Axis(0.0, 1.0, ticks(0.0, 1.0).ticks, power=0.5),
        ticks(0.0, 1.0),
        "true rate (square-root scale)",
        "probability",
        tuple(series),
        level_marks(begins),
    )
    return named("power", indicator, chart)


def _binomial_cdf(most: int, count: int, rate: float) -> float:
    if most < 0:
        return 0.0
    if rate in (0.0, 1.0):
        return float(rate == 0.0 or most >= count)
    k = np.arange(most + 1)
    steps = np.log(count - k[1:] + 1.0) - np.log(np.maximum(k[1:], 1))
    chosen = np.concatenate([[0.0], np.cumsum(steps)])
    return float(
        min(1.0, np.exp(chosen + k * math.log(rate) + (count - k) * math.log1p(-rate)).sum())
    )
