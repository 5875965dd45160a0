"""From answers to a matrix: consent, counts of the rest, and owners of handles."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from steelyard.attest import generate_key
from steelyard.disclosure.reproducer.consent import open_consent, sign_consent
from steelyard.disclosure.reproducer.matrix import (
    Told,
    cells_of,
    published_matrix,
    rank_targets,
    require_owners,
)
from steelyard.disclosure.reproducer.query import Answer, Counts
from steelyard.disclosure.reproducer.transfer import Cell
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, MalformedEvidence
from steelyard.standard import check_schema

END = datetime(2026, 5, 4, tzinfo=UTC)
LAB, OTHER = generate_key(), generate_key()


def told(flaw: str, target: str, k: int, n: int = 20, *, consent: bool = True) -> Told:
    verdict = Verdict.AFFECTED if k > n / 4 else Verdict.NOT_AFFECTED
    answer = Answer(
        "q" * 64, "a" * 64, target, "r", "counts", verdict, ("0-1 %", "0-1 %"),
        Counts(k, n, 20), (0.0, 0.1), "b" * 64, END - timedelta(days=1),
    )  # fmt: skip
    return Told(flaw, answer, target, consent)


def silent(one: Told) -> Told:
    """The same answer at the level of a verdict."""
    return replace(one, answer=replace(one.answer, counts=None, interval=None, band=None))


SHOWN = [told("a", "t1", 5), told("a", "t2", 9)]


def published(answers: list[Told]) -> Any:  # noqa: ANN401 - parsed JSON
    return published_matrix(answers, embargo_end=END, now=END, confidence=0.9)


def test_a_cell_without_consent_moves_no_cell() -> None:
    hidden = [told("a", "t3", 20, consent=False), silent(told("a", "t4", 20))]
    found = published([*SHOWN, *hidden])
    check_schema(found, "transfer-matrix", where="matrix")
    assert found["cells"] == published(SHOWN)["cells"]
    assert [cell["target"] for cell in found["cells"]] == ["t1", "t2"]
    assert "t3" not in str(found)
    assert found["unnamed"] == {
        "a": {
            "answers": 0,
            "by_verdict": {"affected": 0, "not_affected": 0, "undetermined": 0},
        }
    }


def test_named_cells_are_not_counted_a_second_time() -> None:
    """With them in the counts, the one answer that is left could be subtracted."""
    rest = [silent(told("a", f"s{n}", 20)) for n in range(3)]
    counts = published([*SHOWN, *rest])["unnamed"]["a"]
    assert counts["answers"] == 3
    assert counts["by_verdict"]["affected"] == 3


def test_answers_of_one_class_and_target_are_one_cell() -> None:
    twice = [told("a", "t", 5), told("a", "t", 2, 10), told("a", "u", 0, 0)]
    assert cells_of(twice) == [Cell("a", "t", 9.0, 40)]


def test_a_coordinator_ranks_with_all_that_it_was_told() -> None:
    rows = [
        told(flaw, target, k, consent=False)
        for flaw in ("a", "b", "c")
        for target, k in (("weak", 16), ("strong", 0))
    ]
    ranked = rank_targets([*rows, told("new", "reporter", 15), told("a", "reporter", 8)], 0.2)
    assert [victim.target for victim in ranked["new"]] == ["weak", "strong"]
    assert [victim.target for victim in ranked["b"]] == ["reporter"]
    assert ranked["a"] == []


def test_too_little_consent_is_no_matrix() -> None:
    with pytest.raises(ConfigurationError, match="found 1"):
        published([SHOWN[0], replace(SHOWN[1], consent=False)])


def test_a_handle_has_one_owner() -> None:
    require_owners(SHOWN)
    with pytest.raises(MalformedEvidence) as refusal:
        require_owners([SHOWN[0], replace(told("b", "t1", 3), signer="another")])
    assert refusal.value.message == "two keys answer about target 't1'"
    assert refusal.value.hint == "a handle begins with its organization: lab/alpha"


def test_a_consent_is_to_one_answer_by_one_key() -> None:
    keys = {LAB.public_key.key_id: LAB.public_key}
    envelope = sign_consent(b"answer", "lab/alpha", LAB, now=END)
    found, signer = open_consent(envelope, keys)
    assert (found.target, found.given, signer) == ("lab/alpha", END, LAB.public_key.key_id)
    assert found.answer != open_consent(sign_consent(b"x", "t", LAB, now=END), keys)[0].answer
    with pytest.raises(BrokenSeal):
        open_consent(sign_consent(b"answer", "lab/alpha", OTHER, now=END), keys)
