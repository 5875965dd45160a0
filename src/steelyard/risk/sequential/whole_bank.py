"""From a bank to the model: what the whole bank must show before a level is ruled out.

Draws tell about the items of one bank; a level is a claim about the model, which could have
met other items. So a run certifies, at half of the error rate, that the whole bank would
clear the level at the other half by the limits of the fixed design (`stats.clustered`). As
nobody sees the clusters of answers that were never asked for, twice the correlation floor is
assumed. Derivation: docs/explanation/decision-rule.md, section Sequential runs.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from steelyard.risk.sequential.answers import on_scale, shown_score
from steelyard.risk.sequential.plan import LevelThresholds
from steelyard.stats import Design, monotone_lower_limit, monotone_upper_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from steelyard.standard import Indicator

HALF = 0.5
"""Share of an error rate that the draws spend; the whole bank spends the other half."""

_CORRELATION_FLOORS = 2.0


def bank_design(indicator: Indicator, items: int, repeats: int) -> Design:
    """The whole bank as a sample of a fixed design."""
    floor = min(1.0, _CORRELATION_FLOORS * indicator.intracluster_correlation_floor)
    return Design(items * repeats, indicator.planned_templates, floor, repeats)


def level_thresholds(
    indicator: Indicator,
    effective: Mapping[int, float],
    design: Design,
    *,
    ruling_error_rate: float,
    showing_error_rate: float,
) -> tuple[LevelThresholds, ...]:
    """Means over the bank that decide each level of the model.

    Args:
        indicator: Gives the levels and where they begin.
        effective: Threshold after margins, by level.
        design: The whole bank, from `bank_design`.
        ruling_error_rate: Of ruling a level out, draws included.
        showing_error_rate: Of showing one, draws included.
    """
    showing = bounded_error(indicator.kind, HALF * showing_error_rate)
    return tuple(
        LevelThresholds(
            level,
            clearing_rate(design, effective[level], HALF * ruling_error_rate),
            on_scale(
                indicator.kind,
                _showing_mean(
                    design, shown_score(indicator.kind, indicator.threshold(level)), showing
                ),
            ),
        )
        for level in sorted(effective)
    )


def bounded_error(kind: str, error_rate: float) -> float:
    """Error rate at which limits of yes/no scores hold for scores of an indicator.

    The score of a difference may lie between 0 and 1. A sum of such scores exceeds a value
    with at most e times the probability of a sum of yes/no scores of the same mean (Bentkus,
    Annals of Probability 32, 2004).
    """
    return error_rate if kind == "rate" else error_rate / math.e


def upper_of_model(design: Design, mean: float, error_rate: float) -> float:
    """Upper limit of the model's rate if the whole bank has the mean `mean`."""
    return monotone_upper_limit(
        _spread(math.ceil(mean * design.samples), design), design, error_rate
    )


def lower_of_model(design: Design, score: float, error_rate: float) -> float:
    """Lower limit of the model's mean score if the whole bank has the mean `score`."""
    others = design.samples - math.floor(score * design.samples)
    return monotone_lower_limit(_spread(others, design), design, error_rate)


@lru_cache(maxsize=1024)
def clearing_rate(design: Design, threshold: float, error_rate: float) -> float:
    """Mean below which the fixed design rules the threshold out; 0 where none does."""
    low, high = -1, design.samples
    while high - low > 1:
        middle = (low + high) // 2
        if monotone_upper_limit(_spread(middle, design), design, error_rate) < threshold:
            low = middle
        else:
            high = middle
    return (low + 1) / design.samples


def _showing_mean(design: Design, threshold: float, error_rate: float) -> float:
    """Mean above which the fixed design shows the threshold; 1 where none does."""
    return 1.0 - clearing_rate(design, math.nextafter(1.0 - threshold, 2.0), error_rate)


def _spread(events: int, design: Design) -> NDArray[np.int_]:
    """So many events over all clusters alike."""
    each, more = divmod(events, design.clusters)
    counts = np.full(design.clusters, each)
    counts[:more] += 1
    return counts
