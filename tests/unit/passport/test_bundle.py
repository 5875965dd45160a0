from __future__ import annotations

import runpy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import PREDICATE_KINDS, PrivateKey, Statement, endpoint_commitment
from steelyard.kernel import parse_json_object, sha256_hex
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.passport import (
    Identity,
    Intent,
    PlannedSamples,
    endpoint_digest,
    sign_identity,
    sign_intent,
)
from steelyard.passport.bundle import earliest_review
from steelyard.risk import Plan
from steelyard.standard import load_release

BUILD = runpy.run_path(str(Path(__file__).parents[3] / "spec/vectors/passport/build.py"))
KEY = PrivateKey.from_seed(bytes(32))
IDENTITY = Identity("m", "weights", "ab" * 32)


def _intent(**changes: Any) -> Intent:  # noqa: ANN401
    row = PlannedSamples("p", "1.0", "x", 24, 2)
    created = datetime(2026, 3, 1, tzinfo=UTC)
    return replace(Intent(created, load_release(), ("persuasion",), "E1", (row,)), **changes)


def _statements() -> dict[str, Statement]:
    members = BUILD["Draft"]().members()
    payload = BUILD["payload"]
    return {
        kind: Statement.from_bytes(payload(members[f"statements/{kind}.dsse.json"]))
        for kind in PREDICATE_KINDS
    }


def test_an_endpoint_digest_covers_model_endpoint_and_settings() -> None:
    description: Any = {"model": "m", "endpoint": "e", "generation": {"t": 1}}
    assert endpoint_digest("m", "e", {"t": 1}, bytes(32)) == endpoint_commitment(
        bytes(32), description
    )


def test_an_intent_is_a_plan() -> None:
    plan = Plan.from_predicate(_intent().predicate())
    assert dict(plan.samples) == {("p", "x"): 48}
    assert (plan.scope, plan.elicitation) == (("persuasion",), "E1")
    assert plan.created == datetime(2026, 3, 1, tzinfo=UTC)


def test_statements_name_each_other() -> None:
    members = BUILD["Draft"]().members()
    statements = _statements()
    digests = {
        kind: {"sha256": sha256_hex(members[f"statements/{kind}.dsse.json"])}
        for kind in PREDICATE_KINDS[:3]
    }
    assert statements["classification"].predicate["statements"] == digests
    assert statements["evaluation-evidence"].predicate["run_intent"] == digests["run-intent"]
    assert statements["classification"].predicate["report"] == {
        "sha256": sha256_hex(members["report.html"])
    }


def test_subjects() -> None:
    members = BUILD["Draft"]().members()
    subjects = {kind: s.subjects for kind, s in _statements().items()}
    (model,) = subjects["model-identity"]
    matrix = ("evidence/matrix.json", sha256_hex(members["evidence/matrix.json"]))
    release = ("standard/release.json", load_release().digest)
    pairs = {kind: [(s.name, s.sha256) for s in found] for kind, found in subjects.items()}
    assert pairs["run-intent"] == [("example/scale-1", model.sha256), release]
    assert pairs["evaluation-evidence"] == [matrix]
    assert pairs["classification"] == [("example/scale-1", model.sha256), matrix]
    assert sha256_hex(members["standard/release.json"]) == load_release().digest


def test_a_claim_expires_at_the_earliest_review() -> None:
    reviews: Any = [{"next_review": f"2026-0{month}-01T00:00:00Z"} for month in (5, 4, 6)]
    assert earliest_review({"determinations": reviews}) == datetime(2026, 4, 1, tzinfo=UTC)
    with pytest.raises(MalformedEvidence) as caught:
        earliest_review({"determinations": []})
    assert caught.value.message == "a classification without any determination cannot be issued"


def test_the_index_lists_every_other_member() -> None:
    members = BUILD["Draft"]().members()
    index = parse_json_object(members["passport.json"])
    assert index["schema"] == "steelyard/passport/1"
    assert index["members"] == {
        name: {"sha256": sha256_hex(data)}
        for name, data in members.items()
        if name != "passport.json"
    }


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (replace(IDENTITY, kind="cloud"), "kind: 'cloud' is not one of"),
        (replace(IDENTITY, salt=b"short"), "salt: '73686f7274' is not valid under any"),
        (replace(IDENTITY, safeguards="maybe"), "safeguards: 'maybe' is not one of"),
    ],
)
def test_an_identity_against_its_schema(identity: Identity, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sign_identity(identity, KEY)
    assert caught.value.message.startswith(message)
    assert caught.value.hint == "see spec/model-identity.schema.json"


def test_an_arm_is_declared_once() -> None:
    rows = (PlannedSamples("p", "1.0", "x", 24, 2), PlannedSamples("p", "1.1", "x", 1, 1))
    with pytest.raises(ConfigurationError) as caught:
        sign_intent(_intent(planned=rows), IDENTITY, KEY)
    assert caught.value.message == "protocol p, arm x, is declared twice"
    assert caught.value.hint == "run or import each protocol in one version, in one passport"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scope": ()}, "scope: [] should be non-empty"),
        ({"attempt": 0}, "attempt: 0 is less than the minimum of 1"),
        ({"planned": ()}, "planned: [] should be non-empty"),
        ({"planned": (PlannedSamples("p", "1.0", "x", 100_001, 1),)}, "planned.0.items: 100001 is"),
        ({"planned": (PlannedSamples("p", "1.0", "x", 1, 1001),)}, "planned.0.epochs: 1001 is"),
        ({"elicitation": "E9"}, "elicitation: 'E9' is not one of"),
        ({"seed_commitment": "xyz"}, "seed_commitment: 'xyz' is not valid under any"),
    ],
)
def test_an_intent_against_its_schema(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sign_intent(_intent(**changes), IDENTITY, KEY)
    assert caught.value.message.startswith(message)
    assert caught.value.where == "run-intent"
