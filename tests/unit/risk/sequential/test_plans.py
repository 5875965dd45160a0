"""Documents of sequential plans: kept, or refused where they contradict themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from steelyard.kernel.errors import MalformedEvidence
from steelyard.risk import Plan
from steelyard.risk.sequential import (
    SequentialPlan,
    replay,
)

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

from .runs import CREATED, ITEMS, determined, plan, played


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


def test_a_plan_of_another_kind_is_refused() -> None:
    committed = plan(kind="rate")
    with pytest.raises(MalformedEvidence, match="is of a rate, de1"):
        determined(played(plan(), 0.0), committed)


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
