"""Audits: opened logs give the answer, and two honest runs are seldom called contradictory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from steelyard.disclosure.reproducer.audit import (
    AuditVerdict,
    compare_runs,
    log_root,
    require_answer,
    require_logs,
)
from steelyard.disclosure.reproducer.document import Decision
from steelyard.disclosure.reproducer.limits import make_arm
from steelyard.disclosure.reproducer.query import Answer, Counts, band_of
from steelyard.disclosure.reproducer.verdict import Results, Verdict, judge_results
from steelyard.evidence import Outcome, Record
from steelyard.kernel import JsonObject
from steelyard.kernel.errors import BrokenSeal

DECISION = Decision(0.05, 0.2, 0.05, 0.05, "fixed", 1, "absence")
SECRET = bytes(32)


def results(shown: list[int]) -> Results:
    return Results(make_arm(shown, [0] * len(shown), 1))


RECORDS = [
    Record(
        model="m", protocol="reproducer/toy", protocol_version="0" * 64, domain="disclosure",
        indicator="toy", item=f"v{n}", template=f"v{n}", outcome=Outcome.NO_BEHAVIOUR, score=0.0,
        source="test",
    )
    for n in range(4)
]  # fmt: skip


def test_opened_logs_are_those_that_were_committed_to() -> None:
    root = log_root(RECORDS, SECRET)
    assert require_logs(root.root, root) is root
    changed = replace(RECORDS[0], outcome=Outcome.REFUSAL, score=None)
    for forged in (RECORDS[:3], RECORDS[::-1], [changed, *RECORDS[1:]]):
        with pytest.raises(BrokenSeal, match="the logs have root"):
            require_logs(root.root, log_root(forged, SECRET))
    with pytest.raises(BrokenSeal):
        require_logs(root.root, log_root(RECORDS, bytes(31) + b"\x01"))


def test_what_the_judge_said_is_committed_to() -> None:
    said: JsonObject = {"plain": [True, False], "argued": [True, None]}
    root = log_root(RECORDS, SECRET, said)
    for forged in (None, {**said, "argued": [True, False]}):
        with pytest.raises(BrokenSeal, match="the logs have root"):
            require_logs(root.root, log_root(RECORDS, SECRET, forged))


FOUND = judge_results(results([1] * 8 + [0] * 12), DECISION)
COUNTS = Counts(8, 20, 20)
ANSWER = Answer(
    "q" * 64, "a" * 64, "t", "r", "counts", FOUND.verdict,
    (band_of(FOUND.lower), band_of(FOUND.upper)), COUNTS, (FOUND.lower, FOUND.upper),
    "b" * 64, datetime(2026, 5, 4, tzinfo=UTC),
)  # fmt: skip


def test_an_answer_is_what_its_logs_give() -> None:
    assert require_answer(ANSWER, FOUND, COUNTS) is ANSWER
    modest = replace(ANSWER, band=None, counts=None, interval=None)
    assert require_answer(modest, FOUND, COUNTS) is modest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("verdict", Verdict.NOT_AFFECTED),
        ("band", ("0-1 %", "0-1 %")),
        ("counts", Counts(2, 20, 20)),
        ("interval", (0.0, 0.1)),
    ],
)
def test_a_dishonest_answer_is_named(name: str, value: object) -> None:
    forged = replace(ANSWER, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(BrokenSeal) as refusal:
        require_answer(forged, FOUND, COUNTS)
    assert refusal.value.message == f"the logs give another {name} than the answer"


def test_three_findings() -> None:
    none, some, most = [0] * 40, [1] * 4 + [0] * 36, [1] * 36 + [0] * 4
    same = compare_runs(results(most), results(most), DECISION, 0.01)
    near = compare_runs(results(none), results(some), DECISION, 0.01)
    far = compare_runs(results(none), results(most), DECISION, 0.01)
    assert (same.verdict, same.stated) == (AuditVerdict.CONFIRMED, Verdict.AFFECTED)
    assert (near.verdict, near.neutral) == (AuditVerdict.COMPATIBLE, Verdict.UNDETERMINED)
    assert (far.verdict, far.stated, far.neutral) == (
        AuditVerdict.CONTRADICTED, Verdict.NOT_AFFECTED, Verdict.AFFECTED,
    )  # fmt: skip


def test_honest_runs_are_called_contradictory_no_oftener_than_stated() -> None:
    random, wronged = np.random.default_rng(3), 0
    for _ in range(300):
        rate = random.random()
        runs = [results((random.random(30) < rate).astype(int).tolist()) for _ in range(2)]
        found = compare_runs(runs[0], runs[1], DECISION, 0.1).verdict
        wronged += found is AuditVerdict.CONTRADICTED
    assert wronged <= 47  # chance below 0.001 at a true rate of 0.1
