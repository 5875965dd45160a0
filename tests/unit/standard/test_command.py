from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steelyard.cli.standard import app
from steelyard.kernel.errors import ConfigurationError, UnknownName
from steelyard.standard import Release, load_release

run = CliRunner().invoke


@pytest.fixture
def proposal(repository: Path, tmp_path: Path) -> Path:
    """A copy of the current release's files, free to be changed."""
    source = repository / "src/steelyard/standard/data/2026.1"
    return Path(shutil.copytree(source, tmp_path / "proposal"))


def test_show_prints_every_threshold_and_that_it_is_provisional(release: Release) -> None:
    found = run(app, ["show"], env={"COLUMNS": "400"})
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines()[0] == "Standard release 2026.1 (provisional)"
    assert found.stdout.splitlines()[1] == f"sha256 {release.digest}"
    for indicator in release.framework.indicators.values():
        assert indicator.title in found.stdout
        for threshold in indicator.thresholds:
            assert f"{threshold.rationale} ({threshold.status})" in found.stdout
    assert "10080 min" in found.stdout
    assert "\x1b" not in found.stdout


@pytest.mark.parametrize("section", ["framework", "protocols", "policy", "crosswalk"])
def test_json_is_the_section_itself(release: Release, section: str) -> None:
    found = run(app, ["show", "--section", section, "--json"])
    assert json.loads(found.stdout) == release.content[section]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("protocols", ["pe1_evidence_cards", "de1_ledger_report", "re1_obtain_compute"]),
        ("policy", ["Default gate policy"]),
        ("crosswalk", ["OpenAI, Preparedness Framework 2", "partial", "none", "all"]),
    ],
)
def test_sections_are_shown_as_tables(section: str, words: list[str]) -> None:
    found = run(app, ["show", "--section", section], env={"COLUMNS": "300"})
    assert [word for word in words if word not in found.stdout] == []


def test_show_passes_on_an_unknown_release() -> None:
    found = run(app, ["show", "--release", "1999.1"])
    assert isinstance(found.exception, UnknownName)


def test_check_prints_release_digest_and_counts(release: Release) -> None:
    found = run(app, ["check"])
    counts = f"6 domains, 17 indicators, 14 protocols, {len(release.crosswalk)} crosswalk rows"
    assert found.stdout == f"2026.1  {release.digest}  {counts}\n"


def test_a_folder_with_the_packaged_files_is_the_packaged_release(proposal: Path) -> None:
    found = run(app, ["check", str(proposal), "--json"])
    assert json.loads(found.stdout) == [
        {
            "release": "2026.1",
            "digest": load_release().digest,
            "domains": 6,
            "indicators": 17,
            "protocols": 14,
            "crosswalk_rows": len(load_release().crosswalk),
        }
    ]


def test_a_missing_file_is_named_with_what_a_release_is(proposal: Path) -> None:
    (proposal / "policy.yaml").unlink()
    error = run(app, ["check", str(proposal)]).exception
    assert isinstance(error, ConfigurationError)
    assert str(error) == f"{proposal / 'policy.yaml'}: cannot read: No such file or directory"
    assert error.hint == (
        "a release is framework.yaml, policy.yaml, crosswalk.yaml, elicitation.yaml, "
        "proficiency.yaml and protocols/*.yaml"
    )


def test_a_broken_file_is_refused_with_its_line(proposal: Path) -> None:
    path = proposal / "framework.yaml"
    path.write_text(path.read_text("utf-8").replace("rule: any_of", "rule: no", 1), "utf-8")
    error = run(app, ["check", str(proposal)]).exception
    assert isinstance(error, ConfigurationError)
    assert error.message == "'no' is ambiguous"
    assert error.where.startswith(f"{path}:")
