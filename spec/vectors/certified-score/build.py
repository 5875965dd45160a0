"""Writes the vectors of certified scores: good folders, and folders with one fault each.

    python spec/vectors/certified-score/build.py

`bank`, `key`, `plan` and `claim` are texts of files; `error` is the class of the refusal, or empty
where the claim holds, and `decision` what it says then. Every fault is signed by the signer of the
plan unless its name says otherwise: a signature is not what gives it away.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.attest import PrivateKey, Statement, Subject, predicate_type, sign_statement
from steelyard.kernel import canonical_json, sha256_hex
from steelyard.risk.banks.item_bank import Bank, BankItem, Measured, Origin
from steelyard.risk.banks.item_bank import Honest as Nobody
from steelyard.risk.banks.score import ScorePlan, ScoreTest

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent
KEY, OTHER_KEY = (PrivateKey.from_seed(bytes([n]) * 32) for n in (7, 8))
ITEMS = 24


def bank(version: str = "1") -> Bank:
    """Twenty-four items from hard to easy, and a canary that does not count."""
    items = [
        BankItem(f"item-{n:02d}", 1.2, round(-2.0 + n / 6, 6), 0.4, 0.3, 1.0, 1.0, 12, 12)
        for n in range(ITEMS)
    ]
    items.append(BankItem("planted", 1.0, -3.0, 0.4, 0.3, 1.0, 1.0, 12, 12, canary=0.02))
    origin = Origin("toy", version, "Example responses", "CC0-1.0")
    return Bank(origin, Measured("toy", "1", "toy", "default"), 12, Nobody(), tuple(items))


def plan(**changes: Any) -> ScorePlan:  # noqa: ANN401 - fields of a plan
    """A plan for the bank."""
    usual = ScorePlan(bank().digest, "m", "by hand", 0.5, 0.05, "0123456789abcdef" * 2, 5, ITEMS)
    return replace(usual, **changes)


def score_of(item: str) -> float:
    """Every sixth item is solved."""
    return float(int(item.removeprefix("item-")) % 6 == 0)


def played(planned: ScorePlan, wave: int | None = None) -> dict[str, Any]:
    """The honest claim; with `wave` it is drawn in waves of another size than planned."""
    test = ScoreTest(planned, bank())
    certifier = test.certifier()
    while drawn := certifier.draw(wave or planned.wave):
        for index in drawn:
            certifier.record(score_of(test.items[index]))
    return dict(test.claim(certifier.certification(), sha256_hex(signed_plan(planned))))


def signed(kind: str, predicate: dict[str, Any], key: PrivateKey = KEY, name: str = "toy") -> bytes:
    """An envelope about the bank."""
    subject = Subject(name, bank().digest)
    return sign_statement(Statement((subject,), predicate_type(kind), predicate), key)


def signed_plan(planned: ScorePlan, key: PrivateKey = KEY) -> bytes:
    """The envelope of a plan."""
    return signed("score-plan", dict(planned.to_predicate()), key)


def folder(plan_file: bytes, claim_file: bytes, error: str, decision: str = "") -> dict[str, str]:
    """One vector."""
    return {
        "error": error,
        "decision": decision,
        "bank": canonical_json(bank().to_json()).decode(),
        "key": KEY.public_key.pem.decode(),
        "plan": plan_file.decode(),
        "claim": claim_file.decode(),
    }


def held(**changes: Any) -> dict[str, str]:  # noqa: ANN401 - fields of a plan
    """A folder that verifies."""
    planned = plan(**changes)
    claim = played(planned)
    return folder(signed_plan(planned), signed("score-claim", claim), "", claim["decision"])


def refused(change: Callable[[dict[str, Any]], object]) -> dict[str, str]:
    """The good folder with a changed claim."""
    claim = deepcopy(played(plan()))
    change(claim)
    return folder(signed_plan(plan()), signed("score-claim", claim), "BrokenSeal")


def _swap(claim: dict[str, Any]) -> None:
    claim["asked"][:2] = claim["asked"][1::-1]


def _answer(claim: dict[str, Any]) -> None:
    claim["answers"][0] = 1 - claim["answers"][0]


def vectors() -> dict[str, dict[str, str]]:
    """Every vector by name."""
    whole = plan(wave=ITEMS)
    claim = signed("score-claim", played(plan()))
    return {
        "good": held(),
        "good-undecided": held(budget=3),
        "good-one-wave": held(wave=ITEMS),
        "answer-changed": refused(_answer),
        "order-changed": refused(_swap),
        "decision-changed": refused(lambda c: c.update(decision="above")),
        "evidence-changed": refused(lambda c: c.update(e_below=c["e_below"] * 2)),
        "interval-changed": refused(lambda c: c.update(interval=[0.0, 0.1])),
        "probability-changed": refused(lambda c: c["probabilities"].__setitem__(0, 0.5)),
        "other-method": refused(lambda c: c.update(method="mine")),
        "item-of-no-bank": refused(lambda c: c["asked"].__setitem__(0, "item-99")),
        "canary-asked": refused(lambda c: c["asked"].__setitem__(0, "planted")),
        "unknown-key": refused(lambda c: c.update(note="trust me")),
        "other-plan-named": refused(lambda c: c.update(plan="0" * 64)),
        "last-wave-cut": folder(
            signed_plan(whole),
            signed(
                "score-claim",
                {**played(whole, wave=1), "waves": [len(played(whole, wave=1)["asked"])]},
            ),
            "BrokenSeal",
        ),
        "waves-of-another-size": folder(
            signed_plan(plan()), signed("score-claim", played(plan(), wave=4)), "BrokenSeal"
        ),
        "plan-of-another-threshold": folder(signed_plan(plan(threshold=0.9)), claim, "BrokenSeal"),
        "claim-of-another-signer": folder(
            signed_plan(plan()), signed("score-claim", played(plan()), OTHER_KEY), "BrokenSeal"
        ),
        "subject-of-another-name": folder(
            signed_plan(plan()), signed("score-claim", played(plan()), name="toys"), "BrokenSeal"
        ),
        "plan-for-a-claim": folder(signed_plan(plan()), signed_plan(plan()), "BrokenSeal"),
        "bank-of-another-version": {
            **held(),
            "bank": canonical_json(bank("2").to_json()).decode(),
            "error": "BrokenSeal",
            "decision": "",
        },
    }


def write(target: Path = FOLDER) -> None:
    """Write them all."""
    for name, vector in vectors().items():
        text = json.dumps(vector, indent=1, sort_keys=True)
        (target / f"{name}.json").write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    write()
