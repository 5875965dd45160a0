from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import merkle_root
from steelyard.evidence import Evidence
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import CannotVerify, MalformedEvidence
from steelyard.passport.matrix import LEAF_FIELDS, build_matrix, leaves_of, read_matrix

VECTORS = sorted((Path(__file__).parents[3] / "spec/vectors/matrix").glob("*.json"))


def _record(**changes: object) -> dict[str, Any]:
    return {
        "model": "m",
        "protocol": "p",
        "protocol_version": "1",
        "domain": "d",
        "indicator": "i",
        "item": "a",
        "template": "t",
        "arm": "x",
        "epoch": 1,
        "elicitation": "E1",
        "outcome": "no_behaviour",
        "score": 0.0,
        "reason": "",
        "covariates": {},
        "measures": {"latency": 2.0},
        "input_tokens": 3,
        "output_tokens": 4,
        "seconds": 5.0,
        "commitment": None,
        "source": "test",
        **changes,
    }


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    expect = vector["expect"]
    if expect.get("ok"):
        matrix = read_matrix(vector["matrix"].encode())
        assert (len(matrix.evidence), matrix.root) == (expect["records"], expect["root"])
        return
    with pytest.raises(CannotVerify) as caught:
        read_matrix(vector["matrix"].encode())
    error = caught.value
    found = {"error": type(error).__name__, "where": error.where, "message": error.message}
    assert found == expect


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 25


def test_many_columns_are_refused_in_linear_time() -> None:
    """Counting each name among all would take an hour for these."""
    names = {f"field-{number:06}": 1 for number in range(200_000)}
    block: Any = {"constants": names, "columns": {"item": []}}
    document = {"schema": "steelyard/matrix/1", "blocks": [block]}
    start = time.process_time()
    with pytest.raises(MalformedEvidence) as caught:
        read_matrix(canonical_json(document))
    assert caught.value.message == (
        "fields missing, unknown or given twice: "
        "['arm', 'commitment', 'covariates', 'domain', 'elicitation', 'epoch']"
    )
    assert time.process_time() - start < 20  # seconds; it takes one


def test_leaf_fields_are_those_of_the_format() -> None:
    assert LEAF_FIELDS == (
        "arm",
        "commitment",
        "covariates",
        "domain",
        "elicitation",
        "epoch",
        "indicator",
        "item",
        "model",
        "outcome",
        "protocol",
        "protocol_version",
        "reason",
        "score",
        "template",
    )


def test_the_bytes_of_one_record() -> None:
    matrix = build_matrix(
        Evidence.from_objects([_record(item="50 % \u00e9", covariates={"b": 2.0})])
    )
    leaf = (
        '{"arm":"x","commitment":null,"covariates":{"b":2},"domain":"d","elicitation":"E1",'
        '"epoch":1,"indicator":"i","item":"50 % \u00e9","model":"m","outcome":"no_behaviour",'
        '"protocol":"p","protocol_version":"1","reason":"","score":0,"template":"t"}'
    )
    assert leaves_of(matrix.evidence) == [leaf.encode()]
    assert matrix.root == merkle_root([leaf.encode()])
    constants = leaf.replace('"item":"50 % \u00e9",', "")
    assert matrix.data.decode() == (
        '{"blocks":[{"columns":{"item":["50 % \u00e9"]},"constants":' + constants + "}],"
        '"schema":"steelyard/matrix/1"}'
    )


def test_what_only_helps_billing_is_filled_in() -> None:
    matrix = read_matrix(build_matrix(Evidence.from_objects([_record()])).data)
    (row,) = matrix.evidence.objects()
    filled = {"measures": {}, "input_tokens": None, "output_tokens": None, "seconds": None}
    assert row == {**_record(), **filled, "source": "passport"}


def test_order_of_records_does_not_matter() -> None:
    rows = [_record(item=item, arm=arm) for item in "ab" for arm in "xy"]
    matrices = [build_matrix(Evidence.from_objects(part)) for part in (rows, rows[::-1])]
    assert matrices[0].data == matrices[1].data
    assert matrices[0].root == matrices[1].root


def test_blocks_follow_arms() -> None:
    rows = [_record(item=item, arm=arm) for item in "ab" for arm in "xy"]
    document = json.loads(build_matrix(Evidence.from_objects(rows)).data)
    assert [block["constants"]["arm"] for block in document["blocks"]] == ["x", "y"]
    assert [block["columns"] for block in document["blocks"]] == [{"item": ["a", "b"]}] * 2


def test_no_record_is_no_matrix() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        build_matrix(Evidence.from_objects([]))
    assert caught.value.message == "a matrix needs at least one record"
    assert caught.value.hint == "run or import at least one sample"
