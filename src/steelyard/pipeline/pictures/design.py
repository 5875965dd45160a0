"""What a design can do: the items a certification asks, the levels a fixed design clears.

Cost is simulated with the sequential run's own code. Power is that of the fixed design under
independent samples.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steelyard.passport.report.charts import Axis
from steelyard.passport.report.curves import CurveChart, Series, curve_chart, ticks
from steelyard.pipeline.pictures.picture import Picture, level_marks
from steelyard.risk.levels import LEVELS
from steelyard.risk.sequential import (
    HALF,
    ItemAnswer,
    Limits01,
    SequentialPlan,
    SequentialRun,
    bank_design,
    clearing_rate,
    level_thresholds,
    shown_score,
)
from steelyard.stats import Design

if TYPE_CHECKING:
    from steelyard.standard import Indicator

_RATES = np.linspace(0.0, 1.0, 41)
_SEEDS = 3
_COARSE = 13  # rates in a report, where a picture must not take longer than the run


def cost_picture(indicator: Indicator, alpha: float) -> Picture:
    """Items that a certification asks, by the model's true rate."""
    count = indicator.planned_items
    row = SequentialPlan(
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
            {k: indicator.threshold(k) for k in LEVELS},
            bank_design(indicator, count, 1),
            ruling_error_rate=alpha,
            showing_error_rate=alpha,
        ),
    )
    return _cost_curve(indicator, row, _RATES, _SEEDS, "cost")


def run_cost_picture(indicator: Indicator, run: SequentialPlan) -> Picture:
    """The same for the plan of a run, at fewer rates."""
    name = f"cost-{indicator.id.replace('.', '-')}"
    return _cost_curve(indicator, run, np.linspace(0.0, 1.0, _COARSE), 1, name)


def _cost_curve(
    indicator: Indicator, row: SequentialPlan, rates: np.ndarray, seeds: int, name: str
) -> Picture:
    count = len(row.items)
    points = tuple((float(r), float(np.mean(_asked(row, float(r), seeds)))) for r in rates)
    chart = CurveChart(
        f"{indicator.title}: cost of a certification",
        f"Items asked of {count}, by the bank's rate; most where the rate lies at a threshold.",
        ticks(0.0, 1.0),
        ticks(0.0, float(count)),
        "true rate",
        "items",
        (Series("certify", points), Series("full", ((0.0, float(count)), (1.0, float(count))))),
        level_marks(indicator),
    )
    return Picture(name, chart.title, curve_chart(chart, chart_id=name))


def _asked(row: SequentialPlan, rate: float, seeds: int) -> list[int]:
    found: list[int] = []
    places = {item: k for k, item in enumerate(row.items)}
    for number in range(seeds):
        random = np.random.default_rng([number, round(1e6 * rate)])
        behaves = random.permutation(len(row.items)) < round(rate * len(row.items))
        run = SequentialRun(replace(row, seed=row.seed ^ (number + 1)))
        while items := run.next_items():
            for item in items:
                score = float(behaves[places[item]])
                shown = shown_score(row.kind, score)
                run.record(ItemAnswer(Limits01(score, score), Limits01(shown, shown)))
        found.append(len(run.asked))
    return found


def power_picture(indicator: Indicator, alpha: float) -> Picture:
    """Probability that the fixed design clears each level, by the true rate."""
    count = indicator.planned_items
    design = Design(count, indicator.planned_templates, indicator.intracluster_correlation_floor)
    share = 0.5 if indicator.kind == "paired_rate_difference" else 1.0
    series: list[Series] = []
    for level in LEVELS:
        mean = clearing_rate(design, indicator.threshold(level), share * alpha)
        most = round(mean * count) - 1
        points = ((float(r), _binomial_cdf(most, count, float(r))) for r in _RATES**2)
        series.append(Series(f"clears level {level}", tuple(points)))
    chart = CurveChart(
        f"{indicator.title}: power of the fixed design",
        f"Probability that {count} items clear each level at an error of {alpha:g}, by the true "
        "rate of the behaviour, samples independent and the control without any.",
        Axis(0.0, 1.0, ticks(0.0, 1.0).ticks, power=0.5),
        ticks(0.0, 1.0),
        "true rate (square-root scale)",
        "probability",
        tuple(series),
        level_marks(indicator),
    )
    name = f"power-{indicator.id.replace('.', '-')}"
    return Picture(name, chart.title, curve_chart(chart, chart_id=name))


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
