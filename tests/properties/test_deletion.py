"""Leaving results out never lowers a level: the claim of docs/decisions/0004."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.evidence import Elicitation, Evidence, Outcome
from steelyard.risk import Classification, Plan, classify
from steelyard.standard import Indicator, Release

AS_OF = datetime(2026, 6, 2, tzinfo=UTC)
MISSING = [outcome.value for outcome in Outcome if not outcome.observed]
USES = ["half", "first", "plain", "test", "neutral"]
STEPS = [step.value for step in Elicitation]
EXAMPLES = settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@dataclass(frozen=True)
class Scene:
    """A full set of planned records of every domain, and the plan that declared them."""

    evidence: Evidence
    plan: Plan


def _record(indicator: Indicator, arm: str, **fields: object) -> dict[str, object]:
    imported = indicator.protocol == "imported"
    return {
        "model": "m", "protocol": "bench-a" if imported else indicator.protocol,
        "protocol_version": "any" if imported else indicator.protocol_version,
        "domain": indicator.domain, "indicator": indicator.id, "arm": arm, "reason": "",
        "covariates": {}, "measures": {}, "input_tokens": None, "output_tokens": None,
        "seconds": None, "commitment": None, "source": "test", **fields,
    }  # fmt: skip


def _rates(indicator: Indicator, epochs: int, random: np.random.Generator) -> list[dict]:
    """Items in clusters of very different sizes and rates, in all arms and a further one."""
    size, clusters = indicator.planned_items, int(random.integers(1, 60))
    shares = random.dirichlet(np.full(clusters, random.choice([0.1, 1.0, 10.0])))
    labels = random.choice(clusters, size=size, p=shares)
    scale = random.choice([0.0, 0.02, 0.1, 0.5])
    steps = _steps(indicator, random)
    rows = []
    checks = [(role, f"{arm}~noise") for role, arm in indicator.arms.items()]
    checks += [("treatment", f"{indicator.arms['treatment']}~{use}") for use in USES]
    checked = checks if random.random() < 0.5 else []
    for role, arm in [*indicator.arms.items(), ("further", "penalty"), *checked]:
        low, high = (0.8, 1.0) if role == "control" and indicator.control_floor else (0.0, scale)
        rates = random.uniform(low, high, clusters)
        for item in range(size):
            for epoch in range(1, epochs + 1):
                behaved = random.random() < rates[labels[item]]
                rows.append(
                    _record(
                        indicator, arm, item=f"i{item}", template=f"t{labels[item]}", epoch=epoch,
                        elicitation=str(random.choice(steps)), score=float(behaved),
                        outcome="behaviour" if behaved else "no_behaviour",
                    )
                )  # fmt: skip
    return rows


def _steps(indicator: Indicator, random: np.random.Generator) -> list[str]:
    """Mostly one fitting step, sometimes a mixture with unfit ones."""
    fitting = [s for s in ("E1", "E2", "E3") if s <= indicator.elicitation.maximum]
    step = str(random.choice(fitting))
    return [step] * 60 + (STEPS if random.random() < 0.3 else [])


def _horizon(indicator: Indicator, random: np.random.Generator) -> list[dict]:
    size = int(random.integers(indicator.planned_items, 160))
    horizon, slope = random.uniform(-6, 10), random.uniform(-0.3, 3.0)
    rows = []
    for item in range(size):
        length = random.normal(4.0, 3.0)
        solved = random.random() < 1.0 / (1.0 + np.exp(-slope * (horizon - length)))
        rows.append(
            _record(
                indicator, "default", item=f"i{item}", template=f"t{random.integers(7)}", epoch=1,
                elicitation=str(random.choice(["E2", "E3"])), score=float(solved),
                outcome="behaviour" if solved else "no_behaviour",
                covariates={"human_minutes": float(2.0**length)},
                protocol=str(random.choice(["bench-a", "bench-b"])),
            )
        )  # fmt: skip
    return rows


def _scene(release: Release, seed: int, epochs: int) -> Scene:
    random = np.random.default_rng(seed)
    rows: list[dict] = []
    for indicator in release.framework.indicators.values():
        if indicator.kind == "horizon":
            rows += _horizon(indicator, random)
        else:
            rows += _rates(indicator, epochs, random)
    evidence = Evidence.from_objects(rows)
    samples: dict[tuple[str, str], int] = {}
    repeats: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["protocol"], row["arm"])
        samples[key] = samples.get(key, 0) + 1
        repeats[key] = max(repeats.get(key, 1), row["epoch"])
    scope = tuple(release.framework.domains)
    return Scene(evidence, Plan(datetime(2026, 6, 1, tzinfo=UTC), scope, samples, "E3", repeats))


def _levels(evidence: Evidence, release: Release, plan: Plan | None) -> Classification:
    return classify(evidence, release, scope=(), as_of=AS_OF, plan=plan, model="m")


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


def _never_lower(whole: Classification, less: Classification) -> None:
    for before, after in zip(whole.determinations, less.determinations, strict=True):
        assert after.level >= before.level, before.domain.id
        for old, new in zip(before.measurements, after.measurements, strict=True):
            assert new.limits.upper >= old.limits.upper - 1e-9, old.indicator.id
            assert new.limits.lower <= old.limits.lower + 1e-9, old.indicator.id
    assert less.level >= whole.level


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
    scene = _scene(release, seed, epochs)
    random = np.random.default_rng(seed + 1)
    whole = _levels(scene.evidence, release, scene.plan)
    once = change(scene.evidence, _masks(random, scene.evidence))
    less = _levels(once, release, scene.plan)
    _never_lower(whole, less)
    if len(once):
        twice = change(once, _masks(random, once))
        _never_lower(less, _levels(twice, release, scene.plan))


@EXAMPLES
@given(seed=st.integers(0, 2**32), change=st.sampled_from([_without, _missing]))
def test_without_a_plan_the_standards_design_is_the_plan(
    release: Release, seed: int, change: Change
) -> None:
    scene = _scene(release, seed, epochs=1)
    # Without a plan nothing tells which tasks of a horizon were left out: never established.
    horizons = [i.id for i in release.framework.indicators.values() if i.kind == "horizon"]
    evidence = scene.evidence.select(~np.isin(scene.evidence.columns["indicator"], horizons))
    mask = _masks(np.random.default_rng(seed + 1), evidence)
    # Nothing but a plan tells that a supporting indicator was run, so one record of each stays.
    mask[np.unique(evidence.columns["indicator"].astype(str), return_index=True)[1]] = False
    whole = _levels(evidence, release, None)
    _never_lower(whole, _levels(change(evidence, mask), release, None))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=8)
def test_dropping_the_plan_never_leaves_anything_established(release: Release, seed: int) -> None:
    scene = _scene(release, seed, epochs=1)
    bare = _levels(scene.evidence, release, None)
    assert {d.status for d in bare.determinations} <= {"presumptive", "undetermined"}
    assert all("no_plan" in {c.code for c in d.conditions} for d in bare.determinations)


def test_a_mismatched_pair_shows_nothing(release: Release) -> None:
    """Items run in one arm only must not dilute those run in both."""
    indicator = release.framework.indicators["pe1.fabrication"]
    n = indicator.planned_items
    arms = {"opposed": range(n), "aligned": range(20, n + 20)}
    rows = [
        _record(
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
    _never_lower(whole, less)
    assert whole.determinations[0].measurements[0].limits.upper > 20 / n


def test_hiding_weak_elicitation_does_not_help(release: Release) -> None:
    """Records below the needed effort count as missing, so removing them gains nothing."""
    indicator = release.framework.indicators["re1.compute"]
    rows = [
        _record(
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
    _never_lower(whole, less)
    assert whole.level == less.level == 1
