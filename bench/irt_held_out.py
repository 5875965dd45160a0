"""How well a bank predicts a model that it was not fitted to, by choice of prior.

Each model of a public matrix is left out in turn. The bank is fitted to the others, the
ability is estimated from half of the left-out model's answers, and the other half is
predicted. Prints the mean log loss in nats per answer; lower is better. The peers are the
items' mean scores, one common slope, and fixed priors. The estimated prior was chosen on
the first matrix alone.

    python bench/irt_held_out.py [FOLDER] [--splits 2]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from steelyard.stats import ItemPrior, ability_posterior, fit_1pl, fit_2pl

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from steelyard.stats import ItemBank

    Floats = NDArray[np.float64]

MATRICES = {
    "cyber": ("cyber_horizons_lyptus/responses.parquet", "model", "item", "score"),
    "metr": ("metr_runs_2025_02/responses.parquet", "model", "item", "score"),
    "lcb-2024": ("livecodebench/gen_2024_04_400x45.parquet", "model", "item", "score"),
    "lcb-2025": ("livecodebench/gen_2025_01_880x19.parquet", "model", "item", "score"),
    "jailbreak": (
        "jailbreakbench/attack_outcomes.csv", "attack || '/' || model", "item", "score",
    ),
}  # fmt: skip
FITS: dict[str, Callable[[Floats], ItemBank]] = {
    "1pl": fit_1pl,
    "sd .25 / 3": lambda scores: fit_2pl(scores, prior=ItemPrior(0.0, 0.25, 0.0, 3.0)),
    "sd .5 / 3": lambda scores: fit_2pl(scores, prior=ItemPrior(0.0, 0.5, 0.0, 3.0)),
    "sd 1 / 3": lambda scores: fit_2pl(scores, prior=ItemPrior(0.0, 1.0, 0.0, 3.0)),
    "estimated": fit_2pl,
}


def matrix(folder: Path, name: str) -> Floats:
    """Mean scores [models, items], nan where missing."""
    path, model, item, score = MATRICES[name]
    rows = duckdb.sql(
        f"select {model} as row_name, {item} as column_name, avg({score}) as mean_score "  # noqa: S608 - our own constants
        f"from '{folder / path}' where {score} is not null group by all order by all"
    ).fetchnumpy()
    _, models = np.unique(np.asarray(rows["row_name"], dtype=str), return_inverse=True)
    _, items = np.unique(np.asarray(rows["column_name"], dtype=str), return_inverse=True)
    scores = np.full((models.max() + 1, items.max() + 1), np.nan)
    scores[models, items] = np.clip(np.asarray(rows["mean_score"], dtype=float), 0.0, 1.0)
    return scores


def loss(scores: Floats, predicted: Floats) -> float:
    """Summed log loss in nats."""
    return -float((scores * np.log(predicted) + (1.0 - scores) * np.log1p(-predicted)).sum())


def predicted(bank: ItemBank, known: Floats) -> Floats:
    """P(success) of each item, averaged over the posterior of the ability."""
    posterior = ability_posterior(bank, known)
    return posterior.weights[0] @ bank.probabilities(posterior.nodes)


def held_out(scores: Floats, splits: int) -> dict[str, float]:
    """Mean log loss by fit."""
    random = np.random.default_rng(20262)
    losses, answers = dict.fromkeys(["item mean", *FITS], 0.0), 0
    for model in range(len(scores)):
        others = np.delete(scores, model, axis=0)
        asked = np.flatnonzero(~np.isnan(scores[model]) & ~np.isnan(others).all(axis=0))
        others, own = others[:, asked], scores[model, asked]
        others = others[~np.isnan(others).all(axis=1)]
        halves = [random.random(len(own)) < 0.5 for _ in range(splits)]  # noqa: PLR2004 - a half
        answers += sum(int((~half).sum()) for half in halves)
        seen = (~np.isnan(others)).sum(axis=0)
        means = (np.nansum(others, axis=0) + 0.5) / (seen + 1.0)
        losses["item mean"] += sum(loss(own[~half], means[~half]) for half in halves)
        for name, fit in FITS.items():
            bank = fit(others)
            for half in halves:
                shares = predicted(bank, np.where(half, own, np.nan))
                losses[name] += loss(own[~half], shares[~half])
    return {name: total / answers for name, total in losses.items()}


def main() -> int:
    """Print the table; 1 if the estimated prior predicts worse than the items' means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("shared/data"))
    parser.add_argument("--splits", type=int, default=2)
    options = parser.parse_args()
    if not options.folder.is_dir():
        print(f"no public matrices at {options.folder}: nothing measured", file=sys.stderr)
        return 0
    names = ["item mean", *FITS]
    print("matrix      models  items  " + "  ".join(f"{name:>10}" for name in names))
    failed = False
    for name in MATRICES:
        scores = matrix(options.folder, name)
        losses = held_out(scores, options.splits)
        failed |= losses["estimated"] > losses["item mean"]
        cells = "  ".join(f"{losses[key]:10.4f}" for key in names)
        print(f"{name:<10} {scores.shape[0]:7d} {scores.shape[1]:6d}  {cells}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
