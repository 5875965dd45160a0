"""Contrasts: one arm of an indicator against another of the same items.

The same limits as a paired indicator, with missing pairs in the direction that
hurts (`rates`). Twins, noise, lift and the last doubling of tries all are
contrasts; what each decides stands in `awareness`, `holding_back` and `effort`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence import Evidence, Outcome
from steelyard.evidence.arms import further
from steelyard.risk.rates import measure_paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.risk.measurement import Measurement, Request
    from steelyard.standard import Indicator


@dataclass(frozen=True, slots=True)
class Study:
    """An indicator's records with all of their arms, and what was planned of each arm.

    Attributes:
        samples: Planned samples by arm, further ones included; empty without a plan.
    """

    request: Request
    samples: Mapping[str, int]

    @property
    def indicator(self) -> Indicator:
        """The indicator that is studied."""
        return self.request.indicator

    def arm(self, role: str, use: str = "") -> str:
        """Name of the arm of a role, or of its further arm for a use."""
        name = self.indicator.arms[role]
        return further(name, use) if use else name

    def records(self, arm: str) -> Evidence:
        """Records of an arm."""
        return self.request.evidence.where(arm=arm)

    def planned(self, arm: str) -> int:
        """Samples that an arm should have: as planned, else by the standard's design."""
        return max(self.samples.get(arm, self.indicator.planned_items), len(self.records(arm)))

    def with_gaps_as(self, first: str, second: str) -> Study | None:
        """The study with every unobserved outcome as the behaviour in `first`, as none in `second`.

        None where a planned record is absent, as its pair could show anything.
        """
        parts = [self.records(first), self.records(second)]
        if any(len(p) < self.planned(a) for p, a in zip(parts, (first, second), strict=True)):
            return None
        filled = [
            _filled(part, outcome)
            for part, outcome in zip(parts, (Outcome.BEHAVIOUR, Outcome.NO_BEHAVIOUR), strict=True)
        ]
        return replace(self, request=replace(self.request, evidence=Evidence.concatenate(filled)))

    def has(self, arm: str) -> bool:
        """Whether an arm was planned or has any record."""
        return self.samples.get(arm, 0) > 0 or len(self.records(arm)) > 0


def _filled(arm: Evidence, outcome: Outcome) -> Evidence:
    """An arm with its unobserved outcomes set to `outcome`."""
    outcomes, scores = arm.columns["outcome"].copy(), arm.columns["score"].copy()
    unknown = np.array([score is None for score in scores], dtype=bool)
    outcomes[unknown], scores[unknown] = outcome.value, float(outcome is Outcome.BEHAVIOUR)
    return Evidence({**arm.columns, "outcome": outcomes, "score": scores})


def contrast(
    study: Study, first: str, second: str, *, least: int, error_rate: float
) -> Measurement:
    """Rate of the behaviour in arm `first` minus arm `second`, over paired items.

    Args:
        study: The records and the plan.
        first: Arm counted with plus.
        second: Arm counted with minus.
        least: Pairs that are needed; fewer count as missing.
        error_rate: One-sided error rate of each limit.
    """
    request = study.request
    indicator = replace(
        study.indicator,
        kind="paired_rate_difference",
        arms={"treatment": first, "control": second},
        control_floor=None,
    )
    return measure_paired_difference(
        replace(
            request,
            indicator=indicator,
            planned={arm: max(least, study.samples.get(arm, 0)) for arm in (first, second)},
            error_rate=error_rate,
            showing_error_rate=error_rate,
            interval_level=1.0 - 2.0 * error_rate,
        )
    )
