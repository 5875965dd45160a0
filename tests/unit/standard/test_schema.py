from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from steelyard.kernel import parse_yaml
from steelyard.kernel.errors import ConfigurationError, UnknownName
from steelyard.standard import check_schema, load_schema, schema_names

RELEASE = files("steelyard.standard") / "data" / "2026.1"


def document(name: str) -> dict[str, Any]:
    """A fresh copy of a file of the current release, before any check."""
    return parse_yaml((RELEASE / f"{name}.yaml").read_text("utf-8"), where=name)


def refused(value: object, schema: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check_schema(value, schema, where="f.yaml")
    assert caught.value.where == "f.yaml"
    assert caught.value.hint == f"see spec/{schema}.schema.json"
    return caught.value.message


@pytest.mark.parametrize("name", schema_names())
def test_every_schema_is_valid_named_and_described(name: str) -> None:
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:steelyard:schema:{name}:1"
    assert schema["title"]
    assert schema["description"].endswith(".")


def test_an_unknown_schema_is_named_with_those_known() -> None:
    with pytest.raises(UnknownName, match=r"^no schema 'standard'; known: .*classification, "):
        load_schema("standard")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("status",), "draft", "status: 'draft' is not one of ['provisional', 'ratified']"),
        (("decision", "error_rate"), 1, "decision.error_rate: 1 is greater than or equal to"),
        (("decision", "review_days", "0"), True, "decision.review_days.0: True is not of type"),
        (("domains", "deception", "rule"), "mean", "domains.deception.rule: 'mean' is not valid"),
        (("domains", "deception", "indicators"), [], "domains.deception.indicators: [] should"),
        (("indicators", "de1.lie", "unit"), "log2_minutes", "indicators.de1.lie.unit: 'rate' was"),
        (
            ("indicators", "de1.lie", "arms"),
            {"treatment": "a"},
            "indicators.de1.lie.arms: 'control'",
        ),
        (
            ("indicators", "de1.lie", "planned_items"),
            0,
            "indicators.de1.lie.planned_items: 0 is less",
        ),
        (("indicators", "de1.lie", "surprise"), 1, "indicators.de1.lie: Additional properties"),
    ],
)
def test_a_broken_framework_is_refused_at_its_path(
    path: tuple[str, ...], value: object, message: str
) -> None:
    framework = document("framework")
    inner = framework
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert refused(framework, "standard-framework").startswith(message)


def test_a_rate_may_not_be_given_in_minutes_nor_a_horizon_as_a_rate() -> None:
    framework = document("framework")
    lie, horizon = (framework["indicators"][name] for name in ("de1.lie", "cyber.horizon"))
    lie["thresholds"], horizon["thresholds"] = horizon["thresholds"], lie["thresholds"]
    found = refused(framework, "standard-framework")
    assert found.startswith("indicators.cyber.horizon.thresholds.0: ")


def test_a_threshold_carries_exactly_one_value() -> None:
    framework = document("framework")
    framework["indicators"]["de1.lie"]["thresholds"][0]["human_minutes"] = 60
    assert "human_minutes" in refused(framework, "standard-framework")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("rule: no", "f.yaml:1: 'no' is ambiguous"),
        ("error_rate: 1e3", "f.yaml:1: '1e3' is ambiguous"),
        ("starts: 22:30", "f.yaml:1: '22:30' is ambiguous"),
    ],
)
def test_what_yaml_would_guess_never_reaches_the_schema(text: str, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, where="f.yaml")
    assert str(caught.value) == place


def test_crosswalk_rows_are_unique_and_cover_every_domain() -> None:
    rows = document("crosswalk")["rows"]
    names = [row["id"] for row in rows]
    assert len(names) == len(set(names))
    assert {row["domain"] for row in rows} == set(document("framework")["domains"])


def test_an_unpinned_row_says_why_and_a_pinned_row_needs_no_excuse() -> None:
    crosswalk = document("crosswalk")
    row = crosswalk["rows"][0]
    row["sha256"] = "0" * 64
    assert refused(crosswalk, "standard-crosswalk").startswith("rows.0: ")
    del row["sha256_note"]
    check_schema(crosswalk, "standard-crosswalk", where="f.yaml")
    row["sha256"] = None
    assert refused(crosswalk, "standard-crosswalk") == (
        "rows.0: 'sha256_note' is a required property"
    )


def _arrays(schema: object) -> list[dict[str, Any]]:
    """Every subschema of a list."""
    if isinstance(schema, list):
        return [found for part in schema for found in _arrays(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if schema.get("type") == "array" else []
    return own + [found for part in schema.values() for found in _arrays(part)]


@pytest.mark.parametrize(
    "name",
    [
        "classification",
        "classification-statement",
        "evaluation-evidence",
        "gate-policy",
        "model-identity",
        "passport",
        "run-intent",
    ],
)
def test_every_list_that_verification_reads_is_limited(name: str) -> None:
    for array in _arrays(load_schema(name)):
        most = 64 if array.get("uniqueItems") else 4096
        assert array["maxItems"] <= most


def test_a_list_over_its_limit_is_not_compared_with_itself() -> None:
    """These 60,000 lists and numbers cannot be sorted, so comparing pairs would take minutes."""
    policy = {
        **document("policy"),
        "required_domains": [[n] if n % 2 else n for n in range(60_000)],
    }
    message = refused(policy, "gate-policy")
    assert message.startswith("required_domains: [0, [1], 2, [3], ")


def test_an_object_over_its_limit_is_not_looked_into() -> None:
    schema = load_schema("run-intent")["properties"]["engine"]
    assert schema["maxProperties"] == 64
    engine = {f"{n:03}": 0 for n in range(65)}
    intent = {
        "attempt": 1,
        "created": "2026-03-01T09:00:00Z",
        "elicitation": "E1",
        "engine": engine,
        "planned": [
            {"protocol": "p", "protocol_version": "1", "arm": "a", "items": 1, "epochs": 1}
        ],
        "procedure": {
            "ladder": "0" * 64, "attempts": 1, "auditor": "none", "auditor_turns": 0,
            "awareness": False, "sandbagging": False, "noised": None, "note": None,
        },
        "scope": ["deception"],
        "seed_commitment": None,
        "split": "public",
        "standard": {"digest": "0" * 64, "release": "2026.1"},
        "stopping_rule": "fixed",
    }  # fmt: skip
    assert refused(intent, "run-intent").startswith("engine: {'000': 0, '001': 0, ")
    del engine["000"]
    assert refused(intent, "run-intent") == "engine.001: 0 is not of type 'string'"
