"""What no evidence may change: a stricter framework never lowers a level, names never matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.evidence import Evidence
from steelyard.risk import classify
from steelyard.standard import Domain, Indicator, Release, Rule

from .scenes import AS_OF, Scene, levels, make_scene

EXAMPLES = settings(
    max_examples=6, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
SEEDS = st.integers(0, 2**32)


def _with(release: Release, domain: Domain, *indicators: Indicator) -> Release:
    """The release with one domain exchanged and indicators added."""
    framework = replace(
        release.framework,
        domains={**release.framework.domains, domain.id: domain},
        indicators={**release.framework.indicators, **{i.id: i for i in indicators}},
    )
    return replace(release, framework=framework)


def _stricter(indicator: Indicator, share: float) -> Indicator:
    """The same quantity held against thresholds that begin earlier."""
    shift = 3.0 * share if indicator.unit == "log2_minutes" else 0.0
    scale = 1.0 if indicator.unit == "log2_minutes" else 1.0 - 0.9 * share
    thresholds = tuple(replace(t, value=t.value * scale - shift) for t in indicator.thresholds)
    return replace(indicator, thresholds=thresholds)


def _again(scene: Scene, indicator: Indicator, name: str) -> Scene:
    """The scene with an indicator's records once more, for an indicator of another name."""
    copy = scene.evidence.where(indicator=indicator.id)
    columns = {**copy.columns, "indicator": np.full(len(copy), name, dtype=object)}
    if indicator.protocol == "imported":
        columns["protocol"] = np.array([f"{p}-2" for p in copy.columns["protocol"]], dtype=object)
    samples = dict(scene.plan.samples)
    for protocol, arm in zip(columns["protocol"].tolist(), columns["arm"].tolist(), strict=True):
        if indicator.protocol == "imported":
            samples[protocol, arm] = samples.get((protocol, arm), 0) + 1
    both = Evidence.concatenate([scene.evidence, Evidence(columns)])
    return Scene(both, replace(scene.plan, samples=samples))


@EXAMPLES
@given(seed=SEEDS, share=st.floats(0.0, 1.0))
def test_stricter_thresholds_never_lower_a_level(release: Release, seed: int, share: float) -> None:
    scene = make_scene(release, seed, epochs=1)
    stricter = release
    for domain in release.framework.domains.values():
        first = release.framework.indicators[domain.indicators[0]]
        stricter = _with(stricter, domain, _stricter(first, share))
    whole = levels(scene.evidence, release, scene.plan)
    less = levels(scene.evidence, stricter, scene.plan)
    for before, after in zip(whole.determinations, less.determinations, strict=True):
        assert after.level >= before.level, before.domain.id


@EXAMPLES
@given(seed=SEEDS, share=st.floats(0.0, 1.0), copies=st.integers(0, 1), k=st.integers(1, 2))
def test_a_further_stricter_indicator_never_lowers_a_level(
    release: Release, seed: int, share: float, copies: int, k: int
) -> None:
    """Under any_of and under k_of_n, whether or not the new indicator has records."""
    scene = make_scene(release, seed, epochs=1)
    for name in ("persuasion", "replication", "cyber"):
        domain = release.framework.domains[name]
        core = (*domain.indicators, *domain.supporting)[:3]
        domain = replace(domain, indicators=core, supporting=())
        k = min(k, len(core))
        domain = replace(domain, rules=dict.fromkeys((1, 2, 3), Rule(k)))
        before = _with(release, domain)
        first = release.framework.indicators[core[0]]
        added = replace(_stricter(first, share), id=f"{first.id}.strict")
        after = _with(before, replace(domain, indicators=(*core, added.id)), added)
        richer = _again(scene, first, added.id) if copies else scene
        old = classify(scene.evidence, before, scope=[name], as_of=AS_OF, plan=scene.plan)
        new = classify(richer.evidence, after, scope=[name], as_of=AS_OF, plan=richer.plan)
        assert new.level >= old.level, name


@EXAMPLES
@given(seed=SEEDS)
def test_asking_for_more_indicators_at_a_level_never_raises_it(release: Release, seed: int) -> None:
    """At one error rate per indicator: 2 of n is reached no sooner than 1 of n."""
    scene = make_scene(release, seed, epochs=1)
    domain = release.framework.domains["replication"]
    core = (*domain.indicators, *domain.supporting)
    domain = replace(domain, indicators=core, supporting=())
    found = []
    for k in (1, 2, 3):
        rules = dict.fromkeys((1, 2, 3), Rule(k))
        # alpha / k is what each spends, so k alphas keep the limits the same.
        indicators = [
            replace(i, design=replace(i.design, alpha=0.002 * k))
            for i in (release.framework.indicators[name] for name in core)
        ]
        changed = _with(release, replace(domain, rules=rules), *indicators)
        tests = classify(
            scene.evidence, changed, scope=[domain.id], as_of=AS_OF, plan=scene.plan
        ).determinations[0]
        found.append(tests.level)
    assert found == sorted(found, reverse=True)


@EXAMPLES
@given(seed=SEEDS, epochs=st.sampled_from([1, 2]))
def test_names_and_order_of_models_items_and_templates_change_nothing(
    release: Release, seed: int, epochs: int
) -> None:
    scene = make_scene(release, seed, epochs)
    random = np.random.default_rng(seed)
    order = random.permutation(len(scene.evidence))
    columns = {name: column[order] for name, column in scene.evidence.columns.items()}
    for name in ("item", "template"):
        labels = sorted(set(columns[name].tolist()))
        places = random.permutation(len(labels))
        renamed = {label: f"{place:06}" for label, place in zip(labels, places, strict=True)}
        columns[name] = np.array([renamed[label] for label in columns[name]], dtype=object)
    columns["model"] = np.full(len(order), "another", dtype=object)
    before = levels(scene.evidence, release, scene.plan)
    after = classify(Evidence(columns), release, scope=(), as_of=AS_OF, plan=scene.plan)
    for old, new in zip(before.determinations, after.determinations, strict=True):
        assert (new.level, new.status) == (old.level, old.status)
        for a, b in zip(old.measurements, new.measurements, strict=True):
            assert (b.limits.lower, b.limits.upper) == pytest.approx(
                (a.limits.lower, a.limits.upper), rel=1e-9
            )
            assert b.observed == a.observed
