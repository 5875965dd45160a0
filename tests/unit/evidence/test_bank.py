"""Completing the bank of a many-model table."""

from __future__ import annotations

from steelyard.evidence import Evidence, Outcome, Record
from steelyard.evidence.bank import complete_bank


def record(model: str, item: str, epoch: int = 1) -> Record:
    return Record(
        model=model,
        protocol="bench",
        protocol_version="1",
        domain="cyber",
        indicator="cyber.horizon",
        item=item,
        template="t",
        epoch=epoch,
        outcome=Outcome.BEHAVIOUR,
        score=1.0,
        covariates={"human_minutes": 5.0},
        seconds=2.0,
        source="table",
    )


def test_what_a_model_lacks_is_written_down_as_not_run() -> None:
    table = Evidence.from_records([record("a", "1"), record("a", "2", 2), record("b", "1")])
    complete = complete_bank(table)
    added = [r for r in complete.records() if r.reason == "not_run"]
    assert [(r.model, r.item, r.epoch) for r in added] == [("b", "2", 1)]
    assert added[0].outcome is Outcome.INFRASTRUCTURE_ERROR
    assert added[0].score is None
    assert added[0].seconds is None
    assert added[0].covariates == {"human_minutes": 5.0}
    assert len(complete) == 4


def test_a_single_model_is_its_own_bank() -> None:
    table = Evidence.from_records([record("a", "1")])
    assert complete_bank(table) is table
