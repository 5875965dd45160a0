"""Claims of certified scores that a signer, or somebody else, has changed: all refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import (
    Statement,
    Subject,
    generate_key,
    load_private_key,
    load_public_key,
    open_envelope,
    sign_statement,
)
from steelyard.kernel import parse_json_object, sha256_hex
from steelyard.risk.banks.item_bank import read_bank
from steelyard.risk.banks.score import ScorePlan, ScoreTest
from steelyard.stats import verify_draws

from .scoring import ITEMS, certify, claim_of, furnished, recheck


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return furnished(tmp_path, monkeypatch)


def _other_answers(claim: dict[str, Any]) -> None:
    claim["answers"][0] = 1 - claim["answers"][0]


def _one_draw_less(claim: dict[str, Any]) -> None:
    for name in ("asked", "answers", "probabilities"):
        claim[name].pop()
    claim["waves"][-1] -= 1
    if not claim["waves"][-1]:
        claim["waves"].pop()


def _other_item(claim: dict[str, Any]) -> None:
    claim["asked"][0], claim["asked"][1] = claim["asked"][1], claim["asked"][0]


def _foreign_item(claim: dict[str, Any]) -> None:
    claim["asked"][0] = "q999"


def _one_large_wave(claim: dict[str, Any]) -> None:
    claim["waves"] = [len(claim["asked"])]


FORGERIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "an answer": _other_answers,
    "a draw left out": _one_draw_less,
    "another order": _other_item,
    "an item of no bank": _foreign_item,
    "other waves": _one_large_wave,
    "the decision": lambda claim: claim.update(decision="above"),
    "the evidence": lambda claim: claim.update(e_below=claim["e_below"] * 2),
    "the interval": lambda claim: claim.update(interval=[0.0, 0.1]),
    "another plan": lambda claim: claim.update(plan="0" * 64),
    "another method": lambda claim: claim.update(method="mine"),
    "a field more": lambda claim: claim.update(note="trust me"),
}


def _signed_anew(
    path: Path, change: Callable[[dict[str, Any]], None], subjects: tuple[Subject, ...] = ()
) -> str:
    """Change a statement and sign it again with its own signer's key; returns its new digest."""
    key = load_private_key(path.parents[1] / "key.pem")
    statement = open_envelope(path.read_bytes(), {key.public_key.key_id: key.public_key})
    predicate: Any = parse_json_object(json.dumps(statement.predicate).encode())
    change(predicate)
    again = Statement(subjects or statement.subjects, statement.predicate_type, predicate)
    path.write_bytes(sign_statement(again, key))
    return sha256_hex(path.read_bytes())


@pytest.mark.parametrize("name", FORGERIES)
def test_a_signer_cannot_claim_what_does_not_follow(place: Path, name: str) -> None:
    assert certify(place) == 0
    _signed_anew(place / "score" / "claim.dsse.json", FORGERIES[name])
    assert recheck(place) == 3


def test_the_last_wave_cannot_be_cut_although_everything_left_agrees(place: Path) -> None:
    """Evidence and interval are computed anew for the draws kept: only their number tells."""
    whole = str(ITEMS)
    assert certify(place, "--wave", whole) == 0
    key = load_public_key(place / "key.pem.pub")
    folder = place / "score"
    plan = open_envelope((folder / "plan.dsse.json").read_bytes(), {key.key_id: key}).predicate
    test = ScoreTest(ScorePlan.from_predicate(plan), read_bank(place / "bank.json"))
    answers = dict(zip(claim_of(place)["asked"], claim_of(place)["answers"], strict=True))
    for size in range(1, ITEMS):
        certifier = test.certifier()
        for index in certifier.draw(size):
            certifier.record(answers[test.items[index]])
        if certifier.finished:
            break
    cut = certifier.certification()
    assert cut.items_used < ITEMS
    assert verify_draws(cut, bank=test.parameters) == cut
    _signed_anew(
        folder / "claim.dsse.json", lambda claim: claim.update(test.claim(cut, claim["plan"]))
    )
    assert recheck(place) == 3


def test_a_plan_cannot_be_exchanged_afterwards(place: Path) -> None:
    assert certify(place) == 0
    plan, claim = place / "score" / "plan.dsse.json", place / "score" / "claim.dsse.json"
    digest = _signed_anew(plan, lambda found: found.update(threshold=0.9))
    assert recheck(place) == 3
    _signed_anew(claim, lambda found: found.update(plan=digest))
    assert recheck(place) == 3


def test_a_claim_about_another_bank_is_refused(place: Path) -> None:
    assert certify(place) == 0
    other = (Subject("others", "0" * 64),)
    _signed_anew(place / "score" / "claim.dsse.json", lambda _: None, other)
    assert recheck(place) == 3


def test_a_plan_is_no_claim(place: Path) -> None:
    assert certify(place) == 0
    plan = (place / "score" / "plan.dsse.json").read_bytes()
    (place / "score" / "claim.dsse.json").write_bytes(plan)
    assert recheck(place) == 3


def test_another_signer_or_bank_is_refused(place: Path) -> None:
    assert certify(place) == 0
    assert recheck(place, "--key", generate_key().public_key.key_id) == 3
    bank = json.loads((place / "bank.json").read_bytes())
    bank["version"] = "2"
    (place / "bank.json").write_text(json.dumps(bank))
    assert recheck(place) == 3
