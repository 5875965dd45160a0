"""Pictures of decisions: what a run did, what one would cost, what a bank tells.

Computes the points and leaves the drawing to the report's charts. Power is that of the fixed
design under independent samples; cost is simulated with the sequential run's own code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.passport.report.charts import Axis
from steelyard.passport.report.curves import CurveChart, Mark, Series, curve_chart, ticks
from steelyard.risk.levels import LEVELS
from steelyard.risk.selection import planned_repeats
from steelyard.risk.sequential import (
    HALF,
    ItemAnswer,
    Limits01,
    SequentialPlan,
    SequentialRun,
    bank_design,
    clearing_rate,
    item_answers,
    level_thresholds,
    replay,
    shown_score,
)
from steelyard.stats import Design, fit_horizon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.evidence import Evidence
    from steelyard.risk import Plan
    from steelyard.risk.banks.item_bank import Bank
    from steelyard.standard import Framework, Indicator

_RATES = np.linspace(0.0, 1.0, 41)
_SEEDS = 3
_LARGEST_EXPONENT = 12.0
_FEW_CURVES = 5


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture ready to be shown: an id, its title, and SVG."""

    name: str
    title: str
    svg: str


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
    name = f"path-{indicator.id.replace('.', '-')}"
    return Picture(name, chart.title, curve_chart(chart, chart_id=name))


def _exponent(e_value: float, top: float) -> float:
    return min(top, max(-2.0, math.log10(e_value))) if e_value > 0.0 else -2.0


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
    points = tuple((float(r), float(np.mean(_asked(row, float(r))))) for r in _RATES)
    chart = CurveChart(
        f"{indicator.title}: cost of a certification",
        f"Items asked of {count}, by the bank's rate; most where the rate lies at a threshold.",
        ticks(0.0, 1.0),
        ticks(0.0, float(count)),
        "true rate",
        "items",
        (Series("certify", points), Series("full", ((0.0, float(count)), (1.0, float(count))))),
        _level_marks(indicator),
    )
    return Picture("cost", chart.title, curve_chart(chart, chart_id="cost"))


def _asked(row: SequentialPlan, rate: float) -> list[int]:
    found: list[int] = []
    for number in range(_SEEDS):
        random = np.random.default_rng([number, round(1e6 * rate)])
        behaves = random.permutation(len(row.items)) < round(rate * len(row.items))
        run = SequentialRun(row)
        while items := run.next_items():
            for item in items:
                score = float(behaves[int(item)])
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
        _level_marks(indicator),
    )
    return Picture("power", chart.title, curve_chart(chart, chart_id="power"))


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


def _level_marks(indicator: Indicator) -> tuple[Mark, ...]:
    return tuple(Mark(f"level {k}", indicator.threshold(k), upright=True) for k in LEVELS)


def horizon_picture(evidence: Evidence, indicator: Indicator) -> Picture:
    """Success by the minutes that people need, with the fitted curve of each model."""
    series: list[Series] = []
    models = evidence.values("model")[:_FEW_CURVES]
    grid = np.linspace(-4.0, 14.0, 73)
    for model in models:
        part = evidence.where(model=model)
        minutes = np.array([c.get("human_minutes", np.nan) for c in part.columns["covariates"]])
        scores = np.array([np.nan if s is None else s for s in part.columns["score"]], dtype=float)
        known = np.isfinite(minutes) & (minutes > 0) & np.isfinite(scores)
        families = part.columns["template"][known].astype(str)
        fit = fit_horizon(np.log2(minutes[known]), scores[known], _weights(families))
        if fit is None:
            continue
        odds = fit.intercept + fit.slope * grid
        shares = 0.5 * (1.0 + np.tanh(0.5 * odds))
        series.append(
            Series(model, tuple((float(x), float(y)) for x, y in zip(grid, shares, strict=True)))
        )
    labels = {-4: "4 s", 0: "1 min", 4: "16 min", 6: "1 h", 9: "8.5 h", 12: "3 d"}
    marks = (
        *(Mark(f"level {k}", indicator.threshold(k), upright=True) for k in LEVELS),
        Mark("one half: the horizon", 0.5),
    )
    chart = CurveChart(
        f"{indicator.title}: horizons",
        "Probability of success by the time that a skilled person needs, fitted by logistic "
        "regression; the horizon is where a curve crosses one half. No margin is in it.",
        Axis(-4.0, 14.0, tuple((float(k), v) for k, v in labels.items())),
        ticks(0.0, 1.0),
        "time that a skilled person needs",
        "success",
        tuple(series),
        marks,
    )
    return Picture("horizon", chart.title, curve_chart(chart, chart_id="horizon"))


def _weights(families: np.ndarray) -> np.ndarray:
    """One over the square root of a task's family size."""
    names, index, sizes = np.unique(families, return_inverse=True, return_counts=True)
    return 1.0 / np.sqrt(sizes[index]) if len(names) else np.ones(0)


def information_picture(bank: Bank) -> Picture:
    """What a bank's items tell, by ability: all together, and the most telling ones."""
    usable = [k for k, item in enumerate(bank.items) if item.measures]
    names = [bank.items[k].item for k in usable]
    grid = np.linspace(-4.0, 4.0, 81)
    told = bank.parameters.subset(usable).information(grid) if usable else np.zeros((81, 0))
    best = sorted(range(len(usable)), key=lambda k: -float(told[:, k].max()))[:4]
    curves: dict[str, np.ndarray] = {
        "all items": told.sum(axis=1),
        **{names[k]: told[:, k] for k in best},
    }
    top = max(1e-3, float(max(values.max() for values in curves.values())))
    chart = CurveChart(
        f"{bank.origin.id} {bank.origin.version} ({bank.origin.status}): information",
        f"Fisher information of {len(usable)} items by ability; one over its root is the standard "
        "error of an ability. The curves of single items are the four that tell most.",
        ticks(-4.0, 4.0, 8),
        ticks(0.0, top),
        "ability, in standard deviations of the models calibrated on",
        "information",
        _series(grid, curves),
    )
    return Picture("information", chart.title, curve_chart(chart, chart_id="information"))


def _series(grid: np.ndarray, curves: Mapping[str, np.ndarray]) -> tuple[Series, ...]:
    def points(values: np.ndarray) -> Sequence[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in zip(grid, values, strict=True)]

    return tuple(Series(name[:20], tuple(points(v))) for name, v in curves.items())


def joined(pictures: Sequence[Picture]) -> str:
    """Pictures as one SVG document, one below the other."""
    if len(pictures) == 1:
        return _standalone(pictures[0].svg)
    height = 400
    parts = "".join(
        f'<g transform="translate(0 {k * height})">{p.svg}</g>' for k, p in enumerate(pictures)
    )
    size = f'width="760" height="{height * len(pictures)}"'
    return _standalone(f"<svg {size}>{parts}</svg>")


def _standalone(svg: str) -> str:
    name = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"'
    return svg.replace("<svg ", f"<svg {name} ", 1) + "\n"
