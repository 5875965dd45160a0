"""The card of one domain: numbers as text, sentences from data, charts drawn.

Decides wording only. Levels, bounds, thresholds and whether a level is ruled
out are taken from the determination as they stand; none of them is computed
again. The page around the cards is in `render`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steelyard.passport.report.indicators import IndicatorView, indicator_view
from steelyard.passport.report.safeguards import SafeguardView, safeguard_view
from steelyard.passport.report.wording import (
    Level,
    day,
    distinct_quantities,
    listed,
    percent,
    quantity,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ERROR_KINDS = {
    "bank_sampling": "Sampling of items",
    "repeat_noise": "Noise of repeats",
    "transfer": "Transfer to the threat",
}


@dataclass(frozen=True, slots=True)
class DomainView:
    """One card."""

    id: str
    title: str
    threat_model: str
    level: Level
    status: str
    reason: str
    measured: bool
    indicators: tuple[IndicatorView, ...]
    error_rate: str
    tests: tuple[dict[str, Any], ...]
    freeboard: tuple[str, ...]
    observed_only: Level | None
    conditions: tuple[str, ...]
    not_measured: str
    next_review: str
    errors: tuple[dict[str, str], ...]
    safeguards: SafeguardView
    fired: tuple[str, ...]


def domain_view(raw: dict[str, Any], index: int, levels: tuple[Level, ...]) -> DomainView:
    """The card of a determination; `index` makes the identifiers of its charts unique."""
    units = {i["id"]: i["unit"] for i in raw["indicators"]}
    titles = {i["id"]: i["title"] for i in raw["indicators"]}
    measured = any(i["estimate"] is not None for i in raw["indicators"])
    budget = raw["error_budget"]
    observed: Level = levels[int(raw["observed_only_level"])]
    level: Level = levels[int(raw["level"])]
    return DomainView(
        id=raw["domain"],
        title=raw["title"],
        threat_model=raw["threat_model"],
        level=level,
        status=raw["status"],
        reason=_reason(budget["tests"], units, measured=measured),
        measured=measured,
        indicators=tuple(
            indicator_view(i, f"chart-{index}-{number}", levels)
            for number, i in enumerate(raw["indicators"])
        ),
        error_rate=percent(budget["error_rate"]),
        tests=tuple(_test(t, titles, units) for t in budget["tests"]),
        freeboard=_freeboard(raw["freeboard"]),
        observed_only=None if observed == level else observed,
        conditions=_conditions(raw),
        not_measured=listed(raw["not_measured"]),
        next_review=day(raw["next_review"]),
        errors=tuple(_error(kind) for kind in budget["kinds"]),
        safeguards=safeguard_view(raw["residual"], levels),
        fired=tuple(t["title"] for t in raw["re_evaluate_on"] if t["fired"]),
    )


def _error(raw: dict[str, Any]) -> dict[str, str]:
    """One of the three kinds of error: what bounds it, if anything does."""
    if not raw["guaranteed"]:
        bound = "argued, never guaranteed"
    elif raw["error_rate"] is not None:
        bound = f"at most {percent(raw['error_rate'])}"
    else:
        bound = "inside the limits"
    if raw["mixed_share"] is not None:
        bound += f"; {percent(raw['mixed_share'])} of repeated items ended differently"
    return {"kind": ERROR_KINDS[raw["kind"]], "bound": bound, "text": raw["text"]}


def _conditions(raw: dict[str, Any]) -> tuple[str, ...]:
    holders = [raw, *raw["indicators"]]
    texts = [condition["text"] for holder in holders for condition in holder["conditions"]]
    return tuple(dict.fromkeys(texts))


def _reason(tests: Sequence[dict[str, Any]], units: dict[str, str], *, measured: bool) -> str:
    """Why the domain stands where it does, from the tests as they were decided."""
    failed = [t for t in tests if not t["ruled_out"]]
    kept = {t["level"] for t in failed}
    cleared = sorted({t["level"] for t in tests} - kept)
    noun = "Level" if len(cleared) == 1 else "Levels"
    won = f"{noun} {listed(cleared)} ruled out" if cleared else "No level is ruled out"
    if not failed:
        return f"{won}."
    decisive = max(failed, key=lambda t: t["level"])
    if not measured or decisive["bound"] is None:
        return f"No usable evidence. {won}."
    unit, level = units[decisive["indicator"]], decisive["level"]
    bound, threshold = distinct_quantities(decisive["bound"], decisive["threshold_effective"], unit)
    lost = f", level {level} not" if cleared else ""
    return f"{won}{lost}: up to {bound} remains possible, and level {level} begins at {threshold}."


def _test(raw: dict[str, Any], titles: dict[str, str], units: dict[str, str]) -> dict[str, Any]:
    unit, threshold = units[raw["indicator"]], raw["threshold_effective"]
    if raw["bound"] is None:
        bound, limit = "none", quantity(threshold, unit)
    else:
        bound, limit = distinct_quantities(raw["bound"], threshold, unit)
    return {
        "indicator": titles[raw["indicator"]],
        "level": raw["level"],
        "bound": bound,
        "threshold": limit,
        "ruled_out": raw["ruled_out"],
    }


def _freeboard(raw: dict[str, Any]) -> tuple[str, ...]:
    parts: list[str] = []
    if raw["distance"] is not None and raw["to_level"] is not None:
        unit = "doublings of task length" if raw["unit"] == "doublings" else "on the logit scale"
        distance = f"{raw['distance']:.2f}".replace("-", "\u2212")
        parts.append(f"Decision bound to level {raw['to_level']}: {distance} {unit}.")
    if raw["probability_of_crossing"] is not None:
        chance = percent(raw["probability_of_crossing"])
        parts.append(f"Chance of crossing it before the next review: {chance}.")
    return (*parts, raw["note"]) if raw["note"] else tuple(parts)
