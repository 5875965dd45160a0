"""Previews: the fewest variants for each verdict are the verdict's own."""

from __future__ import annotations

from typing import Any

import pytest

from steelyard.disclosure.reproducer.preview import preview, summary
from steelyard.standard import check_schema

from .toy_documents import decision, toy_reproducer

CALIBRATION = [{"passage": f"passage {n}", "label": n < 10} for n in range(20)]
JUDGE = {"kind": "judge", "model": "a/b", "question": "?", "calibration": CALIBRATION}


@pytest.mark.parametrize(
    ("changes", "affected", "cleared"),
    [
        ({"control_arm": None}, 2, 14),  # 0.05^(1/2) > 0.05; 0.8^14 < 0.05
        ({}, 6, 17),  # both limits at half the error
        ({"decision": decision(tries=5)}, 6, 17),  # repeats add no variants
        ({"decision": decision(method="sequential")}, 9, 23),
        ({"scorer": JUDGE}, 6, 32),
    ],
)
def test_fewest_variants(
    changes: dict[str, Any], affected: int | None, cleared: int | None
) -> None:
    found = preview(toy_reproducer(**changes))
    assert (found.least_affected, found.least_not_affected) == (affected, cleared)


def test_notes_say_what_a_document_cannot_do() -> None:
    few = toy_reproducer(5, control_arm=None)
    assert preview(few).notes == (
        "5 variants can never give not affected: 14 are needed",
        "without a control arm the rate is not compared with anything",
        "without sealed variants no mitigation can be verified",
    )
    sealed = {"root": "a" * 64, "size": 10}
    assert preview(toy_reproducer(sealed_variants_commitment=sealed)).notes == (
        "10 sealed variants can never verify a mitigation: 59 are needed",
    )


@pytest.mark.parametrize(("labels", "needed"), [(10, 105), (100, 75), (200, 74)])
def test_a_judge_costs_sealed_variants(labels: int, needed: int) -> None:
    """1 - 0.025^(1/n) < 0.05 * 0.025^(1/labels): half the error is the judge's."""
    passages = [{"passage": f"passage {n}", "label": n < labels} for n in range(2 * labels)]
    sealed = {"root": "a" * 64, "size": 60}
    made = toy_reproducer(
        scorer={**JUDGE, "calibration": passages}, sealed_variants_commitment=sealed
    )
    found = preview(made)
    assert found.least_sealed == needed
    reason = f"60 sealed variants can never verify a mitigation: {needed} are needed"
    assert found.notes[-1] == reason
    check_schema(summary(made, found), "reproducer-summary", where="summary")


def test_a_rate_that_no_number_of_sealed_variants_bounds() -> None:
    sealed = {"root": "a" * 64, "size": 60}
    strict = decision(p_tolerable=0.0002)
    found = preview(toy_reproducer(sealed_variants_commitment=sealed, decision=strict))
    assert found.least_sealed is None
    assert found.notes[-1] == ("no number of sealed variants up to 10,000 can verify a mitigation")


def test_the_summary_follows_its_schema() -> None:
    made = toy_reproducer(decision=decision(tries=3))
    found = summary(made, preview(made))
    check_schema(found, "reproducer-summary", where="summary")
    assert (found["samples"], found["scorer"], found["control"]) == (120, "regex", True)
