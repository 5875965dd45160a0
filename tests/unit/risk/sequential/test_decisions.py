"""What the records of drawn items decide, and how often wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from steelyard.evidence import Evidence
from steelyard.risk.margins import rate_threshold
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from steelyard.kernel import JsonObject

from .runs import ITEMS, LIE, bank_thresholds, determined, plan, played


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


def test_a_hopeless_wager_does_not_overflow() -> None:
    """With every answer missing the wealth falls below what a float's exponent can invert."""
    items = tuple(f"i{k}" for k in range(2000))
    committed = plan(items=items, wave=200, alpha=1e-9, thresholds=bank_thresholds(2000))
    run = replay(committed, {})
    assert len(run.asked) == 2000
    wagers = [run.clearing_wager(t) for t in committed.thresholds]
    assert all(wager is not None and wager.e_below < 1.0 for wager in wagers)
