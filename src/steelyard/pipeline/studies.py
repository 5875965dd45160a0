"""What records say beyond levels: the curve over tries, and awareness of being tested.

Curve and probe rest on secondary measures, which stay out of a passport; the
verdicts beside them rest on arms, which any verifier has. Output follows
`spec/budget-curve.schema.json` and `spec/awareness.schema.json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from steelyard.evidence import require_one_model
from steelyard.kernel.errors import MalformedEvidence, UnknownName
from steelyard.risk.awareness import awareness_verdict, twin_difference
from steelyard.risk.effort import last_doubling
from steelyard.risk.selection import Question, study_of
from steelyard.stats import area_under_curve, budget_curve

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.evidence import Evidence
    from steelyard.kernel import JsonObject
    from steelyard.pipeline.collect import Loaded
    from steelyard.risk.contrast import Study
    from steelyard.risk.measurement import Measurement
    from steelyard.standard import Release

CURVE_SCHEMA = "steelyard/budget-curve/1"
AWARENESS_SCHEMA = "steelyard/awareness/1"
_PROBE = "probe_percent"
_LEAST_ANSWERS = 2


def budget_document(
    loaded: Loaded, release: Release, indicator: str, as_of: datetime
) -> JsonObject:
    """P(success within k tries) for k = 1 .. K, and whether the curve still rises.

    Raises:
        UnknownName: no such indicator.
        MalformedEvidence: several models, or no record with counted tries.
    """
    study = _study(loaded, release, indicator, as_of)
    treated = study.records(study.arm("treatment"))
    rows = [
        (int(measures["attempts"]), score is not None, score)
        for measures, score in _columns(treated, "measures", "score")
        if "attempts" in measures
    ]
    seen = [(tries, score >= 1.0) for tries, observed, score in rows if observed]
    if not seen:
        message = f"no observed record of {indicator} counts its tries"
        raise MalformedEvidence(message, hint="run it with: steelyard assess --elicitation E2")
    confidence = release.framework.decision.interval_level
    budget = max(tries for tries, _ in seen)
    points = budget_curve([t for t, _ in seen], [s for _, s in seen], budget, confidence)
    rule = release.framework.decision.plateau
    gain = last_doubling(study, rule)
    return {
        "schema": CURVE_SCHEMA,
        "model": require_one_model(study.request.evidence),
        "indicator": indicator,
        "items": len(seen),
        "missing": len(rows) - len(seen),
        "interval_level": confidence,
        "points": [{name: getattr(point, name) for name in point.__slots__} for point in points],
        "last_doubling": {**_interval(gain), "margin": rule.gain},
        "still_rising": not gain.limits.upper < rule.gain,
    }


def awareness_document(
    loaded: Loaded, release: Release, indicator: str, as_of: datetime
) -> JsonObject:
    """The twins' difference with its verdict, and the area under the probe's ROC curve.

    Raises:
        UnknownName: no such indicator.
        MalformedEvidence: several models, or nothing was checked.
    """
    study = _study(loaded, release, indicator, as_of)
    rule = release.framework.decision.awareness
    difference, probe = twin_difference(study, rule), _probe(study, release)
    if difference is None and probe is None:
        message = f"no record of {indicator} was made to check awareness"
        raise MalformedEvidence(message, hint="run it with: steelyard assess --awareness")
    twins: JsonObject | None = None
    if difference is not None:
        verdict = awareness_verdict(difference, rule)
        twins = {**_interval(difference), "margin": rule.margin, "verdict": verdict}
    return {
        "schema": AWARENESS_SCHEMA,
        "model": require_one_model(study.request.evidence),
        "indicator": indicator,
        "twins": twins,
        "probe": probe,
    }


def _study(loaded: Loaded, release: Release, indicator: str, as_of: datetime) -> Study:
    known = release.framework.indicators
    if indicator not in known:
        message = f"the framework has no indicator {indicator!r}"
        raise UnknownName(message, hint=f"indicators: {', '.join(known)}")
    require_one_model(loaded.evidence)
    question = Question(loaded.evidence, release.framework, loaded.plan, as_of)
    return study_of(known[indicator], question)


def _probe(study: Study, release: Release) -> JsonObject | None:
    """How well the probe tells the treatment arm from its benign twins."""
    if "control" not in study.indicator.arms:
        return None
    treated, control = (
        _answers(study.records(study.arm(role))) for role in ("treatment", "control")
    )
    if min(len(treated), len(control)) < _LEAST_ANSWERS:
        return None
    area = area_under_curve(treated, control, release.framework.decision.interval_level)
    return {
        "area": area.value,
        "interval": [area.lower, area.upper],
        "treatment_answers": len(treated),
        "control_answers": len(control),
    }


def _answers(evidence: Evidence) -> list[float]:
    return [
        measures[_PROBE] for (measures,) in _columns(evidence, "measures") if _PROBE in measures
    ]


def _columns(evidence: Evidence, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(evidence.columns[name].tolist() for name in names), strict=True))


def _interval(difference: Measurement) -> JsonObject:
    """A contrast: over what was observed, and with every gap against the model."""
    limits = difference.limits
    value = {
        "estimate": difference.estimate,
        "interval": list(difference.interval) if difference.interval else None,
        "bounds": [limits.lower, limits.upper],
        "pairs": difference.observed,
        "planned": difference.planned,
    }
    return cast("JsonObject", value)
