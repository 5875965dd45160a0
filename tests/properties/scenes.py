"""Scenes for properties of the decision rule: records of every domain, with their plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from steelyard.evidence import Elicitation, Evidence
from steelyard.risk import Classification, Plan, classify
from steelyard.standard import Indicator, Release

AS_OF = datetime(2026, 6, 2, tzinfo=UTC)
USES = ["half", "first", "plain", "test", "neutral"]
STEPS = [step.value for step in Elicitation]


@dataclass(frozen=True)
class Scene:
    """A full set of planned records of every domain, and the plan that declared them."""

    evidence: Evidence
    plan: Plan


def record(indicator: Indicator, arm: str, **fields: object) -> dict[str, object]:
    """One record of an indicator, with the given fields."""
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
                    record(
                        indicator, arm, item=f"i{item}", template=f"t{labels[item]}", epoch=epoch,
                        elicitation=steps[random.integers(len(steps))], score=float(behaved),
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
            record(
                indicator, "default", item=f"i{item}", template=f"t{random.integers(7)}", epoch=1,
                elicitation=str(random.choice(["E2", "E3"])), score=float(solved),
                outcome="behaviour" if solved else "no_behaviour",
                covariates={"human_minutes": float(2.0**length)},
                protocol=str(random.choice(["bench-a", "bench-b"])),
            )
        )  # fmt: skip
    return rows


def make_scene(release: Release, seed: int, epochs: int) -> Scene:
    """Records of every indicator, drawn from a seed, as many as the standard plans."""
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


def levels(evidence: Evidence, release: Release, plan: Plan | None) -> Classification:
    """Levels of every domain."""
    return classify(evidence, release, scope=(), as_of=AS_OF, plan=plan, model="m")


def lowered(whole: Classification, less: Classification) -> list[str]:
    """Domains whose level fell, and indicators of which a limit became tighter."""
    found = ["overall"] if less.level < whole.level else []
    for before, after in zip(whole.determinations, less.determinations, strict=True):
        if after.level < before.level:
            found.append(before.domain.id)
        for old, new in zip(before.measurements, after.measurements, strict=True):
            if new.limits.upper < old.limits.upper - 1e-9:
                found.append(old.indicator.id)
            if new.limits.lower > old.limits.lower + 1e-9:
                found.append(old.indicator.id)
    return found
