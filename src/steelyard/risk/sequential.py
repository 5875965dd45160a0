"""Sequential runs: which items of a bank are asked, and what their answers decide.

A run commits to items, thresholds and the seed of its draws before the first call
(`SequentialPlan`, part of the signed intent). Draws follow from seed and answers, so the
records suffice to repeat every decision (`replay`). A certification decides each level by
e-values with the error of the indicator; a screening guesses and certifies nothing. Method:
docs/explanation/certifying-a-score.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from steelyard.evidence import Outcome
from steelyard.risk.levels import LEVELS, effective_at
from steelyard.risk.measurement import Condition, Limits, Measurement, Request
from steelyard.stats import ItemBank, Ladder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.evidence import Evidence
    from steelyard.kernel import JsonObject
    from steelyard.standard import Decision, Indicator

Mode = Literal["certify", "screen"]
KINDS = ("rate", "paired_rate_difference")
"""Kinds of indicators whose score is a mean over the items of a bank."""

SCREEN_DOUBT = 0.05
"""Probability of the other side, by the model of the items, at which a screening leans."""

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class LevelThresholds:
    """Where a level is ruled out and where it is shown, on the indicator's scale."""

    level: int
    effective: float
    shown: float


@dataclass(frozen=True, slots=True, eq=False)
class SequentialPlan:
    """What a sequential run fixes before its first call, for one protocol.

    Attributes:
        protocol: Its id.
        kind: Kind of its indicator.
        mode: `certify` or `screen`.
        alpha: Error of ruling a level out.
        seed: Of the draws; public.
        wave: Items drawn at once.
        budget: Items to ask at most.
        items: Pseudonyms of the bank's items; a draw is a place in this list.
        thresholds: One for each level, ascending.
        bank: Parameters of the items in the same order, or None.
    """

    protocol: str
    kind: str
    mode: Mode
    alpha: float
    seed: int
    wave: int
    budget: int
    items: tuple[str, ...]
    thresholds: tuple[LevelThresholds, ...]
    bank: ItemBank | None = None

    def to_json(self) -> JsonObject:
        """A row of the predicate's `sequential`."""
        bank = self.bank
        return {
            "protocol": self.protocol,
            "kind": self.kind,
            "mode": self.mode,
            "alpha": self.alpha,
            "seed": f"{self.seed:032x}",
            "wave": self.wave,
            "budget": self.budget,
            "items": list(self.items),
            "thresholds": [
                {"level": t.level, "effective": t.effective, "shown": t.shown}
                for t in self.thresholds
            ],
            "bank": None
            if bank is None
            else {
                "discrimination": bank.discrimination.tolist(),
                "intercept": bank.intercept.tolist(),
            },
        }

    @classmethod
    def from_json(cls, row: JsonObject) -> SequentialPlan:
        """Read a row that follows the schema.

        Raises:
            KeyError, TypeError, ValueError: it does not.
        """
        raw = cast("dict[str, Any]", row)
        bank = raw["bank"]
        thresholds = (
            LevelThresholds(int(t["level"]), float(t["effective"]), float(t["shown"]))
            for t in raw["thresholds"]
        )
        plan = cls(
            protocol=str(raw["protocol"]),
            kind=str(raw["kind"]),
            mode=raw["mode"],
            alpha=float(raw["alpha"]),
            seed=int(raw["seed"], 16),
            wave=int(raw["wave"]),
            budget=int(raw["budget"]),
            items=tuple(map(str, raw["items"])),
            thresholds=tuple(thresholds),
            bank=None if bank is None else ItemBank(bank["discrimination"], bank["intercept"]),
        )
        SequentialRun(plan)
        if len(set(plan.items)) != len(plan.items):
            message = "an item occurs twice in the bank"
            raise ValueError(message)
        return plan

    @property
    def paired(self) -> bool:
        """Whether the indicator is a difference of two arms."""
        return self.kind == "paired_rate_difference"


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


_MISSING = ItemAnswer(Limits01(0.0, 1.0), Limits01(0.0, 1.0))


class SequentialRun:
    """A sequential run as it goes: items to play, their answers, and what they decide.

    A rate has one score. A paired difference has two. It is ruled out by its additions, pairs
    with the behaviour under treatment alone, whose rate is at least the difference: that
    score is 0 for most items and so decides sooner. It is shown by the difference itself, moved
    to 0 to 1. Both see the same uniform draws.

    Args:
        plan: What was committed to.

    Raises:
        ValueError: the plan is out of range.
    """

    def __init__(self, plan: SequentialPlan) -> None:
        self.plan = plan
        goals = {t.effective for t in plan.thresholds}
        shown = {shown_score(plan.kind, t.shown) for t in plan.thresholds}
        self.clearing = self._ladder(goals if plan.paired else goals | shown)
        self.showing = self._ladder(shown) if plan.paired else self.clearing

    def _ladder(self, thresholds: set[float]) -> Ladder:
        plan = self.plan
        return Ladder(
            len(plan.items),
            sorted(thresholds),
            bank=plan.bank,
            alpha=plan.alpha,
            seed=plan.seed,
            max_items=plan.budget,
        )

    @property
    def asked(self) -> tuple[str, ...]:
        """Pseudonyms of the items that were answered, in order."""
        return tuple(self.plan.items[k] for k in self.clearing.draws.asked)

    @property
    def settled(self) -> bool:
        """Whether every level is decided, and the one that is left is shown or shown not to be."""
        sides = {t: self.clearing.wager(t.effective).decision for t in self.plan.thresholds}
        if "undecided" in sides.values():
            return False
        left = [t for t, side in sides.items() if side == "above"]
        if not left:
            return True
        shown = shown_score(self.plan.kind, left[-1].shown)
        return self.showing.wager(shown).decision != "undecided"

    def next_items(self) -> tuple[str, ...]:
        """Pseudonyms of the items to play now; empty when the run is over."""
        if not self.clearing.pending and self.plan.mode == "certify" and self.settled:
            return ()
        drawn = self.clearing.draw(self.plan.wave)
        if self.plan.paired:
            self.showing.draw(self.plan.wave)
        return tuple(self.plan.items[k] for k in drawn)

    def record(self, answer: ItemAnswer | None) -> None:
        """Take the answer of the first item that waits for one; None counts as missing."""
        clearing, showing = answer or _MISSING
        self.clearing.record(*clearing)
        if self.plan.paired:
            self.showing.record(*showing)


