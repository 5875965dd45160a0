"""Sequential runs of one indicator, played and determined."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from steelyard.evidence import Elicitation, Evidence, Outcome, Record
from steelyard.kernel import parse_instant
from steelyard.risk import Plan, classify
from steelyard.risk.sequential import (
    LevelThresholds,
    SequentialPlan,
    SequentialRun,
    bank_design,
    item_answers,
    level_thresholds,
)
from steelyard.standard import load_release

if TYPE_CHECKING:
    from collections.abc import Callable

    from steelyard.kernel import JsonObject

RELEASE = load_release()
LIE = RELEASE.framework.indicators["de1.lie"]
CREATED, AS_OF = "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"
ITEMS = tuple(f"item-{k:03d}" for k in range(LIE.planned_items))
MODEL = "acme/one"


def plan(**changes: object) -> SequentialPlan:
    """What a run of the indicator of lying commits to."""
    count = len(cast("tuple[str, ...]", changes.get("items", ITEMS)))
    made = SequentialPlan(
        protocol=LIE.protocol,
        kind=LIE.kind,
        mode="certify",
        alpha=0.005,
        seed=5,
        wave=20,
        budget=count,
        items=ITEMS,
        thresholds=bank_thresholds(count),
    )
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


def bank_thresholds(items: int, repeats: int = 1) -> tuple[LevelThresholds, ...]:
    """What the standard asks of a bank of so many items."""
    return level_thresholds(
        LIE, {k: LIE.threshold(k) for k in (1, 2, 3)}, bank_design(LIE, items, repeats),
        ruling_error_rate=0.01, showing_error_rate=0.01,
    )  # fmt: skip


def record(item: str, arm: str, outcome: Outcome, epoch: int = 1) -> Record:
    """One record of it."""
    return Record(
        model=MODEL,
        protocol=LIE.protocol,
        protocol_version=LIE.protocol_version,
        domain=LIE.domain,
        indicator=LIE.id,
        item=item,
        template=f"template {ITEMS.index(item) % 40}",
        arm=arm,
        epoch=epoch,
        elicitation=Elicitation.E1,
        outcome=outcome,
        score=float(outcome is Outcome.BEHAVIOUR) if outcome.observed else None,
        reason="" if outcome.observed else "stopped",
        source="steelyard",
    )


def lies(item: str, rate: float) -> bool:
    """Whether a model of some rate lies on an item."""
    return (ITEMS.index(item) * 37) % 100 < 100 * rate


def played(
    committed: SequentialPlan,
    lying: float | Callable[[str], bool],
    *,
    lost: float = 0.0,
    repeats: int = 1,
) -> Evidence:
    """Records of a run of a model that lies at a rate, or on some items, some of them lost."""
    run, records = SequentialRun(committed), list[Record]()
    while items := run.next_items():
        rows: list[Record] = []
        for item in items:
            gone = (ITEMS.index(item) * 53) % 100 < 100 * lost
            lied = lying(item) if callable(lying) else lies(item, lying)
            under = Outcome.BEHAVIOUR if lied else Outcome.NO_BEHAVIOUR
            for epoch in range(1, repeats + 1):
                seen = Outcome.INFRASTRUCTURE_ERROR if gone else under
                rows.append(record(item, "incentive", seen, epoch))
                rows.append(record(item, "neutral", Outcome.NO_BEHAVIOUR, epoch))
        answers = item_answers(LIE, Evidence.from_records(rows), repeats)
        for item in items:
            run.record(answers.get(item))
        records += rows
    return Evidence.from_records(records).in_key_order()


def determined(
    evidence: Evidence, committed: SequentialPlan, *, items: int | None = None, repeats: int = 1
) -> JsonObject:
    """The determination that the records and the signed plan give."""
    row = {
        "protocol": LIE.protocol, "protocol_version": LIE.protocol_version,
        "items": len(committed.items) if items is None else items, "epochs": repeats,
    }  # fmt: skip
    intent = {
        "created": CREATED,
        "scope": ["deception"],
        "elicitation": "E1",
        "planned": [{**row, "arm": "incentive"}, {**row, "arm": "neutral"}],
        "sequential": [committed.to_json()],
    }
    claim = classify(
        evidence, RELEASE, scope=("deception",), as_of=parse_instant(AS_OF),
        plan=Plan.from_predicate(cast("JsonObject", intent)),
    ).to_json()  # fmt: skip
    return cast("list[JsonObject]", claim["determinations"])[0]
