"""Public response matrices for the benchmarks of item banks, from a folder of them.

    python bench/public_banks.py [FOLDER]

prints what is there. FOLDER holds `cyber_horizons_lyptus`, `livecodebench`,
`metr_runs_2025_02` and `jailbreakbench`; by default `shared/data` beside the checkout.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FOLDER = Path(__file__).parents[2] / "shared" / "data"
TABLES = {
    "cyber": "cyber_horizons_lyptus/responses.parquet",
    "code 2024": "livecodebench/gen_2024_04_400x45.parquet",
    "code 2025": "livecodebench/gen_2025_01_880x19.parquet",
    "agents": "metr_runs_2025_02/responses.parquet",
    "attacks": "jailbreakbench/attack_outcomes.csv",
}
_LEAST_SHARE = 0.95  # of the items that a model must have answered


def matrix(name: str, folder: Path = FOLDER) -> Floats:
    """Mean scores [models, items] of models that answered nearly all, items that all answered."""
    path = folder / TABLES[name]
    rows = _csv_rows(path) if path.suffix == ".csv" else _parquet_rows(path)
    cells: dict[tuple[str, str], list[float]] = {}
    for model, item, score in rows:
        cells.setdefault((model, item), []).append(score)
    models = sorted({m for m, _ in cells if m != "human"})
    items = sorted({i for m, i in cells if m != "human"})
    scores = np.full((len(models), len(items)), np.nan)
    at = {i: k for k, i in enumerate(items)}
    for k, model in enumerate(models):
        for item in items:
            if (model, item) in cells:
                scores[k, at[item]] = np.mean(cells[model, item])
    kept = scores[(~np.isnan(scores)).mean(axis=1) >= _LEAST_SHARE]
    return kept[:, ~np.isnan(kept).any(axis=0)]


def _parquet_rows(path: Path) -> Iterable[tuple[str, str, float]]:
    columns = pq.read_table(path, columns=["model", "item", "score"]).to_pydict()
    return zip(*(columns[name] for name in ("model", "item", "score")), strict=True)


def _csv_rows(path: Path) -> Iterable[tuple[str, str, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield f"{row['attack']} {row['model']}", row["item"], float(row["score"])


def folder_of(arguments: list[str]) -> Path | None:
    """The folder named, or the default one; None, with a message, where it is absent."""
    folder = Path(arguments[0]) if arguments else FOLDER
    if folder.is_dir():
        return folder
    print(f"not measured: no folder of public response matrices at {folder}")
    return None


def main() -> int:
    """Print every matrix's size and scores."""
    folder = folder_of(sys.argv[1:])
    for name in TABLES if folder else ():
        found = matrix(name, folder or FOLDER)
        scores = found.mean(axis=1)
        low, high = scores.min(), scores.max()
        print(f"{name}: {found.shape[0]} x {found.shape[1]}, {low:.3f} to {high:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
