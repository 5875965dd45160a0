"""The packaged catalogue, and what a catalogue must not be."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steelyard.kernel.errors import ConfigurationError, UnknownName
from steelyard.weights.posture import catalogue
from steelyard.weights.posture.catalogue import catalogue_from_content, read_catalogue
from steelyard.weights.posture.collectors import COLLECTORS

from .posture_scenes import CATALOGUE

Change = Callable[[dict[str, Any], list[dict[str, Any]]], object]


def test_it_is_what_the_report_says_it_is() -> None:
    categories = [vector.category for vector in CATALOGUE.vectors]
    assert len(categories) == 38
    assert len(set(categories)) == 9
    at_three = [vector for vector in CATALOGUE.vectors if vector.counts_at(3)]
    assert len(at_three) == 32
    caps = {c.id: dict(c.parameters) for c in CATALOGUE.controls if c.id.endswith("-cap")}
    assert caps == {
        "reader-cap": {"readers_maximum": 20},
        "isolated-access-cap": {"people_maximum": 50},
        "limited-output-cap": {"people_maximum": 100},
    }
    assert (CATALOGUE.framework, CATALOGUE.software_cap) == ("rand", 3)


def test_every_collector_serves_a_control_and_every_control_has_its_collector() -> None:
    assert {c.collector for c in CATALOGUE.controls if c.collector} == set(COLLECTORS)


def test_a_class_that_no_source_gives_is_marked() -> None:
    unsure = {v.id for v in CATALOGUE.vectors if CATALOGUE.confidence(v.source) == "inferred"}
    assert len(unsure) == 26
    assert "known-patched" not in unsure
    assert all(v.minimum_class is not None for v in CATALOGUE.vectors if v.id in unsure)


def test_no_source_of_a_level_is_ours_where_one_is_cited() -> None:
    cited = {
        control.id
        for control in CATALOGUE.controls
        for demand in control.demanded
        if demand.framework == "rand" and CATALOGUE.confidence(demand.source) == "claimed"
    }
    assert {"centralized-storage", "access-log", "insider-program", "reader-cap"} <= cited
    assert "import-path" not in cited


def test_an_unknown_control_is_told() -> None:
    with pytest.raises(UnknownName) as caught:
        CATALOGUE.control("moat")
    assert caught.value.message == "no control 'moat' in catalogue weights-posture 1.0"


def row(controls: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in controls if item["id"] == name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f, _: f["vectors"].append(f["vectors"][0]),
            "vector known-patched stands there twice",
        ),
        (lambda _, c: c.append(c[0]), "control encryption-at-rest stands there twice"),
        (
            lambda f, _: f["vectors"][0].update(source="hearsay"),
            "no source 'hearsay'; known: asl-report, eu-code, judgement, rand-exercise, rand-notes",
        ),
        (lambda _, c: row(c, "clock")["vectors"].append("moat"), "no vector 'moat'; known: "),
        (
            lambda _, c: row(c, "clock")["demanded"][0].update(level="9"),
            "no level of rand '9'; known: 1, 2, 3, 4, 5",
        ),
        (
            lambda _, c: row(c, "clock")["demanded"].append(row(c, "clock")["demanded"][0]),
            "clock: names 2 levels of rand, need exactly one",
        ),
        (
            lambda _, c: row(c, "clock").pop("collector"),
            "clock: collector, automated evidence, freshness_days do not agree",
        ),
        (
            lambda _, c: row(c, "clock").pop("attestation_days"),
            "clock: attestation_days belongs to attested or external evidence",
        ),
        (
            lambda _, c: c.remove(row(c, "query-limits")),
            "vector model-distillation counts at level 2, but no control there",
        ),
    ],
)  # fmt: skip
def test_a_catalogue_that_contradicts_itself_is_refused(change: Change, message: str) -> None:
    content = copy.deepcopy(CATALOGUE.content)
    framework: Any = content["framework"]
    controls: Any = content["controls"]
    change(framework, controls["controls"])
    with pytest.raises(ConfigurationError) as caught:
        catalogue_from_content(content)
    assert caught.value.message.startswith(message)


def test_a_changed_row_has_another_digest() -> None:
    content = copy.deepcopy(CATALOGUE.content)
    controls: Any = content["controls"]
    row(controls["controls"], "clock")["title"] = "Something weaker"
    other = catalogue_from_content(content)
    assert other.digest != CATALOGUE.digest
    assert other.control("clock").digest != CATALOGUE.control("clock").digest
    assert other.control("swap-protection").digest == CATALOGUE.control("swap-protection").digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id: x\nid: y\n", "duplicate key 'id'"),
        ("id: [x\n", "not YAML: "),
        ("id: weights-posture\n", "top level: 'cap_reason' is a required property"),
        ("software_cap: 2_0\n", "'2_0' is ambiguous"),
    ],
)
def test_a_malformed_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "framework.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_catalogue(tmp_path)
    assert caught.value.message.startswith(message)


def test_a_catalogue_that_allows_a_higher_level_than_software_can_show_is_not_read(
    tmp_path: Path,
) -> None:
    shipped = Path(catalogue.__file__).parent / "data"
    for name in ("framework.yaml", "controls.yaml"):
        (tmp_path / name).write_text((shipped / name).read_text("utf-8"), "utf-8")
    assert read_catalogue(tmp_path) == CATALOGUE
    text = (tmp_path / "framework.yaml").read_text("utf-8")
    changed = text.replace("software_cap: 3\n", "software_cap: 4\n")
    (tmp_path / "framework.yaml").write_text(changed, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_catalogue(tmp_path)
    assert caught.value.message == "software_cap: 4 is greater than the maximum of 3"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_catalogue(tmp_path)
    assert caught.value.message == "cannot read: No such file or directory"
    assert caught.value.hint == "a catalogue is framework.yaml and controls.yaml"