def shown_score(kind: str, value: float) -> float:
    """A value of an indicator's scale as the score that shows it."""
    return 0.5 * (value + 1.0) if kind == "paired_rate_difference" else value


def replay(plan: SequentialPlan, answers: Mapping[str, ItemAnswer]) -> SequentialRun:
    """Repeat a run from its answers, by pseudonym; an item without one counts as missing."""
    run = SequentialRun(plan)
    while items := run.next_items():
        for item in items:
            run.record(answers.get(item))
    return run


def item_answers(indicator: Indicator, evidence: Evidence) -> dict[str, ItemAnswer]:
    """What the records say of each item, by pseudonym; means over repeats.

    What is missing may be either; an item without any record in an arm has no answer.
    """
    treatment = _scores(evidence.where(arm=indicator.arms["treatment"]))
    if indicator.kind == "rate":
        return {item: ItemAnswer(score, score) for item, score in treatment.items()}
    control = _scores(evidence.where(arm=indicator.arms["control"]))
    return {
        item: _paired(score, control[item]) for item, score in treatment.items() if item in control
    }


def _paired(treatment: Limits01, control: Limits01) -> ItemAnswer:
    low, high = treatment.low - control.high, treatment.high - control.low
    return ItemAnswer(
        Limits01(max(0.0, low), max(0.0, high)),
        Limits01(0.5 * (low + 1.0), 0.5 * (high + 1.0)),
    )


def _scores(arm: Evidence) -> dict[str, Limits01]:
    found: dict[str, list[Limits01]] = {}
    values = {
        Outcome.BEHAVIOUR.value: Limits01(1.0, 1.0),
        Outcome.NO_BEHAVIOUR.value: Limits01(0.0, 0.0),
    }
    for item, outcome in zip(arm.columns["item"], arm.columns["outcome"], strict=True):
        found.setdefault(item, []).append(values.get(outcome, Limits01(0.0, 1.0)))
    return {
        item: Limits01(sum(r.low for r in rows) / len(rows), sum(r.high for r in rows) / len(rows))
        for item, rows in found.items()
    }


def measure_sequentially(
    described: Measurement, request: Request, run: SequentialRun, decision: Decision
) -> Measurement:
    """Replace what a fixed design would decide by what the sequential run does.

    Args:
        described: The same records as a fixed sample of the items that were drawn.
        request: The records and the error rates.
        run: The run, repeated from its records.
        decision: The rule.
    """
    plan, certifies = run.plan, run.plan.mode == "certify"
    e_below = {t.level: run.clearing.wager(t.effective).e_below for t in plan.thresholds}
    e_above = {
        t.level: run.showing.wager(shown_score(plan.kind, t.shown)).e_above for t in plan.thresholds
    }
    limits = _limits(run, 2.0 * request.error_rate)
    shown = _limits(run, 1.0 - request.interval_level)
    return replace(
        described,
        estimate=_on_scale(plan.kind, run.showing.estimate),
        interval=(shown.lower, shown.upper),
        limits=limits,
        observed_limits=limits,
        e_above=e_above if certifies else dict.fromkeys(LEVELS, 0.0),
        e_below=e_below if certifies else None,
        ruled_out={
            t.level: t.effective <= effective_at(described, t.level, decision) + _TOLERANCE
            and _ruled_out(run, t, request.error_rate)
            for t in plan.thresholds
        },
        conditions=(*described.conditions, _condition(run)),
    )


def _ruled_out(run: SequentialRun, threshold: LevelThresholds, error_rate: float) -> bool:
    """Below this threshold and every higher one: one wrong wager alone clears nothing."""
    if run.plan.mode == "screen":
        return run.clearing.probability_above(threshold.effective) < SCREEN_DOUBT
    higher = (t for t in run.plan.thresholds if t.level >= threshold.level)
    return all(run.clearing.wager(t.effective).e_below >= 1.0 / error_rate for t in higher)


def _limits(run: SequentialRun, alpha: float) -> Limits:
    if not run.plan.paired:
        return Limits(*run.showing.interval(alpha))
    # Additions bound the difference too; half of the error for either keeps the coverage.
    low, high = (_on_scale(run.plan.kind, x) for x in run.showing.interval(alpha / 2.0))
    return Limits(low, min(high, run.clearing.interval(alpha / 2.0)[1]))


def _on_scale(kind: str, score: float) -> float:
    return 2.0 * score - 1.0 if kind == "paired_rate_difference" else score


def _condition(run: SequentialRun) -> Condition:
    asked, items = len(run.asked), len(run.plan.items)
    if run.plan.mode == "screen":
        text = (
            f"A screening of {asked} of {items} items: it may raise concern, and certifies nothing."
        )
        return Condition("screening", text)
    text = (
        f"Decided on {asked} of {items} items, drawn by a committed seed: the error rate is that "
        f"of the draws, and the claim is about these {items} items."
    )
    return Condition("sequential", text, blocks=False)
