"""Time horizons: success by the minutes that people need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steelyard.passport.report.charts import Axis
from steelyard.passport.report.curves import CurveChart, Mark, Series, ticks
from steelyard.pipeline.pictures.picture import Picture, level_marks, named
from steelyard.risk.levels import LEVELS
from steelyard.stats import fit_horizon

if TYPE_CHECKING:
    from steelyard.evidence import Evidence
    from steelyard.standard import Indicator

_FEW_CURVES = 5


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
        *level_marks({k: indicator.threshold(k) for k in LEVELS}),
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
    return named("horizon", indicator, chart)


def _weights(families: np.ndarray) -> np.ndarray:
    """One over the square root of a task's family size."""
    names, index, sizes = np.unique(families, return_inverse=True, return_counts=True)
    return 1.0 / np.sqrt(sizes[index]) if len(names) else np.ones(0)
