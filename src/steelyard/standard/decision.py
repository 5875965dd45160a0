"""The numbers of the decision rule as data: error rates, margins, attacks, triggers.

Names equal the keys of `spec/standard-framework.schema.json`. Nothing here
decides: `risk` applies them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.standard.indicator import SafeguardTest


@dataclass(frozen=True, slots=True)
class HoldingBack:
    """When a claim may be low although the model could hold back.

    Attributes:
        claims: Claims that holding back could make look too low.
        level_when_not_excluded: Their least level while it is not excluded.
        gap_indicator: Indicator whose paired difference is an incentive to hold back.
        chance: Failure rate that guessing gives on that indicator's items.
        margin: Improvement under noise that must be ruled out.
        lift: Gain from E1 to the first try at E2 that hints alone do not explain.
        least_pairs: Pairs that a comparison needs; fewer count as missing.
        error_rate: One-sided, of each comparison.
    """

    claims: tuple[str, ...]
    level_when_not_excluded: int
    gap_indicator: str
    chance: float
    margin: float
    lift: float
    least_pairs: int
    error_rate: float


@dataclass(frozen=True, slots=True)
class Awareness:
    """Difference between evident test and neutral notice that must be ruled out, and how surely."""

    margin: float
    least_pairs: int
    error_rate: float


@dataclass(frozen=True, slots=True)
class Plateau:
    """Gain of the last doubling of tries that must be ruled out, and how surely."""

    gain: float
    error_rate: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """When a budget-scaling curve of three points shows a plateau of a horizon.

    Attributes:
        gain: Gain in solved tasks by either doubling of the budget that must be ruled out.
        error_rate: One-sided, of each of the two comparisons.
    """

    gain: float
    error_rate: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The numbers of the decision rule.

    Attributes:
        error_rate: Probability of clearing a domain wrongly (alpha per domain).
        interval_level: Confidence level of displayed intervals.
        tracked_probability: Chance of crossing level 2 before review that enters level 1.
        evidence_max_age_days: Older evidence counts as missing.
        review_days: Days to the next review, by level.
    """

    error_rate: float
    interval_level: float
    tracked_probability: float
    evidence_max_age_days: int
    review_days: Mapping[int, int]
    holding_back: HoldingBack
    awareness: Awareness
    plateau: Plateau
    scaling: Scaling


@dataclass(frozen=True, slots=True)
class Trigger:
    """A change after which a determination no longer speaks about the model.

    Attributes:
        fact: Name of the fact it looks at.
        test: How the fact is held against `value`, or against what was recorded.
        value: What `at_least` and `above` compare with.
    """

    id: str
    title: str
    fact: str
    test: Literal["is_true", "differs", "at_least", "above", "reached"]
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Attack:
    """A class of attacks on safeguards; an arm of the evidence is of one class.

    Attributes:
        adaptive: Whether it changes with the answers it gets.
        required: Whether a residual level needs it.
    """

    id: str
    title: str
    adaptive: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Residual:
    """What the residual determination asks for.

    Attributes:
        error_rate: Probability that any attack's bound lies below its true rate.
        forecast_volumes: Attempts in deployment that the bound is carried forward to.
        attacks: Classes of attacks by id.
        tests: Safeguard tests by id.
    """

    error_rate: float
    forecast_volumes: tuple[int, ...]
    attacks: Mapping[str, Attack]
    tests: Mapping[str, SafeguardTest]

    @property
    def required(self) -> tuple[str, ...]:
        """Attack classes that a residual level needs."""
        return tuple(name for name, attack in self.attacks.items() if attack.required)

    def test_of(self, domain: str) -> SafeguardTest | None:
        """The safeguard test of a domain, None where the framework has none."""
        return next((t for t in self.tests.values() if t.domain == domain), None)
