"""Measuring a time horizon from scored tasks of known human length.

Weights give each template (benchmark) total weight sqrt(number of its tasks),
as the published fits do. Estimate and interval come from the fitted curve; the
decision limits from `stats.horizon_limit`, where a missing answer counts
against the model. A planned task without any record has no known length, so
its answer could mean any horizon: then nothing is ruled out.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from steelyard.kernel.errors import MalformedEvidence
from steelyard.risk.measurement import (
    Condition,
    Limits,
    Measurement,
    Request,
    lowest_elicitation,
    missing_conditions,
    unbounded,
)
from steelyard.stats import (
    Answers,
    HorizonFit,
    fit_horizon,
    horizon_lower_limit,
    horizon_upper_limit,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.evidence import Evidence

_MINUTES = "human_minutes"
_SHORTEST_MINUTES, _LONGEST_MINUTES = 1e-3, 1e8


def measure_horizon(request: Request) -> Measurement:
    """Measure the 50 % horizon in log2 of human minutes.

    Fewer usable answers than the indicator plans, or a planned task without a
    record, leave the limits unbounded: nothing is then ruled out.
    """
    indicator = request.indicator
    arm = indicator.arms["treatment"]
    every = request.evidence.where(arm=arm)
    usable = every.select(_has_length(every))
    scores = np.array([math.nan if s is None else s for s in usable.columns["score"]], dtype=float)
    seen = ~np.isnan(scores)
    answered = _answers(usable.select(seen), scores[seen])
    fit = fit_horizon(answered.log2_minutes, answered.least, answered.weights)
    tasks = len(answered.weights)
    enough = tasks >= max(1, indicator.planned_items)
    absent = max(0, request.planned.get(arm, 0) - len(every))
    conditions = [
        *missing_conditions(usable.outcomes(), absent),
        *_size_conditions(request, tasks, len(every) - len(usable), fit),
    ]
    tail = (1.0 - request.interval_level) / 2.0
    return Measurement(
        indicator=indicator,
        estimate=fit.log2_minutes if fit else None,
        interval=(fit.limit(tail), fit.limit(1.0 - tail)) if fit else None,
        limits=_limits(_answers(usable, scores), request)
        if enough and absent == 0
        else unbounded(indicator),
        observed_limits=_limits(answered, request) if enough else unbounded(indicator),
        observed=int(seen.sum()),
        planned=max(indicator.planned_items, len(usable) + absent),
        elicitation=lowest_elicitation(every),
        complete=absent == 0,
        outcomes={arm: every.outcomes()},
        conditions=tuple(conditions),
        standard_error=fit.standard_error if fit else None,
        imputed=_imputed(_answers(usable, scores)) if absent == 0 else None,
    )


def _imputed(answers: Answers) -> tuple[float, float] | None:
    """Fitted horizon if every missing answer were failed, and if every one were solved."""
    fits = [
        fit_horizon(answers.log2_minutes, scores, answers.weights)
        for scores in (answers.least, answers.most)
    ]
    best, worst = (fit.log2_minutes if fit else None for fit in fits)
    return None if best is None or worst is None else (best, worst)


def _has_length(evidence: Evidence) -> NDArray[np.bool_]:
    """Which records carry a human length.

    Raises:
        MalformedEvidence: a length that no task has, which would only cost time.
    """
    lengths = [c.get(_MINUTES, 0.0) for c in evidence.columns["covariates"]]
    for length in lengths:
        if length > 0 and not _SHORTEST_MINUTES <= length <= _LONGEST_MINUTES:
            message = f"human_minutes {length!r} is outside 0.001 to 100,000,000"
            raise MalformedEvidence(message, where="covariates")
    return np.array([length > 0 for length in lengths], dtype=bool)


def _answers(evidence: Evidence, scores: NDArray[np.float64]) -> Answers:
    """One answer per task: the mean over its epochs, which are no independent tasks.

    Args:
        evidence: Records that state a length.
        scores: Their scores; one that is not a number can be anything from 0 to 1.
    """
    minutes = [c[_MINUTES] for c in evidence.columns["covariates"]]
    columns = (evidence.columns[name].tolist() for name in ("protocol", "item", "template"))
    order: dict[tuple[object, ...], int] = {}
    keys = zip(*columns, minutes, strict=True)
    index = np.array([order.setdefault(key, len(order)) for key in keys], dtype=np.intp)
    epochs = np.bincount(index, minlength=len(order))
    templates = [key[2] for key in order]
    sizes = Counter(templates)
    return Answers(
        log2_minutes=np.log2(np.array([key[3] for key in order], dtype=float)),
        least=np.bincount(index, np.nan_to_num(scores, nan=0.0), len(order)) / epochs,
        most=np.bincount(index, np.nan_to_num(scores, nan=1.0), len(order)) / epochs,
        weights=np.array([1.0 / math.sqrt(sizes[name]) for name in templates]),
    )


def _limits(answers: Answers, request: Request) -> Limits:
    return Limits(
        lower=horizon_lower_limit(answers, request.showing_error_rate),
        upper=horizon_upper_limit(answers, request.error_rate),
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
