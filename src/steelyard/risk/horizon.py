"""Measuring a time horizon from scored tasks of known human length.

Weights give each template (benchmark) total weight sqrt(number of its tasks),
as the published fits do. For the decision limits a missing answer counts as a
success (upper) or a failure (lower); absent planned tasks count as successes
at the longest length seen.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from steelyard.risk.measurement import (
    Condition,
    Limits,
    Measurement,
    Request,
    lowest_elicitation,
    missing_conditions,
    unbounded,
)
from steelyard.stats import HorizonFit, fit_horizon

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.evidence import Evidence

_MINUTES = "human_minutes"


def measure_horizon(request: Request) -> Measurement:
    """Measure the 50 % horizon in log2 of human minutes.

    Fewer usable answers than the indicator plans, or data that no falling curve
    fits, leave the limits unbounded: nothing is then ruled out.
    """
    indicator = request.indicator
    arm = indicator.arms["treatment"]
    every = request.evidence.where(arm=arm)
    usable = every.select(_has_length(every))
    scores = np.array([math.nan if s is None else s for s in usable.columns["score"]], dtype=float)
    seen = ~np.isnan(scores)
    fit = _fit(usable.select(seen), scores[seen])
    enough = int(seen.sum()) >= indicator.planned_items
    absent = max(0, request.planned.get(arm, 0) - len(every))
    conditions = [
        *missing_conditions(usable.outcomes(), absent),
        *_size_conditions(request, int(seen.sum()), len(every) - len(usable), fit),
    ]
    bounded = fit is not None and enough
    tail = (1.0 - request.interval_level) / 2.0
    return Measurement(
        indicator=indicator,
        estimate=fit.log2_minutes if fit else None,
        interval=(fit.limit(tail), fit.limit(1.0 - tail)) if fit else None,
        limits=_worst_case(request, usable, scores, absent) if bounded else unbounded(indicator),
        observed_limits=_limits(fit, fit, request) if bounded else unbounded(indicator),
        observed=int(seen.sum()),
        planned=max(indicator.planned_items, len(usable) + absent),
        elicitation=lowest_elicitation(every, complete=absent == 0),
        outcomes={arm: every.outcomes()},
        conditions=tuple(conditions),
        standard_error=fit.standard_error if fit else None,
    )


def _has_length(evidence: Evidence) -> NDArray[np.bool_]:
    lengths = [c.get(_MINUTES, 0.0) for c in evidence.columns["covariates"]]
    return np.array([length > 0 for length in lengths], dtype=bool)


def _fit(evidence: Evidence, scores: NDArray[np.float64], absent: int = 0) -> HorizonFit | None:
    if len(evidence) == 0:
        return None
    minutes = np.array([c[_MINUTES] for c in evidence.columns["covariates"]], dtype=float)
    templates = evidence.columns["template"].tolist()
    sizes = Counter(templates)
    weights = np.array([1.0 / math.sqrt(sizes[name]) for name in templates])
    lengths = np.log2(minutes)
    if absent:
        lengths = np.append(lengths, np.full(absent, lengths.max()))
        scores = np.append(scores, np.ones(absent))
        weights = np.append(weights, np.full(absent, weights.max()))
    return fit_horizon(lengths, scores, weights)


def _worst_case(
    request: Request, usable: Evidence, scores: NDArray[np.float64], absent: int
) -> Limits:
    high = _fit(usable, np.nan_to_num(scores, nan=1.0), absent)
    low = _fit(usable, np.nan_to_num(scores, nan=0.0))
    return _limits(low, high, request)


def _limits(low: HorizonFit | None, high: HorizonFit | None, request: Request) -> Limits:
    return Limits(
        lower=low.limit(request.showing_error_rate) if low else -math.inf,
        upper=high.limit(1.0 - request.error_rate) if high else math.inf,
    )


def _size_conditions(
    request: Request, seen: int, without_length: int, fit: HorizonFit | None
) -> list[Condition]:
    found: list[Condition] = []
    if seen < request.indicator.planned_items:
        wanted = request.indicator.planned_items
        text = f"{seen} usable tasks; the indicator asks for {wanted}."
        found.append(Condition("undersized", text))
    elif fit is None:
        text = "No success curve that falls with task length fits the answers."
        found.append(Condition("no_fit", text))
    if without_length:
        text = f"{without_length} tasks without a human length were left out."
        found.append(Condition("no_length", text, blocks=False))
    return found
