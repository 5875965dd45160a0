from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from steelyard.kernel import JsonObject, canonical_json, parse_json_object
from steelyard.kernel.errors import ConfigurationError, UnknownName
from steelyard.standard import (
    CURRENT_RELEASE,
    Release,
    load_release,
    release_from_content,
    releases,
)


@pytest.fixture
def content(release: Release) -> dict[str, Any]:
    """A copy of the current release's content, free to be changed."""
    return copy.deepcopy(release.content)


def test_every_packaged_release_loads() -> None:
    assert CURRENT_RELEASE in releases()
    for version in releases():
        loaded = load_release(version)
        assert loaded.version == loaded.framework.version == version


@pytest.mark.parametrize("version", ["1999.1", "", "../2026.1", "2026.1/protocols"])
def test_an_unknown_release_is_named_with_those_packaged(version: str) -> None:
    with pytest.raises(UnknownName) as caught:
        load_release(version)
    assert caught.value.message == f"no standard release {version!r}; packaged: 2026.1"
    assert caught.value.hint == "steelyard standard show"


def test_the_digest_covers_the_content_and_nothing_else(release: Release) -> None:
    carried = parse_json_object(canonical_json(release.content))
    reordered: JsonObject = dict(reversed(carried.items()))
    assert release_from_content(reordered).digest == release.digest


@pytest.mark.parametrize("part", ["framework", "protocols", "policy", "crosswalk"])
def test_a_change_in_any_part_changes_the_digest(
    content: dict[str, Any], release: Release, part: str
) -> None:
    content[part]["added"] = {"version": "1"}
    if part == "framework":
        content[part].pop("added")
        content[part]["decision"]["error_rate"] = 0.02
    assert release_from_content(content).digest != release.digest


def test_a_time_threshold_is_held_as_log2_minutes(release: Release) -> None:
    horizon = release.framework.indicators["cyber.horizon"]
    assert [horizon.threshold(level) for level in (1, 2, 3)] == [
        pytest.approx(math.log2(minutes)) for minutes in (60, 480, 10080)
    ]


def test_a_rate_threshold_is_held_as_written(release: Release) -> None:
    lie = release.framework.indicators["de1.lie"]
    assert [lie.threshold(level) for level in (1, 2, 3)] == [0.05, 0.20, 0.50]


@pytest.mark.parametrize("second", [0.05, 0.04, 0.5, 0.6])
def test_thresholds_must_rise_with_the_level(content: dict[str, Any], second: float) -> None:
    content["framework"]["indicators"]["de1.lie"]["thresholds"][1]["value"] = second
    with pytest.raises(ConfigurationError) as caught:
        release_from_content(content)
    assert str(caught.value) == (
        "framework.yaml: thresholds of de1.lie must rise with the level, "
        f"found [0.05, {second}, 0.5]"
    )


@pytest.mark.parametrize("name", ["de1.absent", "re1.compute"])
def test_a_domain_names_only_its_own_indicators(content: dict[str, Any], name: str) -> None:
    content["framework"]["domains"]["deception"]["indicators"] = [name]
    with pytest.raises(ConfigurationError) as caught:
        release_from_content(content)
    assert caught.value.message == f"domain deception names indicator {name}, which is not of it"


def test_an_indicator_needs_its_protocol_in_its_version(content: dict[str, Any]) -> None:
    content["protocols"]["de1_ledger_report"]["version"] = "9.9"
    with pytest.raises(ConfigurationError) as caught:
        release_from_content(content)
    assert caught.value.message == "de1.lie needs de1_ledger_report@1.0"
    del content["protocols"]["de1_ledger_report"]
    with pytest.raises(ConfigurationError, match=r"de1\.lie needs de1_ledger_report@1\.0"):
        release_from_content(content)


def test_every_threshold_says_why_it_stands_where_it_stands(release: Release) -> None:
    for indicator in release.framework.indicators.values():
        for threshold in indicator.thresholds:
            assert len(threshold.rationale) > 40, (indicator.id, threshold.level)
