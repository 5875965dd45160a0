"""Levels from measurements: which are ruled out, and whether one is shown.

Clearing a level takes all but k - 1 of n indicators (intersection-union test,
Berger 1982); showing it takes k. One rejected k-th alpha each, or one shown at
alpha / (n - k + 1) each, keeps the error of the whole at alpha. Derivation:
docs/explanation/decision-rule.md, section Rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.risk.margins import effective_threshold
from steelyard.standard import HIGHEST_LEVEL
from steelyard.stats import mean_e_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.risk.measurement import Measurement
    from steelyard.standard import Decision, Rule

LEVELS = tuple(range(1, HIGHEST_LEVEL + 1))


@dataclass(frozen=True, slots=True)
class LevelTest:
    """One comparison of the error budget: whether `level` is ruled out on an indicator."""

    indicator: str
    level: int
    bound: float
    threshold: float
    effective: float
    ruled_out: bool
    e_value: float | None = None


def level_tests(measurement: Measurement, decision: Decision) -> list[LevelTest]:
    """Hold a measurement's upper limit against the effective threshold of every level."""
    return [
        LevelTest(
            indicator=measurement.indicator.id,
            level=level,
            bound=measurement.limits.upper,
            threshold=measurement.indicator.threshold(level),
            effective=(effective := effective_at(measurement, level, decision)),
            ruled_out=_ruled_out(measurement, level, effective),
            e_value=measurement.e_below.get(level) if measurement.e_below is not None else None,
        )
        for level in LEVELS
    ]


def _ruled_out(measurement: Measurement, level: int, effective: float) -> bool:
    if measurement.ruled_out is None:
        return measurement.limits.upper < effective
    return measurement.ruled_out.get(level, False)


def effective_at(measurement: Measurement, level: int, decision: Decision) -> float:
    """Effective threshold; the review period is that of the level below, which is claimed."""
    return effective_threshold(measurement, level, decision.review_days[level - 1])


def highest_not_ruled_out(tests: Sequence[LevelTest], rules: Mapping[int, Rule]) -> int:
    """The highest level that its rule does not clear."""
    verdicts = {level: [t.ruled_out for t in tests if t.level == level] for level in LEVELS}
    return _highest_open(verdicts, rules)


def highest_observed(
    measurements: Sequence[Measurement], rules: Mapping[int, Rule], decision: Decision
) -> int:
    """The same if missing data were left out; never the claim."""
    verdicts = {
        level: [
            m.observed_limits.upper < effective_at(m, level, decision)
            if m.ruled_out is None
            else m.ruled_out.get(level, False)
            for m in measurements
        ]
        for level in LEVELS
    }
    return _highest_open(verdicts, rules)


def parts_of_showing(indicators: int, rules: Mapping[int, Rule]) -> int:
    """Parts that the error rate of showing a level is split into, at any level's rule."""
    return max(1, *(indicators - rule.k + 1 for rule in rules.values()))


def shown_at(
    level: int, measurements: Sequence[Measurement], rule: Rule, error_rate: float
) -> bool:
    """Whether as many indicators as the rule asks for are shown to be at or above a level.

    An indicator that brings e-values is judged by them alone. For a rule that one
    indicator satisfies, those of all count by their mean, an absent one as 0.
    """
    e_values = [_e_value(m, level) for m in measurements]
    if rule.k == 1 and mean_e_value(e_values) >= 1.0 / error_rate:
        return True
    parts = max(1, len(measurements) - rule.k + 1)
    by_limit = sum(
        m.e_above is None and m.limits.lower >= m.indicator.threshold(level) for m in measurements
    )
    return by_limit + sum(e >= parts / error_rate for e in e_values) >= rule.k


def _e_value(measurement: Measurement, level: int) -> float:
    return measurement.e_above.get(level, 0.0) if measurement.e_above is not None else 0.0


def _highest_open(verdicts: Mapping[int, Sequence[bool]], rules: Mapping[int, Rule]) -> int:
    """The highest level with fewer than n - k + 1 indicators below it."""
    return max(
        (
            level
            for level, below in verdicts.items()
            if sum(below) < max(1, len(below) - rules[level].k + 1)
        ),
        default=0,
    )
