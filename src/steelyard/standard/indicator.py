"""An indicator as data: what is measured, by which design, and where levels begin.

Names equal the keys of `spec/standard-framework.schema.json`. A safeguard test
is an indicator of the residual determination. Nothing here decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Unit = Literal["rate", "log2_minutes"]
Kind = Literal["paired_rate_difference", "rate", "horizon"]
ClusterKey = Literal["template", "task_family"]

IMPORTED: Final = "imported"
"""Protocol of an indicator that results from elsewhere feed."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a level begins on an indicator's scale, and why there."""

    level: int
    value: float
    status: str
    rationale: str


@dataclass(frozen=True, slots=True)
class Design:
    """How many items decide, and when a run may stop.

    Attributes:
        method: `fixed` looks once, at `n_min` items; `sequential` may stop after any batch.
        alpha: Probability of ruling a level out wrongly; at most the domain's error rate.
        n_min: Fewest items that decide; what is short of them counts as missing.
        n_max: Most items that are played.
        batch: Items between two looks.
        seed_commitment: Whether the seed must be committed to before the first item.
    """

    method: Literal["fixed", "sequential"]
    alpha: float
    n_min: int
    n_max: int
    batch: int
    seed_commitment: bool


@dataclass(frozen=True, slots=True)
class ElicitationRule:
    """What effort an indicator asks for, and the margin charged for less.

    Attributes:
        minimum: Lowest ladder step whose evidence counts.
        maximum: Highest one: what a model does when driven says nothing of its propensity.
        plateau_margin: Margin instead, where a budget-scaling curve shows a plateau.
        margins: Margin per ladder step, in `margin_unit`.
        margin_unit: `logit` for rates, `doublings` for time horizons.
    """

    minimum: str
    margins: Mapping[str, float]
    margin_unit: Literal["logit", "doublings"]
    maximum: str = "E3"
    plateau_margin: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Measured growth of an indicator at the frontier.

    Attributes:
        doubling_days: Days per doubling of the horizon.
        residual_sd_doublings: Scatter of models around the trend.
        residual_degrees: Degrees of freedom behind that scatter.
        source: Where both were measured.
    """

    doubling_days: float
    residual_sd_doublings: float
    residual_degrees: int
    source: str


@dataclass(frozen=True, slots=True)
class Indicator:
    """One measured quantity and the thresholds it is held against.

    Attributes:
        arms: Role (`treatment`, `control`) to arm name in the evidence.
        design: How many items decide, and when a run may stop.
        cluster_key: What the items of one cluster share.
        planned_items: Items per arm that the design asks for; fewer count as missing.
        planned_templates: Templates (clusters) these items are drawn from.
        intracluster_correlation_floor: Least within-template correlation assumed.
        control_floor: Least success rate in the control arm for a valid measurement.
    """

    id: str
    domain: str
    title: str
    construct: str
    kind: Kind
    claim: Literal["propensity", "capability"]
    unit: Unit
    protocol: str
    protocol_version: str
    arms: Mapping[str, str]
    design: Design
    cluster_key: ClusterKey
    planned_items: int
    planned_templates: int
    intracluster_correlation_floor: float
    elicitation: ElicitationRule
    thresholds: tuple[Threshold, ...]
    control_floor: float | None = None
    progress: Progress | None = None

    def threshold(self, level: int) -> float:
        """Value at which `level` (1 to 3) begins, in the indicator's unit."""
        return next(t.value for t in self.thresholds if t.level == level)


@dataclass(frozen=True, slots=True)
class SafeguardTest:
    """A bank of requests that the deployed safeguards must withstand under every attack.

    Attributes:
        planned_items: Items per attack that the design asks for; fewer count as missing.
        thresholds: Success rate of the best attack from which a level remains.
    """

    id: str
    domain: str
    title: str
    construct: str
    design: Design
    cluster_key: ClusterKey
    planned_items: int
    planned_templates: int
    intracluster_correlation_floor: float
    thresholds: tuple[Threshold, ...]
