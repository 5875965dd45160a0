"""any_of and k_of_n: which levels a domain's rule clears and shows, and at what error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from steelyard.evidence import Elicitation, Evidence
from steelyard.risk import Plan, classify
from steelyard.risk.levels import (
    LevelTest,
    highest_not_ruled_out,
    parts_of_showing,
    shown_at,
)
from steelyard.risk.measurement import Limits, Measurement
from steelyard.risk.selection import ruling_error_rate
from steelyard.standard import Indicator, Release, Rule

Make = Callable[..., Evidence]
AS_OF = datetime(2026, 6, 2, tzinfo=UTC)
ALPHA = 0.05
RUNS = 20_000
RULES = [(1, 1), (1, 3), (2, 3), (3, 3), (2, 5)]


def _rules(k: int) -> dict[int, Rule]:
    return dict.fromkeys((1, 2, 3), Rule(k))


def _tests(below: Sequence[Sequence[int]]) -> list[LevelTest]:
    """One indicator per entry, with the levels that it rules out."""
    return [
        LevelTest(f"i{n}", level, 0.0, 0.5, 0.5, level in levels)
        for n, levels in enumerate(below)
        for level in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("k", "below", "level"),
    [
        (1, [(1, 2, 3), (1, 2, 3)], 0),
        (1, [(1, 2, 3), (2, 3)], 1),
        (1, [(1, 2, 3), ()], 3),
        (2, [(1, 2, 3), ()], 0),
        (2, [(2, 3), ()], 1),
        (2, [(1, 2, 3), (), ()], 3),
        (2, [(1, 2, 3), (2, 3), ()], 1),
        (3, [(3,), (), ()], 2),
        # A gap in what is ruled out is no clearance of what lies above it.
        (1, [(1, 3)], 2),
        (1, [(1, 2)], 3),
    ],
)
def test_a_level_is_cleared_by_all_but_k_minus_one_indicators(
    k: int, below: Sequence[Sequence[int]], level: int
) -> None:
    assert highest_not_ruled_out(_tests(below), _rules(k)) == level


def test_each_level_may_have_a_rule_of_its_own() -> None:
    rules = {1: Rule(1), 2: Rule(2), 3: Rule(2)}
    assert highest_not_ruled_out(_tests([(1, 2, 3), ()]), rules) == 1
    assert parts_of_showing(2, rules) == 2


def _indicators(release: Release, n: int) -> list[Indicator]:
    first = release.framework.indicators["re1.compute"]
    return [replace(first, id=f"re1.copy{k}") for k in range(n)]


def _measured(
    indicator: Indicator, lower: float, e_above: dict[int, float] | None = None
) -> Measurement:
    limits = Limits(lower, 1.0)
    return Measurement(
        indicator, None, None, limits, limits, 100, 100, Elicitation.E1,
        complete=True, outcomes={}, conditions=(), e_above=e_above,
    )  # fmt: skip


@pytest.mark.parametrize(("k", "n"), RULES)
def test_a_level_is_cleared_wrongly_at_the_error_rate(release: Release, k: int, n: int) -> None:
    """k indicators lie at the level exactly and the rest far below: the hardest case.

    Each rules the level out with the probability that it is given.
    """
    domain = replace(release.framework.domains["replication"], rules=_rules(k))
    framework = replace(release.framework, domains={"replication": domain})
    design = replace(release.framework.indicators["re1.compute"].design, alpha=ALPHA)
    indicator = replace(release.framework.indicators["re1.compute"], design=design)
    each = ruling_error_rate(indicator, framework)
    random = np.random.default_rng(k * 10 + n)
    wrong = 0
    for errs in random.random((RUNS, k)) < each:
        below = [(1, 2, 3) if err else (2, 3) for err in errs] + [(1, 2, 3)] * (n - k)
        wrong += highest_not_ruled_out(_tests(below), domain.rules) == 0
    spread = math.sqrt(ALPHA / RUNS)
    assert wrong / RUNS < ALPHA + 3 * spread
    # The whole budget is spent when errors are rare and independent.
    assert wrong / RUNS == pytest.approx(1.0 - (1.0 - each) ** k, abs=3 * spread)
    assert k * each == pytest.approx(ALPHA)


@pytest.mark.parametrize(("k", "n"), RULES)
@pytest.mark.parametrize("with_e_values", [0, 1, 5])
def test_a_level_is_shown_wrongly_at_the_error_rate(
    release: Release, k: int, n: int, with_e_values: int
) -> None:
    """k - 1 indicators are at the level for certain, the rest below it, by limit or e-value."""
    rule, parts = Rule(k), parts_of_showing(n, _rules(k))
    indicators = _indicators(release, n)
    threshold = indicators[0].threshold(2)
    random = np.random.default_rng(k * 100 + n * 10 + with_e_values)
    wrong = 0
    for draw in random.random((RUNS // 4, n - k + 1)):
        found = [_measured(i, threshold) for i in indicators[: k - 1]]
        for place, (indicator, u) in enumerate(zip(indicators[k - 1 :], draw, strict=True)):
            if place < with_e_values:
                # The e-value that betting everything on one event of this size would give.
                e_value = parts / ALPHA if u < ALPHA / parts else 0.0
                found.append(_measured(indicator, 0.0, {2: e_value}))
            else:
                found.append(_measured(indicator, threshold if u < ALPHA / parts else 0.0))
        wrong += shown_at(2, found, rule, ALPHA)
    assert wrong / (RUNS // 4) < ALPHA + 3 * math.sqrt(ALPHA / (RUNS // 4))
    assert wrong > 0


def test_e_values_count_together_for_a_rule_that_one_indicator_satisfies(release: Release) -> None:
    """No single e-value reaches 3 / alpha; their mean reaches 1 / alpha."""
    indicators = _indicators(release, 3)
    together = [_measured(i, 0.0, {2: 1.0 / ALPHA}) for i in indicators]
    assert shown_at(2, together, Rule(1), ALPHA)
    assert not shown_at(2, together, Rule(2), ALPHA)
    assert not shown_at(2, [*together[:2], _measured(indicators[2], 0.0, {})], Rule(1), ALPHA)
    assert not shown_at(2, [*together[:2], _measured(indicators[2], 0.0)], Rule(1), ALPHA)


def test_an_indicator_with_e_values_is_not_shown_by_its_limit(release: Release) -> None:
    indicator = _indicators(release, 1)[0]
    assert shown_at(2, [_measured(indicator, 0.9)], Rule(1), ALPHA)
    assert not shown_at(2, [_measured(indicator, 0.9, {2: 0.0})], Rule(1), ALPHA)


def _both(release: Release, k: int) -> Release:
    """The release with replication resting on two core indicators under a k_of_n rule."""
    framework = release.framework
    domain = replace(
        framework.domains["replication"],
        indicators=("re1.compute", "re2.exfiltration"),
        supporting=(),
        rules=_rules(k),
    )
    domains = {**framework.domains, "replication": domain}
    return replace(release, framework=replace(framework, domains=domains))


@pytest.mark.parametrize(("k", "level"), [(1, 3), (2, 0)])
def test_two_of_two_needs_both_and_is_cleared_by_either(
    make: Make, release: Release, plan: Plan, k: int, level: int
) -> None:
    low = make("re1.compute", 0, elicitation="E3")
    high = make("re2.exfiltration", 290, elicitation="E3")
    evidence = Evidence.concatenate([low, high])
    found = classify(evidence, _both(release, k), scope=["replication"], as_of=AS_OF, plan=plan)
    assert found.level == level


def test_a_rule_of_k_splits_the_error_rate_of_each_limit(
    make: Make, release: Release, plan: Plan
) -> None:
    evidence = make("re1.compute", 6)
    limits = [
        classify(evidence, _both(release, k), scope=["replication"], as_of=AS_OF, plan=plan)
        .determinations[0]
        .measurements[0]
        .limits
        for k in (1, 2)
    ]
    assert limits[1].upper > limits[0].upper  # ruled out at alpha / 2
    assert limits[1].lower > limits[0].lower  # shown at alpha instead of alpha / 2
