"""What an item's records say: scores from 0 to 1, known or only bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from steelyard.evidence import Outcome

if TYPE_CHECKING:
    from steelyard.evidence import Evidence
    from steelyard.standard import Indicator


class Limits01(NamedTuple):
    """What is known of a score from 0 to 1: limits that are equal unless data are missing."""

    low: float
    high: float


class ItemAnswer(NamedTuple):
    """What an item's records say.

    Attributes:
        clearing: Score whose mean must lie below a level's threshold to rule it out.
        showing: Score whose mean must reach a level's threshold to show it, by `shown_score`.
    """

    clearing: Limits01
    showing: Limits01


MISSING = ItemAnswer(Limits01(0.0, 1.0), Limits01(0.0, 1.0))


def shown_score(kind: str, value: float) -> float:
    """A value of an indicator's scale as the score that shows it."""
    return 0.5 * (value + 1.0) if kind == "paired_rate_difference" else value


def on_scale(kind: str, score: float) -> float:
    """A score that shows a level as a value of the indicator's scale."""
    return 2.0 * score - 1.0 if kind == "paired_rate_difference" else score


def item_answers(indicator: Indicator, evidence: Evidence, repeats: int) -> dict[str, ItemAnswer]:
    """What the records say of each item, by pseudonym; means over its planned repeats.

    What is missing or absent may be either; an item without any record in an arm has no answer.
    """
    treatment = _scores(evidence.where(arm=indicator.arms["treatment"]), repeats)
    if indicator.kind == "rate":
        return {item: ItemAnswer(score, score) for item, score in treatment.items()}
    control = _scores(evidence.where(arm=indicator.arms["control"]), repeats)
    return {
        item: _paired(score, control[item]) for item, score in treatment.items() if item in control
    }


def _paired(treatment: Limits01, control: Limits01) -> ItemAnswer:
    low, high = treatment.low - control.high, treatment.high - control.low
    return ItemAnswer(
        Limits01(max(0.0, low), max(0.0, high)),
        Limits01(0.5 * (low + 1.0), 0.5 * (high + 1.0)),
    )


def _scores(arm: Evidence, repeats: int) -> dict[str, Limits01]:
    found: dict[str, list[Limits01]] = {}
    values = {
        Outcome.BEHAVIOUR.value: Limits01(1.0, 1.0),
        Outcome.NO_BEHAVIOUR.value: Limits01(0.0, 0.0),
    }
    for item, outcome in zip(arm.columns["item"], arm.columns["outcome"], strict=True):
        found.setdefault(item, []).append(values.get(outcome, Limits01(0.0, 1.0)))
    return {item: _mean(rows, repeats) for item, rows in found.items()}


def _mean(rows: list[Limits01], repeats: int) -> Limits01:
    """Limits of an item's mean score, a repeat without a record being anything."""
    planned = max(repeats, len(rows))
    absent = planned - len(rows)
    low, high = sum(r.low for r in rows), sum(r.high for r in rows) + absent
    return Limits01(low / planned, high / planned)
