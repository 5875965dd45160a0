"""The crosswalk: translations with their clause, refusals, differences between versions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from steelyard.cli.main import app
from steelyard.evidence import Evidence
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import SteelyardError, UnknownName
from steelyard.risk import classify
from steelyard.standard import Release
from steelyard.standard.crosswalk import compare_versions, frameworks, rows_of, translate


def _row(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of every type
    return {
        "framework": "acme", "version": "1", "date": "2026-01-01", "domain": "cyber", "level": 2,
        "clause": "3.1", "relation": "partial", "confirmed": True, "note": "", **changes,
    }  # fmt: skip


def _run(*arguments: str) -> Any:  # noqa: ANN401 - click's result
    return CliRunner().invoke(app, ["standard", "crosswalk", *arguments])


def test_a_level_is_translated_by_its_row_else_by_that_of_the_whole_domain() -> None:
    rows = [_row(), _row(level=None, clause="3")]
    assert [r["clause"] for r in translate(rows, "cyber", 2).rows] == ["3.1"]
    assert [r["clause"] for r in translate(rows, "cyber", 1).rows] == ["3"]
    assert [r["clause"] for r in translate(rows, "cyber", None).rows] == ["3.1", "3"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "no row of the crosswalk is about this domain"),
        ([_row(domain="cbrn")], "no row of the crosswalk is about this domain"),
        (
            [_row(relation="none", level=None)],
            "the framework says nothing about this domain that a level could be held against",
        ),
        ([_row(), _row(level=3)], "no row is about this level; rows exist for level 2, 3"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_its_reason(
    rows: list[dict[str, Any]], reason: str
) -> None:
    found = translate(rows, "cyber", 1)
    assert (found.rows, found.reason) == ((), reason)


def test_the_newest_version_answers_unless_one_is_named() -> None:
    rows = [_row(version="9", date="2024-01-01"), _row(version="10", date="2026-01-01")]
    assert frameworks(rows) == {"acme": ["9", "10"]}
    assert [r["version"] for r in rows_of(rows, "acme")] == ["10"]
    assert [r["version"] for r in rows_of(rows, "acme", "9")] == ["9"]
    with pytest.raises(UnknownName) as unknown:
        rows_of(rows, "acme", "11")
    assert unknown.value.hint == "versions: 9, 10"
    with pytest.raises(UnknownName) as absent:
        rows_of(rows, "other")
    assert absent.value.hint == "frameworks: acme"


def test_versions_are_compared_by_place() -> None:
    old = [_row(), _row(level=1), _row(level=None)]
    new = [_row(clause="4.1", note="n"), _row(level=None), _row(level=3)]
    found = [
        (c.change, (c.new or c.old or {})["level"], c.fields) for c in compare_versions(old, new)
    ]
    assert found == [
        ("removed", 1, ()),
        ("changed", 2, ("clause", "note")),
        ("added", 3, ()),
    ]
    assert list(compare_versions(old, old)) == []


@pytest.fixture
def schema(repository: Path) -> dict[str, Any]:
    return json.loads((repository / "spec/crosswalk.schema.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 0),
        (("--framework", "deepmind-fsf"), 0),
        (("--framework", "deepmind-fsf", "--domain", "cyber", "--level", "2"), 0),
        (("--framework", "california-sb53", "--domain", "persuasion", "--level", "1"), 3),
        (("--framework", "deepmind-fsf", "--diff", "3.0", "3.1"), 0),
        (("--framework", "openai-preparedness", "--diff", "beta", "2"), 0),
    ],
)
def test_answers_follow_the_schema(
    schema: dict[str, Any], arguments: tuple[str, ...], status: int
) -> None:
    found = _run(*arguments, "--json")
    assert found.exit_code == status
    jsonschema.validate(json.loads(found.stdout), schema)


def test_every_framework_and_version_answers_for_every_domain_and_level(release: Release) -> None:
    """A translation names relation and clause, or there is none and the reason says why."""
    for name, versions in frameworks(release.crosswalk).items():
        for version in versions:
            rows = rows_of(release.crosswalk, name, version)
            for domain in release.framework.domains:
                for level in (0, 1, 2, 3):
                    found = translate(rows, domain, level)
                    assert bool(found.rows) != bool(found.reason)
                    assert all(r["relation"] != "none" and r["clause"] for r in found.rows)


def test_a_classification_is_translated_level_by_level(release: Release, tmp_path: Path) -> None:
    claim = classify(
        Evidence.from_objects([]), release, scope=["cyber", "cbrn"], model="m",
        as_of=datetime(2026, 6, 1, tzinfo=UTC),
    )  # fmt: skip
    path = tmp_path / "classification.json"
    path.write_bytes(canonical_json(claim.to_json()))
    found = _run(str(path), "--framework", "deepmind-fsf")
    assert "cyber level 3" in found.stdout
    assert _run(str(path), "--framework", "deepmind-fsf", "--level", "2").exit_code != 0
    path.write_text("{}")
    assert _run(str(path), "--framework", "deepmind-fsf").exit_code != 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--domain", "cyber"), "no framework named to translate into or to compare"),
        (("--framework", "deepmind-fsf", "--domain", "bio"), "no domain 'bio'"),
        (("--framework", "acme"), "the crosswalk has no framework 'acme'"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    arguments: tuple[str, ...], message: str
) -> None:
    error = _run(*arguments).exception
    assert isinstance(error, SteelyardError)
    assert error.message == message
