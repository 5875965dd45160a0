"""Item banks as files: every vector, round trips, and what writing refuses."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from steelyard.kernel import canonical_json
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, SteelyardError
from steelyard.risk.banks.item_bank import Bank, parse_bank, read_bank, write_bank

FOLDER = Path(__file__).parents[4] / "spec/vectors/item-bank"
BUILD = runpy.run_path(str(FOLDER / "build.py"))
VECTORS = sorted(FOLDER.glob("*.json"))
REMEDY = "write it anew: steelyard risk calibrate"
MESSAGES = {
    "digest": "the digest of the bank differs",
    "parameters": "the digest of the parameters differs",
    "not-canonical": "a bank is canonical JSON, this is not",
    "presumptive-without-note": "a presumptive bank says why",
    "duplicate-item": "two items are named item-a",
    "unordered-items": "items are not in the order of their names",
    "too-many-models": "more models answered item-a than there are",
    "fewer-samples-than-models": "item-a has fewer samples than models",
    "unordered-honest-values": "values of honest models are not in ascending order",
}
STRICT_JSON = {"duplicate-key", "truncated"}


def good() -> Bank:
    return parse_bank(canonical_json(BUILD["good"]()), where="bank")


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_vector_is_taken_or_refused_as_it_says(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    data = vector["text"].encode()
    if not vector["error"]:
        assert canonical_json(parse_bank(data, where="bank").to_json()) == data
        return
    with pytest.raises(SteelyardError) as caught:
        parse_bank(data, where="bank")
    error = caught.value
    assert (type(error).__name__, error.where, error.exit_status) == (vector["error"], "bank", 3)
    if path.stem in MESSAGES:
        assert (error.message, error.hint) == (MESSAGES[path.stem], REMEDY)
    elif path.stem in STRICT_JSON:
        assert error.message.startswith("not strict JSON: ")
    else:
        assert error.hint == "see spec/item-bank.schema.json"


def test_the_vectors_are_what_their_script_writes(tmp_path: Path) -> None:
    BUILD["write"](tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in VECTORS}
    assert set(MESSAGES) | STRICT_JSON <= {path.stem for path in VECTORS}


def test_a_written_bank_is_read_back_whole(tmp_path: Path) -> None:
    bank, path = good(), tmp_path / "bank.json"
    assert write_bank(bank, path) == bank.digest
    assert read_bank(path, digest=bank.digest) == bank
    assert read_bank(path).parameters.digest == bank.parameters.digest


def test_another_bank_than_the_wanted_one_is_refused(tmp_path: Path) -> None:
    bank, path = good(), tmp_path / "bank.json"
    write_bank(bank, path)
    with pytest.raises(BrokenSeal) as caught:
        read_bank(path, digest="0" * 64)
    assert caught.value.message == (
        f"the bank has digest {bank.digest[:16]}, wanted is 0000000000000000"
    )
    assert caught.value.hint == "ask for the bank of that digest"


def test_a_bank_that_breaks_the_format_is_not_written(tmp_path: Path) -> None:
    bank, path = good(), tmp_path / "bank.json"
    doubled = Bank(
        bank.origin, bank.measured, bank.models, bank.honest, (bank.items[0], bank.items[0])
    )
    with pytest.raises(MalformedEvidence, match="two items are named item-a"):
        write_bank(doubled, path)
    assert not path.exists()


def test_flagged_and_planted_items_do_not_measure() -> None:
    assert [item.measures for item in good().items] == [True, False, False]
