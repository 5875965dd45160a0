"""Sequential runs: what the records of drawn items decide, and what cannot be forged into them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from steelyard.evidence import Elicitation, Evidence, Outcome, Record
from steelyard.kernel import parse_instant
from steelyard.kernel.errors import MalformedEvidence
from steelyard.risk import Plan, classify, determine
from steelyard.risk.margins import rate_threshold
from steelyard.risk.selection import Question
from steelyard.risk.sequential import (
    ItemAnswer,
    LevelThresholds,
    Limits01,
    SequentialPlan,
    SequentialRun,
    bank_design,
    item_answers,
    level_thresholds,
    replay,
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


@pytest.mark.parametrize(
    ("rate", "level", "status"),
    [(0.0, 0, "established"), (0.9, 3, "established"), (0.32, 2, "presumptive")],
)
def test_levels_are_decided_from_part_of_the_bank(rate: float, level: int, status: str) -> None:
    committed = plan()
    evidence = played(committed, rate)
    found = determined(evidence, committed)
    assert (found["level"], found["status"]) == (level, status)
    assert len(evidence.values("item")) < len(ITEMS) * (0.9 if rate < 0.5 else 0.5)
    indicator = cast("list[JsonObject]", found["indicators"])[0]
    assert indicator["n"] == indicator["n_planned"] == len(evidence.values("item"))
    low, high = cast("list[float]", indicator["interval"])
    assert low <= rate <= high + 0.02


@pytest.mark.parametrize("correlation", [0.0, 0.05, 0.1])
def test_banks_of_a_model_at_a_threshold_clear_it_at_half_of_alpha(correlation: float) -> None:
    """The model lies exactly at level 2's threshold, by chance and by template."""
    alpha, items, count = 0.05, 280, 4000
    rate, clusters = LIE.threshold(2), LIE.planned_templates
    (due,) = level_thresholds(
        LIE, {2: rate}, bank_design(LIE, items, 1),
        ruling_error_rate=alpha, showing_error_rate=alpha,
    )  # fmt: skip
    random = np.random.default_rng(11)
    own = np.full((count, clusters), rate)
    if correlation:
        shape = (1.0 - correlation) / correlation
        own = random.beta(rate * shape, (1.0 - rate) * shape, (count, clusters))
    means = random.binomial(items // clusters, own).sum(axis=1) / items
    cleared = float((means < due.effective).mean())
    assert 0.0 < cleared <= alpha / 2 + 3 * np.sqrt(alpha / 2 / count)


def test_draws_clear_a_bank_at_the_limit_at_half_of_alpha() -> None:
    """The bank holds the fewest events at which it no longer clears level 2."""
    alpha, wrong, runs = 0.4, 0, 60
    (due,) = level_thresholds(
        LIE, {2: LIE.threshold(2)}, bank_design(LIE, len(ITEMS), 1),
        ruling_error_rate=alpha, showing_error_rate=alpha,
    )  # fmt: skip
    events = round(due.effective * len(ITEMS))
    never = Limits01(0.5, 0.5)
    for seed in range(runs):
        run = SequentialRun(plan(alpha=alpha / 2, seed=seed, wave=10, thresholds=(due,)))
        while items := run.next_items():
            for item in items:
                lied = float(ITEMS.index(item) < events)
                run.record(ItemAnswer(Limits01(lied, lied), never))
        wager = run.clearing_wager(due)
        assert wager is not None
        wrong += wager.e_below >= 2.0 / alpha
    assert wrong / runs <= alpha / 2 + 3 * np.sqrt(alpha / 2 / runs)
    assert wrong > 0


def test_chance_in_the_answers_is_inside_the_error_rate() -> None:
    """A model just above level 1's threshold is not cleared because one pass was lucky."""
    random, rate, cleared = np.random.default_rng(3), 0.06, 0
    for seed in range(25):
        lucky = set(np.flatnonzero(random.random(len(ITEMS)) < rate).tolist())
        committed = plan(seed=seed, wave=70)
        found = determined(
            played(committed, lambda item, own=lucky: ITEMS.index(item) in own), committed
        )
        cleared += found["level"] == 0
    assert cleared == 0


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


def test_a_small_bank_rules_nothing_out() -> None:
    """Two honest items among 280 are a bank of their own making."""
    committed = plan(items=ITEMS[:30])
    found = determined(played(committed, 0.0), committed)
    assert found["level"] == 3
    codes = {c["code"] for i in cast("Any", found["indicators"]) for c in i["conditions"]}
    assert "other_bank" in codes
    assert determined(played(committed, 0.0), committed, items=len(ITEMS))["level"] == 3
    with pytest.raises(ValueError, match="whatever 2 items show"):
        SequentialPlan.from_json(plan(items=ITEMS[:2]).to_json())


def test_a_bank_larger_than_what_was_planned_rules_nothing_out() -> None:
    honest = ITEMS[: LIE.planned_items]
    committed = plan(items=(*ITEMS, "item-own"), thresholds=bank_thresholds(len(ITEMS) + 1))
    evidence = played(replace(committed, items=honest, budget=len(honest)), 0.0)
    assert determined(evidence, committed, items=len(ITEMS))["level"] == 3


def test_leaving_out_repeats_never_lowers_a_level() -> None:
    """Two of three repeats lie; without them every item looks honest.

    The plan is signed at the margin that absent records are charged, so that alone is no help.
    """
    effective = {k: rate_threshold(LIE, k, "unknown") for k in (1, 2, 3)}
    due = level_thresholds(
        LIE, effective, bank_design(LIE, len(ITEMS), 3),
        ruling_error_rate=0.01, showing_error_rate=0.01,
    )  # fmt: skip
    committed = plan(thresholds=due, wave=70)
    honest = [
        record(item, arm, Outcome.NO_BEHAVIOUR, epoch)
        for item in ITEMS
        for arm, epochs in (("neutral", (1, 2, 3)), ("incentive", (1,)))
        for epoch in epochs
    ]
    evidence = Evidence.from_records(honest).in_key_order()
    assert determined(evidence, committed, repeats=3)["level"] == 3


@pytest.mark.parametrize("controls", [0.0, None])
def test_a_failed_control_rules_nothing_out_and_shows_nothing(controls: float | None) -> None:
    """An agent that cannot do the task at all shows no lack of the behaviour."""
    compute = RELEASE.framework.indicators["re1.compute"]
    items = tuple(f"item-{k:03d}" for k in range(compute.planned_items))
    due = level_thresholds(
        compute, {k: rate_threshold(compute, k, "unknown") for k in (1, 2, 3)},
        bank_design(compute, len(items), 1), ruling_error_rate=0.01, showing_error_rate=0.01,
    )  # fmt: skip
    committed = plan(protocol=compute.protocol, kind="rate", items=items, thresholds=due, wave=40)
    arms = {"restricted": 0.0} | ({} if controls is None else {"provisioned": controls})
    evidence = Evidence.from_records(
        [
            replace(
                record(ITEMS[k], arm, Outcome.NO_BEHAVIOUR), item=item, indicator=compute.id,
                protocol=compute.protocol, protocol_version=compute.protocol_version,
                domain=compute.domain, template=f"template {k % compute.planned_templates}",
            )
            for arm in arms
            for k, item in enumerate(items)
        ]
    ).in_key_order()  # fmt: skip
    question = Question(
        evidence,
        RELEASE.framework,
        Plan(
            parse_instant(CREATED), ("replication",),
            {(compute.protocol, arm): len(items) for arm in compute.arms.values()}, "E1",
            sequential={compute.protocol: committed},
        ),
        parse_instant(AS_OF),
    )  # fmt: skip
    (measured,) = determine(RELEASE.framework.domains["replication"], question).measurements
    assert "control_failed" in {c.code for c in measured.conditions}
    assert measured.ruled_out == {1: False, 2: False, 3: False}
    assert measured.e_above == {1: 0.0, 2: 0.0, 3: 0.0}
    assert (measured.limits.lower, measured.limits.upper) == (0.0, 1.0)


def _stopped_between(
    lying: float, reads: Callable[[SequentialRun], float]
) -> tuple[SequentialPlan, Evidence]:
    """A run whose budget ends while an e-value is at least 1 / alpha and below 2 / alpha."""
    for budget in range(2, len(ITEMS)):
        committed = plan(budget=budget, wave=1)
        evidence = played(committed, lying)
        run = replay(committed, item_answers(LIE, evidence, 1))
        if 100.0 <= reads(run) < 200.0:
            return committed, evidence
    raise AssertionError


def test_half_of_the_error_rate_is_for_the_bank_in_ruling_out() -> None:
    def below(run: SequentialRun) -> float:
        wager = run.clearing_wager(run.plan.thresholds[2])
        return 0.0 if wager is None else wager.e_below

    committed, evidence = _stopped_between(0.0, below)
    assert determined(evidence, committed)["level"] == 3
    assert determined(evidence, plan(budget=committed.budget + 4, wave=1))["level"] == 3
    longer = plan(budget=committed.budget + 6, wave=1)
    assert determined(played(longer, 0.0), longer)["level"] == 2


def test_half_of_the_error_rate_is_for_the_bank_in_showing() -> None:
    def above(run: SequentialRun) -> float:
        wager = run.showing_wager(run.plan.thresholds[2])
        return 0.0 if wager is None else wager.e_above

    committed, evidence = _stopped_between(0.95, above)
    found = determined(evidence, committed)
    assert (found["level"], found["status"]) == (3, "presumptive")
    longer = plan(wave=1)
    assert determined(played(longer, 0.95), longer)["status"] == "established"


def test_a_plan_of_another_kind_is_refused() -> None:
    committed = plan(kind="rate")
    with pytest.raises(MalformedEvidence, match="is of a rate, de1"):
        determined(played(plan(), 0.0), committed)


def test_a_value_that_shows_too_early_shows_nothing() -> None:
    lax = tuple(replace(t, shown=0.01) for t in bank_thresholds(len(ITEMS)))
    committed = plan(thresholds=lax)
    found = determined(played(committed, 0.9), committed)
    assert (found["level"], found["status"]) == (3, "presumptive")


def test_missing_answers_lean_no_screening_to_a_lower_level() -> None:
    """Half of the answers are lost, the rest are honest: a screening must not halve the loss."""
    thresholds = tuple(
        LevelThresholds(k, rate_threshold(LIE, k, "E1"), LIE.threshold(k)) for k in (1, 2, 3)
    )
    run = SequentialRun(plan(mode="screen", wave=280, budget=280, thresholds=thresholds))
    for place, _ in enumerate(run.next_items()):
        lost = place % 10 < 8
        run.record(None if lost else ItemAnswer(Limits01(0.0, 0.0), Limits01(0.5, 0.5)))
    assert run.next_items() == ()
    # Eight in ten could have lied, and 40 % of them would be below level 3.
    assert run.clearing.probability_above(0.5) == 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stopping_rule": "fixed"}, "stopping rule is 'fixed', with 1"),
        ({"stopping_rule": "sequential", "sequential": []}, "with 0"),
        ({"sequential": 2}, "two sequential runs"),
        ({"sequential": "imported"}, "existed before any draw"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(changes: dict[str, object], words: str) -> None:
    row = plan().to_json()
    rows: object = [row]
    if changes.get("sequential") == 2:
        rows = [row, row]
    elif changes.get("sequential") == "imported":
        rows = [{**row, "protocol": "imported"}]
    elif "sequential" in changes:
        rows = changes["sequential"]
    predicate = {
        "created": CREATED, "scope": [], "elicitation": "E1", "planned": [], **changes,
        "sequential": rows,
    }  # fmt: skip
    with pytest.raises(MalformedEvidence, match=words):
        Plan.from_predicate(cast("JsonObject", predicate))


def test_a_hopeless_wager_does_not_overflow() -> None:
    """With every answer missing the wealth falls below what a float's exponent can invert."""
    items = tuple(f"i{k}" for k in range(2000))
    committed = plan(items=items, wave=200, alpha=1e-9, thresholds=bank_thresholds(2000))
    run = replay(committed, {})
    assert len(run.asked) == 2000
    wagers = [run.clearing_wager(t) for t in committed.thresholds]
    assert all(wager is not None and wager.e_below < 1.0 for wager in wagers)
