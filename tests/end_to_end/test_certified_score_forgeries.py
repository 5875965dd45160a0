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
    open_envelope,
    sign_statement,
)
from steelyard.kernel import parse_json_object, sha256_hex

from .scoring import certify, furnished, recheck


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


def _cut(claim: dict[str, Any], count: int) -> None:
    for name in ("asked", "answers", "probabilities"):
        claim[name] = claim[name][:-count]
    claim["waves"][-1] -= count


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
    "the last wave cut": lambda claim: _cut(claim, 2),
    "a field more": lambda claim: claim.update(note="trust me"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_signer_cannot_claim_what_does_not_follow(place: Path, name: str) -> None:
    assert certify(place) == 0
    path = place / "score" / "claim.dsse.json"
    key = load_private_key(place / "key.pem")
    public = key.public_key
    statement = open_envelope(path.read_bytes(), {public.key_id: public})
    claim = parse_json_object(json.dumps(statement.predicate).encode())
    FORGERIES[name](claim)
    path.write_bytes(
        sign_statement(Statement(statement.subjects, statement.predicate_type, claim), key)
    )
    assert recheck(place) == 3


def test_a_plan_cannot_be_exchanged_afterwards(place: Path) -> None:
    assert certify(place) == 0
    path = place / "score" / "plan.dsse.json"
    key = load_private_key(place / "key.pem")
    statement = open_envelope(path.read_bytes(), {key.public_key.key_id: key.public_key})
    plan = dict(statement.predicate) | {"threshold": 0.9}
    again = sign_statement(Statement(statement.subjects, statement.predicate_type, plan), key)
    path.write_bytes(again)
    assert recheck(place) == 3
    claim_path = place / "score" / "claim.dsse.json"
    claimed = open_envelope(claim_path.read_bytes(), {key.public_key.key_id: key.public_key})
    moved = dict(claimed.predicate) | {"plan": sha256_hex(again)}
    claim_path.write_bytes(
        sign_statement(Statement(claimed.subjects, claimed.predicate_type, moved), key)
    )
    assert recheck(place) == 3


def test_a_claim_about_another_bank_is_refused(place: Path) -> None:
    assert certify(place) == 0
    path = place / "score" / "claim.dsse.json"
    key = load_private_key(place / "key.pem")
    statement = open_envelope(path.read_bytes(), {key.public_key.key_id: key.public_key})
    other = (Subject("others", "0" * 64),)
    predicate = parse_json_object(json.dumps(statement.predicate).encode())
    path.write_bytes(sign_statement(Statement(other, statement.predicate_type, predicate), key))
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
