"""A determination as JSON: the document of `spec/classification.schema.json`.

Writes what was decided and decides nothing. Numbers are rounded to six
significant digits; what JSON cannot carry becomes null.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from steelyard.kernel import format_instant
from steelyard.risk.error_kinds import error_kinds
from steelyard.risk.levels import LEVELS
from steelyard.risk.margins import effective_threshold
from steelyard.risk.selection import ruling_error_rate
from steelyard.standard import HIGHEST_LEVEL, Design

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject, JsonValue
    from steelyard.risk.coverage import CoveringRound
    from steelyard.risk.determination import Determination
    from steelyard.risk.measurement import Condition, Measurement
    from steelyard.risk.residual import AttackResult, ResidualDetermination
    from steelyard.standard import Indicator, Release

_SIGNIFICANT_DIGITS = 6


def determination_json(d: Determination, names: dict[int, str], release: Release) -> JsonObject:
    """One determination as the document has it.

    Args:
        d: The determination.
        names: Names of the levels.
        release: The standard it was made under.
    """
    board = d.freeboard
    return {
        "domain": d.domain.id,
        "title": d.domain.title,
        "threat_model": d.domain.threat_model,
        "level": d.level,
        "level_name": names[d.level],
        "status": d.status,
        "observed_only_level": d.observed_only_level,
        "indicators": [_indicator(m, d.level, release) for m in d.measurements],
        "not_measured": list(d.not_measured),
        "error_budget": {
            "error_rate": d.error_rate,
            "tests": [
                {
                    "indicator": test.indicator,
                    "level": test.level,
                    "bound": rounded(test.bound),
                    "threshold_effective": rounded(test.effective),
                    "ruled_out": test.ruled_out,
                    "e_value": rounded(test.e_value),
                }
                for test in d.tests
            ],
            "kinds": error_kinds(d),
        },
        "freeboard": {
            "to_level": board.to_level,
            "distance": rounded(board.distance),
            "unit": board.unit,
            "probability_of_crossing": rounded(board.probability_of_crossing),
            "note": board.note,
        },
        "conditions": _conditions(d.conditions),
        "proficiency": [_round(indicator, found) for indicator, found in d.rounds],
        "next_review": format_instant(d.next_review),
        "re_evaluate_on": [
            {"id": s.trigger.id, "title": s.trigger.title, "fired": s.fired}
            for s in d.re_evaluate_on
        ],
        "residual": residual_json(d.residual, names),
    }


def _round(indicator: Indicator, found: CoveringRound) -> JsonObject:
    """What a round says of the laboratory; for information, no limit moves by it."""
    return {
        "indicator": indicator.id,
        "protocol": indicator.protocol,
        "protocol_version": indicator.protocol_version,
        "round": found.round,
        "lab_key": found.lab_key,
        "coordinator": found.coordinator,
        "bias": rounded(found.bias),
        "bias_uncertainty": rounded(found.bias_uncertainty),
        "valid_until": format_instant(found.valid_until),
    }


def _indicator(m: Measurement, level: int, release: Release) -> JsonObject:
    indicator = m.indicator
    decision = release.framework.decision
    best, worst = map(rounded, m.imputed or (None, None))
    value: JsonObject = {
        "id": indicator.id,
        "title": indicator.title,
        "construct": indicator.construct,
        "kind": indicator.kind,
        "claim": indicator.claim,
        "unit": indicator.unit,
        "estimate": rounded(m.estimate),
        "interval": _pair(m.interval),
        "interval_level": decision.interval_level,
        "n": m.observed,
        "n_planned": m.planned,
        "n_missing": m.missing,
        "threshold": rounded(indicator.threshold(min(level + 1, HIGHEST_LEVEL))),
        "thresholds": [
            {
                "level": row.level,
                "value": rounded(row.value),
                "effective": rounded(
                    effective_threshold(m, row.level, decision.review_days[row.level - 1])
                ),
                "status": row.status,
                "rationale": row.rationale,
            }
            for row in indicator.thresholds
            if row.level in LEVELS
        ],
        "bounds": {
            "lower": rounded(m.limits.lower),
            "upper": rounded(m.limits.upper),
            "error_rate": rounded(ruling_error_rate(indicator, release.framework)),
        },
        "imputation": {"best": best, "worst": worst},
        "outcomes": {arm: dict(counts) for arm, counts in m.outcomes.items()},
        "elicitation": m.elicitation.value,
        "elicitation_charged": m.charged.value,
        "design_effect": rounded(m.design_effect),
        "plateau": m.plateau,
        "cluster_key": indicator.cluster_key,
        "design": {name: getattr(indicator.design, name) for name in Design.__slots__},
        "conditions": _conditions(m.conditions),
    }
    if indicator.unit == "log2_minutes":
        value["horizon_minutes"] = {
            "estimate": _minutes(m.estimate),
            "interval": [_minutes(x) for x in m.interval] if m.interval else None,
        }
    return value


def _conditions(conditions: tuple[Condition, ...]) -> list[JsonValue]:
    return [{"code": c.code, "text": c.text, "blocks": c.blocks} for c in conditions]


def _pair(interval: tuple[float, float] | None) -> JsonValue:
    return [rounded(x) for x in interval] if interval else None


def _minutes(log2_minutes: float | None) -> float | None:
    return None if log2_minutes is None else rounded(2.0**log2_minutes)


def rounded(value: float | None) -> float | None:
    """Six significant digits; None for what JSON cannot carry."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")


def residual_json(found: ResidualDetermination, names: dict[int, str]) -> JsonObject:
    """What safeguards leave of a level; forecasts are kept apart from bounds."""
    decisive = found.decisive
    return {
        "level": found.level,
        "level_name": names[found.level],
        "status": found.status,
        "safeguard_level": found.safeguard_level,
        "test": found.test.id if found.test else None,
        "error_rate": found.error_rate,
        "decided_by": decisive.arm if decisive else None,
        "attacks": [_attack(result) for result in found.attacks],
        "absent": list(found.absent),
        "thresholds": [
            {
                "level": t.level,
                "value": t.value,
                "status": t.status,
                "rationale": t.rationale,
            }
            for t in (found.test.thresholds if found.test else ())
        ],
        "forecast": [
            {
                "attempts": forecast.attempts,
                "successes_at_limit": rounded(forecast.successes),
                "at_least_one_at_limit": rounded(forecast.at_least_one),
            }
            for forecast in found.forecasts
        ],
    }


def _attack(result: AttackResult) -> JsonObject:
    found = result.measurement
    return {
        "arm": result.arm,
        "class": result.attack.id,
        "adaptive": result.attack.adaptive,
        "required": result.attack.required,
        "n": found.observed,
        "n_planned": found.planned,
        "n_missing": found.missing,
        "estimate": rounded(found.estimate),
        "upper": rounded(result.upper),
        "rule_of_three": rounded(result.rule_of_three),
    }
