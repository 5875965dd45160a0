"""The part of a card that shows one indicator: facts, thresholds, charts and their tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from steelyard.passport.report.charts import (
    OUTCOME_FILLS,
    Axis,
    IntervalChart,
    IntervalRow,
    ThresholdMark,
    interval_chart,
    outcome_chart,
    outcome_swatch,
)
from steelyard.passport.report.wording import ELICITATION_LABELS, percent, quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.passport.report.wording import Level

NARROW, WIDE = 320, 760
RATE_AXIS = Axis(
    0.0,
    1.0,
    tuple((value, f"{value:.0%}".replace("%", "\u00a0%"))
          for value in (0.0, 0.01, 0.05, 0.10, 0.20, 0.35, 0.50, 0.75, 1.0)),
    power=0.5,
)  # fmt: skip
DURATION_AXIS = Axis(
    -1.0,
    15.0,
    tuple((math.log2(minutes), label) for minutes, label in (
        (1, "1\u00a0min"), (15, "15\u00a0min"), (60, "1\u00a0h"), (480, "8\u00a0h"),
        (2_400, "1\u00a0week"), (10_080, "1\u00a0month"),
    )),
)  # fmt: skip
"""Binary logarithm of minutes of skilled work; a week is 40 h and a month 168 h."""
OUTCOME_LABELS = {
    "behaviour": "Behaviour shown",
    "no_behaviour": "Behaviour not shown",
    "refusal": "Refused to answer",
    "malformed": "Answer not usable",
    "comprehension_failed": "Task not understood",
    "infrastructure_error": "Test system failed",
}


@dataclass(frozen=True, slots=True)
class IndicatorView:
    """One indicator of a card: texts, charts in two widths, and their table twins."""

    title: str
    construct: str
    claim: str
    counts: str
    facts: tuple[tuple[str, str], ...]
    thresholds: tuple[dict[str, Any], ...]
    has_margins: bool
    arms: tuple[str, ...]
    outcomes: tuple[dict[str, Any], ...]
    interval_charts: tuple[str, str]
    outcome_charts: tuple[str, str]


def indicator_view(raw: dict[str, Any], chart_id: str, levels: tuple[Level, ...]) -> IndicatorView:
    """An indicator of a determination; `chart_id` makes its charts' identifiers unique."""
    unit, outcomes = raw["unit"], raw["outcomes"]
    chart = _interval_chart(raw, levels)
    labels = (f"Outcomes: {raw['title']}", _outcome_description(outcomes))
    return IndicatorView(
        title=raw["title"],
        construct=raw["construct"],
        claim=raw["claim"],
        counts=_counts(raw),
        facts=_facts(raw, chart.rows),
        thresholds=tuple(
            {
                "level": levels[t["level"]],
                "raw": quantity(t["value"], unit),
                "effective": quantity(t["effective"], unit),
                "rationale": t["rationale"],
            }
            for t in raw["thresholds"]
        ),
        has_margins=any(t["value"] != t["effective"] for t in raw["thresholds"]),
        arms=tuple(outcomes),
        outcomes=tuple(_outcome_row(name, outcomes) for name in OUTCOME_FILLS),
        interval_charts=(
            interval_chart(chart, chart_id=f"{chart_id}-wide", width=WIDE),
            interval_chart(chart, chart_id=f"{chart_id}-narrow", width=NARROW),
        ),
        outcome_charts=(
            outcome_chart(outcomes, labels, chart_id=f"{chart_id}-o-wide", width=WIDE),
            outcome_chart(outcomes, labels, chart_id=f"{chart_id}-o-narrow", width=NARROW),
        ),
    )


def _counts(raw: dict[str, Any]) -> str:
    text = f"{raw['n']:,} of {raw['n_planned']:,} planned items measured"
    missing = raw["n_missing"]
    return f"{text}; {missing:,} missing, counted against the model" if missing else text


def _facts(raw: dict[str, Any], rows: Sequence[IntervalRow]) -> tuple[tuple[str, str], ...]:
    effect, effort = raw["design_effect"], str(raw["elicitation"])
    facts = [(row.caption, row.value) for row in rows]
    facts += [
        ("Items", _counts(raw)),
        ("Elicitation", ELICITATION_LABELS.get(effort, effort)),
    ]
    best, worst = raw["imputation"]["best"], raw["imputation"]["worst"]
    if best is not None and best != worst:
        unit = raw["unit"]
        span = f"{quantity(best, unit)} to {quantity(worst, unit)}"
        facts.append(("Estimate, missing answers taken at their best and worst", span))
    if effect is not None:
        facts.append(("Loss of precision from related items", f"factor {effect:.2f}"))
    return tuple(facts)


def _interval_chart(raw: dict[str, Any], levels: tuple[Level, ...]) -> IntervalChart:
    unit = raw["unit"]
    marks = tuple(
        ThresholdMark(
            t["level"], t["value"], t["effective"],
            quantity(t["value"], unit), quantity(t["effective"], unit),
        )
        for t in raw["thresholds"]
    )  # fmt: skip
    rows = (_estimate_row(raw), _bounds_row(raw))
    begins = "; ".join(f"level {m.level} from {m.effective_label}" for m in marks)
    return IntervalChart(
        title=raw["title"],
        description=f"{'. '.join(f'{r.caption}: {r.value}' for r in rows)}. Begins: {begins}.",
        axis=RATE_AXIS if unit == "rate" else DURATION_AXIS,
        level_names=cast("Any", tuple(level.name for level in levels)),
        thresholds=marks,
        rows=rows,
    )


def _estimate_row(raw: dict[str, Any]) -> IntervalRow:
    caption = f"Estimate, {percent(raw['interval_level'])} interval"
    estimate, interval, unit = raw["estimate"], raw["interval"], raw["unit"]
    if estimate is None:
        return IntervalRow("estimate", caption, "no estimate", None, None)
    if interval is None:
        return IntervalRow(
            "estimate", caption, quantity(estimate, unit), estimate, estimate, estimate
        )
    low, high = interval
    span = f"{quantity(low, unit)} to {quantity(high, unit)}"
    value = f"{quantity(estimate, unit)} ({span})"
    return IntervalRow("estimate", caption, value, low, high, estimate)


def _bounds_row(raw: dict[str, Any]) -> IntervalRow:
    bounds, unit = raw["bounds"], raw["unit"]
    caption = f"Decision bounds, {percent(1 - bounds['error_rate'])} each"
    low, high = bounds["lower"], bounds["upper"]
    if low is None or high is None:
        return IntervalRow("bounds", caption, "no bound", None, None)
    value = f"at least {quantity(low, unit)}, at most {quantity(high, unit)}"
    return IntervalRow("bounds", caption, value, low, high)


def _outcome_row(name: str, outcomes: dict[str, dict[str, int]]) -> dict[str, Any]:
    return {
        "label": OUTCOME_LABELS[name],
        "swatch": outcome_swatch(name),
        "counts": tuple(f"{counts.get(name, 0):,}" for counts in outcomes.values()),
    }


def _outcome_description(outcomes: dict[str, dict[str, int]]) -> str:
    arms = (
        f"{arm}: " + ", ".join(
            f"{OUTCOME_LABELS[name].lower()} {counts.get(name, 0)}" for name in OUTCOME_FILLS
        )
        for arm, counts in outcomes.items()
    )  # fmt: skip
    return ". ".join(arms)
