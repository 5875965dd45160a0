"""The 16 horizons that Lyptus Research published, refitted from their responses."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from steelyard.evidence import Evidence, ImportOptions, read_evidence
from steelyard.risk import classify
from steelyard.standard import Release


@pytest.fixture(scope="module")
def folder() -> Path:
    found = Path(__file__).parents[3] / "shared/data/cyber_horizons_lyptus"
    if not found.is_dir():
        pytest.skip(f"the cyber horizon data of Lyptus Research are not at {found}")
    return found


@pytest.fixture(scope="module")
def responses(folder: Path) -> Evidence:
    options = ImportOptions(domain="cyber", indicator="cyber.horizon")
    return read_evidence(folder / "responses.parquet", options)


def test_all_sixteen_horizons_are_reproduced(
    folder: Path, responses: Evidence, release: Release
) -> None:
    with (folder / "published_fits_human_2M.csv").open(encoding="utf-8") as stream:
        published = {row["agent"]: row for row in csv.DictReader(stream)}
    assert len(published) == 16
    assert responses.values("model") == sorted(published)
    for model, row in published.items():
        result = classify(
            responses, release, scope=["cyber"], as_of=datetime(2026, 6, 1, tzinfo=UTC), model=model
        )
        measurement = result.determinations[0].measurements[0]
        assert measurement.estimate is not None
        assert 2.0**measurement.estimate == pytest.approx(float(row["p50"]), rel=0.005), model
        assert result.determinations[0].status == "presumptive"
        assert measurement.limits.upper > measurement.estimate > measurement.limits.lower


def test_the_page_is_what_its_command_prints(folder: Path, repository: Path) -> None:
    script, table = repository / "bench" / "real_models.py", folder / "responses.parquet"
    done = subprocess.run(
        [sys.executable, str(script), str(table)], capture_output=True, text=True, check=True
    )
    page = (repository / "docs" / "reference" / "real-models.md").read_text("utf-8")
    assert done.stdout == page
