"""A measurement: one indicator's estimate, interval and decision limits.

`rates` and `horizon` produce measurements from records; `determination` holds
them against thresholds. The decision limits already count missing data against
the model; the estimate and its interval describe what was observed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.evidence import Elicitation, Evidence, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from steelyard.standard import Indicator


@dataclass(frozen=True, slots=True)
class Condition:
    """A circumstance that limits a claim; `code` is stable, `text` explains it.

    Attributes:
        blocks: Whether a determination under it can at best be presumptive.
    """

    code: str
    text: str
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """One-sided decision limits in the indicator's unit, worst case for missing data."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the evidence says about one indicator.

    Attributes:
        estimate: Point estimate over observed samples, None without any.
        interval: Two-sided interval of the estimate, None without any.
        limits: Decision limits with missing data counted against the model.
        observed_limits: The same with missing data left out.
        observed: Samples (pairs, for a difference) that were observed.
        planned: Samples that should have been.
        elicitation: Lowest elicitation step among the records.
        complete: Whether every planned record is there, whatever its outcome.
        outcomes: Count of each outcome by arm.
        standard_error: Of the estimate, where the kind has one.
        design_effect: Variance inflation by clusters, where the kind has one.
        imputed: Estimate if every missing answer were the best for the claim, and the worst;
            None where no such estimate exists.
        mixed_repeats: Share of repeated items that ended differently, None without repeats.
        plateau: Whether a budget-scaling curve shows that more effort adds little.
        e_above: E-value against "below the level" by level, where a sequential
            certification supplies them.
        e_below: The same against "at or above the level".
        ruled_out: Whether a sequential test rules each level out; None where limits decide.
    """

    indicator: Indicator
    estimate: float | None
    interval: tuple[float, float] | None
    limits: Limits
    observed_limits: Limits
    observed: int
    planned: int
    elicitation: Elicitation
    complete: bool
    outcomes: Mapping[str, Mapping[str, int]]
    conditions: tuple[Condition, ...]
    standard_error: float | None = None
    design_effect: float | None = None
    imputed: tuple[float, float] | None = None
    mixed_repeats: float | None = None
    plateau: bool = False
    e_above: Mapping[int, float] | None = None
    e_below: Mapping[int, float] | None = None
    ruled_out: Mapping[int, bool] | None = None

    @property
    def missing(self) -> int:
        """Planned samples that were not observed."""
        return self.planned - self.observed

    @property
    def charged(self) -> Elicitation:
        """The step whose margin is charged.

        An absent record could have been run at any effort, so it must not count
        as more than the least one.
        """
        return self.elicitation if self.complete else Elicitation.UNKNOWN


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure, and at which error rates.

    Attributes:
        evidence: All records of one model.
        planned: Samples planned per arm, by arm; the framework's design if larger.
        repeats: Planned samples per item.
        error_rate: One-sided error rate of the upper decision limit (ruling a level out).
        showing_error_rate: The same of the lower limit (showing a level), divided by
            the number of indicators that could each show it.
        interval_level: Confidence level of the displayed interval.
    """

    indicator: Indicator
    evidence: Evidence
    planned: Mapping[str, int]
    repeats: int
    error_rate: float
    showing_error_rate: float
    interval_level: float


def lowest_elicitation(evidence: Evidence) -> Elicitation:
    """The least effort among the records; unknown without any."""
    steps = set(evidence.columns["elicitation"].tolist())
    if not steps or Elicitation.UNKNOWN in steps:
        return Elicitation.UNKNOWN
    return Elicitation(min(steps))


def as_missing(evidence: Evidence, mask: NDArray[np.bool_], reason: str) -> Evidence:
    """The same records, those under `mask` turned into missing data for `reason`."""
    lost: dict[str, object] = {
        "outcome": Outcome.INFRASTRUCTURE_ERROR.value, "score": None, "reason": reason,
    }  # fmt: skip
    columns = dict(evidence.columns)
    for name, value in lost.items():
        columns[name] = columns[name].copy()
        columns[name][mask] = value
    return Evidence(columns)


def missing_conditions(outcomes: Mapping[str, int], absent: int) -> tuple[Condition, ...]:
    """Say which kinds of missing data there are; each was counted against the model."""
    texts = {
        Outcome.REFUSAL: "refused; a refusal shows neither the behaviour nor its absence",
        Outcome.MALFORMED: "gave no valid answer in the required form",
        Outcome.COMPREHENSION_FAILED: "failed the comprehension check",
        Outcome.INFRASTRUCTURE_ERROR: "failed for technical reasons (time-outs, errors, not run)",
    }
    total = sum(outcomes.values())
    found = [
        Condition(code.value, f"{outcomes[code]} of {total} samples {text}.", blocks=False)
        for code, text in texts.items()
        if outcomes[code]
    ]
    if absent > 0:
        text = f"{absent} samples that the plan or the standard's design asks for are absent."
        found.append(Condition("absent", text, blocks=False))
    return tuple(found)


def with_decision_of(measurement: Measurement, other: Measurement | Limits) -> Measurement:
    """A measurement that decides as another one does; bare limits decide by themselves."""
    if isinstance(other, Limits):
        return replace(
            measurement, limits=other, observed_limits=other, e_above=None, e_below=None,
            ruled_out=None,
        )  # fmt: skip
    return replace(
        measurement, limits=other.limits, observed_limits=other.observed_limits,
        e_above=other.e_above, e_below=other.e_below, ruled_out=other.ruled_out,
    )  # fmt: skip


def unbounded(indicator: Indicator) -> Limits:
    """Limits that rule nothing out."""
    if indicator.unit == "log2_minutes":
        return Limits(-math.inf, math.inf)
    return Limits(-1.0 if indicator.kind == "paired_rate_difference" else 0.0, 1.0)
