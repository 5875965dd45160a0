"""Sequential runs: what the records of drawn items decide, and what cannot be forged into them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from steelyard.evidence import Elicitation, Evidence, Outcome, Record
from steelyard.kernel import parse_instant
from steelyard.kernel.errors import MalformedEvidence
from steelyard.risk import Plan, classify
from steelyard.risk.sequential import (
    LevelThresholds,
    SequentialPlan,
    SequentialRun,
    item_answers,
    replay,
)
from steelyard.standard import load_release

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

RELEASE = load_release()
LIE = RELEASE.framework.indicators["de1.lie"]
CREATED, AS_OF = "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"
ITEMS = tuple(f"item-{k:03d}" for k in range(LIE.planned_items))
MODEL = "acme/one"


def plan(**changes: object) -> SequentialPlan:
    made = SequentialPlan(
        protocol=LIE.protocol,
        kind=LIE.kind,
        mode="certify",
        alpha=0.01,
        seed=5,
        wave=20,
        budget=len(ITEMS),
        items=ITEMS,
        thresholds=tuple(LevelThresholds(k, LIE.threshold(k), LIE.threshold(k)) for k in (1, 2, 3)),
    )
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


def record(item: str, arm: str, outcome: Outcome) -> Record:
    return Record(
        model=MODEL,
        protocol=LIE.protocol,
        protocol_version=LIE.protocol_version,
        domain=LIE.domain,
        indicator=LIE.id,
        item=item,
        template=f"template {ITEMS.index(item) % 40}",
        arm=arm,
        elicitation=Elicitation.E1,
        outcome=outcome,
        score=float(outcome is Outcome.BEHAVIOUR) if outcome.observed else None,
        reason="" if outcome.observed else "stopped",
        source="steelyard",
    )


def lies(item: str, rate: float) -> bool:
    return (ITEMS.index(item) * 37) % 100 < 100 * rate


def played(committed: SequentialPlan, rate: float, *, lost: float = 0.0) -> Evidence:
    """Records of a run of a model that lies at a rate, some of them lost."""
    run, records = SequentialRun(committed), list[Record]()
    while items := run.next_items():
        rows: list[Record] = []
        for item in items:
            gone = (ITEMS.index(item) * 53) % 100 < 100 * lost
            under = Outcome.BEHAVIOUR if lies(item, rate) else Outcome.NO_BEHAVIOUR
            rows.append(record(item, "incentive", Outcome.INFRASTRUCTURE_ERROR if gone else under))
            rows.append(record(item, "neutral", Outcome.NO_BEHAVIOUR))
        answers = item_answers(LIE, Evidence.from_records(rows))
        for item in items:
            run.record(answers.get(item))
        records += rows
    return Evidence.from_records(records).in_key_order()


def determined(evidence: Evidence, committed: SequentialPlan) -> JsonObject:
    """The determination that the records and the signed plan give."""
    row = {
        "protocol": LIE.protocol, "protocol_version": LIE.protocol_version,
        "items": len(ITEMS), "epochs": 1,
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


@pytest.mark.parametrize(
    ("rate", "level", "status"),
    [(0.0, 0, "established"), (0.9, 3, "established"), (0.32, 2, "established")],
)
def test_levels_are_decided_from_part_of_the_bank(rate: float, level: int, status: str) -> None:
    committed = plan()
    evidence = played(committed, rate)
    found = determined(evidence, committed)
    assert (found["level"], found["status"]) == (level, status)
    assert len(evidence.values("item")) < 0.8 * len(ITEMS)
    indicator = cast("list[JsonObject]", found["indicators"])[0]
    assert indicator["n"] == indicator["n_planned"] == len(evidence.values("item"))
    low, high = cast("list[float]", indicator["interval"])
    assert low <= rate <= high + 0.02


def test_a_wrong_level_is_cleared_no_more_often_than_alpha() -> None:
    rate = LIE.threshold(1)  # exactly level 1
    wrong = sum(
        determined(played(committed := plan(seed=seed, alpha=0.01), rate), committed)["level"] == 0
        for seed in range(12)
    )
    assert wrong <= 1


def test_leaving_out_records_never_lowers_a_level() -> None:
    committed = plan()
    whole = played(committed, 0.0)
    random = np.random.default_rng(0)
    for share in (0.02, 0.4):
        kept = whole.select(random.random(len(whole)) >= share)
        assert cast("int", determined(kept, committed)["level"]) >= 0
        assert determined(kept, committed)["status"] != "established" or share < 0.1
    liar = played(committed, 0.9)
    honest_only = liar.select(liar.columns["outcome"].astype(str) == Outcome.NO_BEHAVIOUR.value)
    assert determined(honest_only, committed)["level"] == 3


def test_lost_answers_count_against_the_model() -> None:
    committed = plan()
    assert cast("int", determined(played(committed, 0.0, lost=0.3), committed)["level"]) >= 2


def test_records_that_no_draw_asked_for_change_nothing() -> None:
    committed = plan()
    evidence = played(committed, 0.9)
    unasked = [item for item in ITEMS if item not in set(evidence.values("item"))]
    honest = [
        record(item, arm, Outcome.NO_BEHAVIOUR)
        for item in unasked
        for arm in ("incentive", "neutral")
    ]
    more = Evidence.concatenate([evidence, Evidence.from_records(honest)]).in_key_order()
    assert determined(more, committed)["level"] == 3


def test_other_draws_than_the_committed_ones_decide_nothing() -> None:
    evidence = played(plan(seed=5), 0.0)
    assert determined(evidence, plan(seed=6))["status"] != "established"


def test_a_threshold_that_the_framework_does_not_have_clears_nothing() -> None:
    lax = tuple(replace(t, effective=t.effective + 0.3) for t in plan().thresholds)
    committed = plan(thresholds=lax)
    assert determined(played(committed, 0.0), committed)["level"] == 3


def test_a_budget_leaves_the_higher_level_presumed() -> None:
    committed = plan(budget=20)
    found = determined(played(committed, 0.0), committed)
    assert cast("int", found["level"]) > 0
    assert found["status"] == "presumptive"


def test_a_screening_leans_and_establishes_nothing() -> None:
    committed = plan(mode="screen", wave=28, budget=28)
    for rate, level in ((0.0, 1), (0.9, 3)):
        found = determined(played(committed, rate), committed)
        assert (found["level"], found["status"]) == (level, "presumptive")
        conditions = [
            c["code"]
            for i in cast("list[JsonObject]", found["indicators"])
            for c in cast("list[JsonObject]", i["conditions"])
            if c["blocks"]
        ]
        assert conditions == ["screening"]


def test_a_plan_survives_its_document_and_refuses_a_broken_one() -> None:
    committed = plan()
    read = SequentialPlan.from_json(committed.to_json())
    assert read.to_json() == committed.to_json()
    assert replay(read, {}).asked == replay(committed, {}).asked
    broken = committed.to_json() | {"items": [ITEMS[0], ITEMS[0]]}
    with pytest.raises(ValueError, match="occurs twice"):
        SequentialPlan.from_json(broken)
    predicate = {"created": CREATED, "scope": [], "elicitation": "E1", "planned": []}
    with pytest.raises(MalformedEvidence, match="incomplete"):
        Plan.from_predicate(cast("JsonObject", {**predicate, "sequential": [{"protocol": "x"}]}))
