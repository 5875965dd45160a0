"""The vectors of certified scores: each taken, or refused for its own reason."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import parse_public_key
from steelyard.kernel.errors import BrokenSeal
from steelyard.pipeline.certified_score import ScoreFolder, recheck_score
from steelyard.risk.banks.item_bank import parse_bank

FOLDER = Path(__file__).parents[3] / "spec/vectors/certified-score"
BUILD = runpy.run_path(str(FOLDER / "build.py"))
VECTORS = sorted(FOLDER.glob("*.json"))
MESSAGES = {
    "answer-changed": "is not the one that the seed makes",
    "order-changed": "is not the one that the seed makes",
    "decision-changed": "decision of the log does not follow",
    "evidence-changed": "e_below of the log does not follow",
    "interval-changed": "interval of the log does not follow",
    "probability-changed": "probabilities of the log does not follow",
    "other-method": "the log is of method 'mine'",
    "item-of-no-bank": "asked 'item-99', which the bank does not hold",
    "canary-asked": "asked 'planted', which the bank does not hold",
    "unknown-key": "Additional properties are not allowed",
    "other-plan-named": "the claim is of another plan",
    "last-wave-cut": "not those of the plan, or one was cut",
    "waves-of-another-size": "not those of the plan, or one was cut",
    "plan-of-another-threshold": "the claim is of another plan",
    "claim-of-another-signer": "plan and claim are signed by two",
    "subject-of-another-name": "the statement is about another bank",
    "plan-for-a-claim": "this is no score-claim",
    "bank-of-another-version": "the statement is about another bank",
}


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_vector_is_taken_or_refused_as_it_says(path: Path, tmp_path: Path) -> None:
    vector: dict[str, str] = json.loads(path.read_text("utf-8"))
    folder = ScoreFolder(tmp_path)
    folder.plan.write_text(vector["plan"])
    folder.claim.write_text(vector["claim"])
    for text in (vector["key"], BUILD["OTHER_KEY"].public_key.pem.decode()):
        key = parse_public_key(text.encode(), where="key")
        (tmp_path / f"{key.key_id}.pem").write_bytes(key.pem)
    bank = parse_bank(vector["bank"].encode(), where="bank")
    if not vector["error"]:
        scored = recheck_score(folder, bank, None)
        assert (scored.found.decision, path.stem in MESSAGES) == (vector["decision"], False)
        return
    with pytest.raises(BrokenSeal) as caught:
        recheck_score(folder, bank, None)
    assert vector["error"] == "BrokenSeal"
    assert MESSAGES[path.stem] in caught.value.message


def test_the_script_writes_vectors_of_these_names_and_draws() -> None:
    """Last digits of evidence may differ by processor; who is asked, and what follows, may not."""
    built: dict[str, Any] = BUILD["vectors"]()
    assert built.keys() == {path.stem for path in VECTORS}
    for path in VECTORS:
        kept = json.loads(path.read_text("utf-8"))
        for name in ("error", "decision", "bank", "key", "plan"):
            assert built[path.stem][name] == kept[name], f"{path.stem}: {name}"
