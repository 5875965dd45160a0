"""Evidence of one domain, varied by the tests of the rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from steelyard.evidence import Evidence
from steelyard.risk import Determination, Plan, classify
from steelyard.standard import Release

AS_OF = datetime(2026, 6, 2, tzinfo=UTC)


@pytest.fixture
def make(release: Release) -> Callable[..., Evidence]:
    """Evidence of a rate indicator: `events` of the treatment samples show the behaviour."""

    def build(name: str, events: int = 0, controls: int | None = None, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of every type
        indicator = release.framework.indicators[name]
        n, clusters = indicator.planned_items, indicator.planned_templates
        if controls is None:
            controls = n if indicator.control_floor else 0
        rows = [
            {
                "model": "m", "protocol": indicator.protocol, "score": float(i < count),
                "protocol_version": indicator.protocol_version, "domain": indicator.domain,
                "indicator": name, "item": f"i{i}", "template": f"t{i % clusters}", "arm": arm,
                "epoch": 1, "elicitation": "E1", "reason": "", "covariates": {}, "measures": {},
                "outcome": "behaviour" if i < count else "no_behaviour", "input_tokens": None,
                "output_tokens": None, "seconds": None, "commitment": None, "source": "test",
                **changes,
            }
            for arm, count in zip(indicator.arms.values(), (events, controls), strict=True)
            for i in range(n)
        ]  # fmt: skip
        return Evidence.from_objects(rows)

    return build


@pytest.fixture
def plan() -> Plan:
    return Plan(datetime(2026, 6, 1, tzinfo=UTC), ("replication",), {}, "E1")


@pytest.fixture
def decide(release: Release, plan: Plan) -> Callable[..., Determination]:
    def run(evidence: Evidence, domain: str = "replication", **changes: Any) -> Determination:  # noqa: ANN401 - as above
        arguments = {"as_of": AS_OF, "plan": plan, "model": "m", **changes}
        return classify(evidence, release, scope=[domain], **arguments).determinations[0]

    return run
