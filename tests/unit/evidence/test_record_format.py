"""The schema of a record, `Record.from_json` and the vectors agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from steelyard.evidence import Record
from steelyard.evidence.record import FIELD_NAMES
from steelyard.kernel.errors import MalformedEvidence

SPEC = Path(__file__).parents[3] / "spec"
SCHEMA = json.loads((SPEC / "evidence-record.schema.json").read_text())
VECTORS = sorted((SPEC / "vectors" / "evidence-record").glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def test_schema_is_itself_valid_and_names_every_field() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert tuple(SCHEMA["required"]) == FIELD_NAMES
    assert tuple(SCHEMA["properties"]) == FIELD_NAMES


def test_vectors_cover_every_field() -> None:
    assert len(VECTORS) >= 30
    for path in VECTORS:
        assert load(path).keys() == {"description", "record", "expect"}


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.stem)
def test_vector(path: Path) -> None:
    vector = load(path)
    accepted = Draft202012Validator(SCHEMA).is_valid(vector["record"])
    assert accepted == (vector["expect"] == "valid")
    if accepted:
        assert Record.from_json(vector["record"]).to_json() == vector["record"]
    else:
        with pytest.raises(MalformedEvidence) as caught:
            Record.from_json(vector["record"])
        assert vector["expect"] in caught.value.message


def test_fault_names_its_field() -> None:
    vector = load(SPEC / "vectors" / "evidence-record" / "score-above-one.json")
    with pytest.raises(MalformedEvidence) as caught:
        Record.from_json(vector["record"], where="file.jsonl:3")
    assert str(caught.value) == "file.jsonl:3.score: 37 is outside [0, 1]"
