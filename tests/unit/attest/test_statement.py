from __future__ import annotations

import json

import pytest

from steelyard.attest import PREDICATE_KINDS, Statement, Subject, predicate_type
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import MalformedEvidence

STATEMENT = Statement((Subject("m", "ab" * 32),), predicate_type("run-intent"), {"a": [1, None]})


def test_the_bytes_of_a_statement() -> None:
    assert STATEMENT.to_bytes() == (
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"a":[1,null]},'
        b'"predicateType":"urn:steelyard:predicate:run-intent:1",'
        b'"subject":[{"digest":{"sha256":"' + b"ab" * 32 + b'"},"name":"m"}]}'
    )
    assert Statement.from_bytes(STATEMENT.to_bytes()) == STATEMENT


def test_predicate_types() -> None:
    assert [predicate_type(kind) for kind in PREDICATE_KINDS] == [
        "urn:steelyard:predicate:model-identity:1",
        "urn:steelyard:predicate:run-intent:1",
        "urn:steelyard:predicate:evaluation-evidence:1",
        "urn:steelyard:predicate:classification:1",
    ]


@pytest.mark.parametrize(
    ("changes", "message", "where"),
    [
        (
            {"_type": "https://in-toto.io/Statement/v0.1"},
            f"not an in-toto Statement v1: fields {sorted(json.loads(STATEMENT.to_bytes()))}",
            "payload",
        ),
        ({"subject": {}}, "a statement needs at least one subject", "payload"),
        ({"predicateType": 1}, "predicateType must be text", "payload"),
        ({"predicate": []}, "the predicate must be an object", "payload"),
        (
            {"subject": [{"name": "m", "digest": {"sha256": "AB" * 32}}]},
            f"'{'AB' * 32}' is no SHA-256 digest of 64 lower-case hex digits",
            "payload.subject",
        ),
        (
            {"subject": [{"name": "a\nb", "digest": {"sha256": "ab" * 32}}]},
            "'a\\nb' is no printable label of 1 to 512 characters",
            "payload.subject",
        ),
        (
            {"subject": [{"name": "m", "digest": {"sha256": "ab" * 32}, "uri": "x"}]},
            "the statement is not in canonical JSON (RFC 8785)",
            "payload",
        ),
    ],
)
def test_a_statement_of_another_shape(changes: dict[str, object], message: str, where: str) -> None:
    value = {**json.loads(STATEMENT.to_bytes()), **changes}
    with pytest.raises(MalformedEvidence) as caught:
        Statement.from_bytes(canonical_json(value))
    assert (caught.value.message, caught.value.where) == (message, where)
