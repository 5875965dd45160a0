"""The 16 horizons that Lyptus Research published, refitted from their responses."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from steelyard.evidence import Evidence, ImportOptions, read_evidence
from steelyard.risk import classify
from steelyard.standard import Release
from steelyard.stats import fit_horizon


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


@pytest.mark.parametrize(
    ("model", "slope", "intercept", "minutes"),
    [
        ("GPT-5.4", -0.520, 4.378, 341.74),
        ("Claude Mythos Preview", -0.557, 5.582, 1044.6),
    ],
)
def test_both_published_fits_of_software_tasks_are_reproduced(
    model: str, slope: float, intercept: float, minutes: float
) -> None:
    """METR's horizon 1.1 of 228 tasks, with their weights; without these it is 16 % longer."""
    table = Path(__file__).parents[3] / "shared/data/metr_th11_taskcounts/task_counts.csv"
    if not table.exists():
        pytest.skip(f"the task counts of METR are not at {table}")
    with table.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["model"] == model]
    assert len(rows) == 228
    columns = {
        name: np.array([float(row[name]) for row in rows])
        for name in ("human_minutes", "n_successes", "n_runs", "task_weight")
    }
    lengths, scores = np.log2(columns["human_minutes"]), columns["n_successes"] / columns["n_runs"]
    fit = fit_horizon(lengths, scores, columns["task_weight"])
    assert fit is not None
    assert (fit.slope, fit.intercept) == pytest.approx((slope, intercept), rel=0.005)
    assert 2.0**fit.log2_minutes == pytest.approx(minutes, rel=0.005)
    unweighted = fit_horizon(lengths, scores, np.ones(len(rows)))
    assert unweighted is not None
    assert 2.0**unweighted.log2_minutes > 1.1 * minutes
