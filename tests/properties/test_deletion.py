"""Leaving results out never lowers a level: the claim of docs/decisions/0004."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.evidence import Evidence, Outcome
from steelyard.risk import classify
from steelyard.standard import Release

from .scenes import AS_OF, levels, lowered, make_scene, record

MISSING = [outcome.value for outcome in Outcome if not outcome.observed]
EXAMPLES = settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _without(evidence: Evidence, mask: np.ndarray) -> Evidence:
    return evidence.select(~mask)


def _missing(evidence: Evidence, mask: np.ndarray) -> Evidence:
    """Outcomes under the mask turned into the four missing kinds in turn."""
    columns = dict(evidence.columns)
    for name in ("outcome", "score", "reason"):
        columns[name] = columns[name].copy()
    places = np.flatnonzero(mask)
    for turn, place in enumerate(places):
        columns["outcome"][place] = MISSING[turn % len(MISSING)]
        columns["score"][place] = None
        columns["reason"][place] = "test"
    return Evidence.from_columns(columns)


def _masks(random: np.random.Generator, evidence: Evidence) -> np.ndarray:
    """What a cheat would leave out: at random, events only, an arm, a cluster, a domain."""
    columns = evidence.columns
    mask = random.random(len(evidence)) < random.choice([0.003, 0.03, 0.3])
    for name in ("outcome", "arm", "template", "domain", "elicitation", "protocol", "epoch"):
        if random.random() < 0.3:
            values = sorted(set(columns[name].tolist()))
            chosen = values[int(random.integers(len(values)))]
            mask &= columns[name] == chosen
            if random.random() < 0.5:
                mask = columns[name] == chosen
    return mask


Change = Callable[[Evidence, np.ndarray], Evidence]


@EXAMPLES
@given(
    seed=st.integers(0, 2**32),
    epochs=st.sampled_from([1, 1, 2]),
    change=st.sampled_from([_without, _missing]),
)
def test_leaving_results_out_never_lowers_a_level(
    release: Release, seed: int, epochs: int, change: Change
) -> None:
    scene = make_scene(release, seed, epochs)
    random = np.random.default_rng(seed + 1)
    whole = levels(scene.evidence, release, scene.plan)
    once = change(scene.evidence, _masks(random, scene.evidence))
    less = levels(once, release, scene.plan)
    assert lowered(whole, less) == []
    if len(once):
        twice = change(once, _masks(random, once))
        assert lowered(less, levels(twice, release, scene.plan)) == []


@EXAMPLES
@given(seed=st.integers(0, 2**32), change=st.sampled_from([_without, _missing]))
def test_without_a_plan_the_standards_design_is_the_plan(
    release: Release, seed: int, change: Change
) -> None:
    scene = make_scene(release, seed, epochs=1)
    # Without a plan nothing tells which tasks of a horizon were left out: never established.
    horizons = [i.id for i in release.framework.indicators.values() if i.kind == "horizon"]
    evidence = scene.evidence.select(~np.isin(scene.evidence.columns["indicator"], horizons))
    mask = _masks(np.random.default_rng(seed + 1), evidence)
    # Nothing but a plan tells that a supporting indicator was run, so one record of each stays.
    mask[np.unique(evidence.columns["indicator"].astype(str), return_index=True)[1]] = False
    whole = levels(evidence, release, None)
    assert lowered(whole, levels(change(evidence, mask), release, None)) == []


@given(seed=st.integers(0, 2**32))
@settings(max_examples=8)
def test_dropping_the_plan_never_leaves_anything_established(release: Release, seed: int) -> None:
    scene = make_scene(release, seed, epochs=1)
    bare = levels(scene.evidence, release, None)
    assert {d.status for d in bare.determinations} <= {"presumptive", "undetermined"}
    assert all("no_plan" in {c.code for c in d.conditions} for d in bare.determinations)


def test_a_mismatched_pair_shows_nothing(release: Release) -> None:
    """Items run in one arm only must not dilute those run in both."""
    indicator = release.framework.indicators["pe1.fabrication"]
    n = indicator.planned_items
    arms = {"opposed": range(n), "aligned": range(20, n + 20)}
    rows = [
        record(
            indicator, arm, item=f"i{i}", template=f"t{i % 40}", epoch=1, elicitation="E1",
            outcome="no_behaviour", score=0.0,
        )
        for arm, items in arms.items()
        for i in items
    ]  # fmt: skip
    evidence = Evidence.from_objects(rows)
    unpaired = np.array([int(i[1:]) >= n for i in evidence.columns["item"]])
    whole = classify(evidence, release, scope=["persuasion"], as_of=AS_OF, model="m")
    less = classify(
        evidence.select(~unpaired), release, scope=["persuasion"], as_of=AS_OF, model="m"
    )
    assert lowered(whole, less) == []
    assert whole.determinations[0].measurements[0].limits.upper > 20 / n


def test_hiding_weak_elicitation_does_not_help(release: Release) -> None:
    """Records below the needed effort count as missing, so removing them gains nothing."""
    indicator = release.framework.indicators["re1.compute"]
    rows = [
        record(
            indicator, arm, item=f"i{i}", template=f"t{i % 20}", epoch=1,
            elicitation="E0" if i < 3 else "E2", score=float(arm == "provisioned"),
            outcome="behaviour" if arm == "provisioned" else "no_behaviour",
        )
        for arm in ("restricted", "provisioned")
        for i in range(indicator.planned_items)
    ]  # fmt: skip
    evidence = Evidence.from_objects(rows)
    weak = evidence.columns["elicitation"] == "E0"
    whole = classify(evidence, release, scope=["replication"], as_of=AS_OF, model="m")
    less = classify(evidence.select(~weak), release, scope=["replication"], as_of=AS_OF, model="m")
    assert lowered(whole, less) == []
    assert whole.level == less.level == 1
