"""Margins: from a threshold to the value that must be ruled out today.

T_eff = T - elicitation margin - progress margin. The elicitation margin is
charged on the log-odds scale for rates and in doublings for horizons; the
progress margin covers the days to the next review and is charged only where a
trend has been measured. Freeboard is the distance that remains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.stats import expit, logit, t_cdf

if TYPE_CHECKING:
    from steelyard.risk.measurement import Measurement
    from steelyard.standard import Indicator

_PROBABILITY_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Freeboard:
    """Distance from the decision limit to the next level.

    Attributes:
        to_level: The next level, None above the highest.
        distance: In `unit`; negative where the next level is not ruled out.
        unit: `logit` or `doublings`.
        probability_of_crossing: Chance that the level is reached before the next
            review, None where no trend has been measured.
        note: What the probability rests on, or why there is none.
    """

    to_level: int | None
    distance: float | None
    unit: str
    probability_of_crossing: float | None
    note: str


def effective_threshold(measurement: Measurement, level: int, review_days: int) -> float:
    """The value below which the indicator must lie for `level` to be ruled out.

    Args:
        measurement: Gives the indicator and the elicitation step that is charged.
        level: 1 to 3.
        review_days: Days until the next review.
    """
    indicator = measurement.indicator
    margin = elicitation_margin(measurement)
    threshold = indicator.threshold(level)
    if indicator.elicitation.margin_unit == "logit":
        return expit(logit(threshold) - margin)
    drift = review_days / indicator.progress.doubling_days if indicator.progress else 0.0
    return threshold - margin - drift


def rate_threshold(indicator: Indicator, level: int, step: str) -> float:
    """The effective threshold of a rate whose records are all of one elicitation step."""
    margins = indicator.elicitation.margins
    margin = margins.get(step, max(margins.values()))
    return expit(logit(indicator.threshold(level)) - margin)


def elicitation_margin(measurement: Measurement) -> float:
    """Margin charged for the elicitation step; the largest one for a step not listed.

    A plateau of the budget-scaling curve replaces it where every planned record is there.
    """
    rule = measurement.indicator.elicitation
    margin = rule.margins.get(measurement.charged.value, max(rule.margins.values()))
    if rule.plateau_margin is None or not (measurement.plateau and measurement.complete):
        return margin
    return min(margin, rule.plateau_margin)


def crossing_probability(measurement: Measurement, level: int, review_days: int) -> float | None:
    """Chance that the true horizon crosses `level` before the next review.

    P = F_t((drift - F) / sqrt(se^2 + s^2)) with F the freeboard in doublings
    after the elicitation margin, s the scatter around the trend, and t with the
    trend's own degrees of freedom. None for rates: no trend is measured.
    """
    indicator, progress = measurement.indicator, measurement.indicator.progress
    if progress is None or measurement.estimate is None or measurement.standard_error is None:
        return None
    margin = elicitation_margin(measurement)
    distance = indicator.threshold(level) - margin - measurement.estimate
    drift = review_days / progress.doubling_days
    spread = math.hypot(measurement.standard_error, progress.residual_sd_doublings)
    return t_cdf((drift - distance) / spread, progress.residual_degrees)


def latest_crossing_probability(
    measurement: Measurement, level: int, review_days: int
) -> float | None:
    """The same chance if the horizon were as long as the decision limit allows.

    Unlike `crossing_probability` it cannot fall when answers are left out, so a
    level may depend on it.
    """
    progress, upper = measurement.indicator.progress, measurement.limits.upper
    if progress is None:
        return None
    distance = effective_threshold(measurement, level, review_days) - upper
    return t_cdf(-distance / progress.residual_sd_doublings, progress.residual_degrees)


def freeboard(measurement: Measurement, level: int, review_days: int) -> Freeboard:
    """Distance of a measurement, placed at `level`, to the next one."""
    indicator = measurement.indicator
    unit = indicator.elicitation.margin_unit
    if level >= max(t.level for t in indicator.thresholds):
        return Freeboard(None, None, unit, None, "There is no higher level.")
    target = effective_threshold(measurement, level + 1, review_days)
    upper = measurement.limits.upper
    if unit == "logit":
        distance = logit(target) - logit(min(max(upper, _PROBABILITY_FLOOR), 1 - 1e-9))
        note = "No trend of this indicator has been measured, so no probability is given."
    else:
        distance = target - upper if math.isfinite(upper) else None
        note = indicator.progress.source if indicator.progress else "No trend has been measured."
    chance = crossing_probability(measurement, level + 1, review_days)
    return Freeboard(level + 1, distance, unit, chance, note)
