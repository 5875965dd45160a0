"""Errors of certifications where they are most likely: half an item from the truth.

    python bench/certify_null.py [FOLDER] [--seeds 2000] [--write]

The threshold lies half an item above the score, where `above` is wrong, and half an item below,
where `below` is. Banks are right (fitted to the other models, or the one that answers were
simulated from), shuffled, with flipped signs, of another matrix, or none. The largest banks
are thinned to 16 items, so that thousands of seeds take minutes; validity is for any answers.
Fails where an error rate exceeds alpha by more than two standard errors. There is no peer: the
nominal level is what it is held against. `--write` writes docs/reference/certification-errors.md.
"""

from __future__ import annotations

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from public_banks import FOLDER, TABLES, folder_of, matrix

from steelyard.stats import ItemBank, certify_score, fit_2pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.05
ITEMS = 16
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "certification-errors.md"
INTRO = """
Written by `python bench/certify_null.py FOLDER --write`. Share of certifications of the wrong side
with the threshold half an item from the score, at alpha 0.05, over SEEDS seeds a cell, the worse of
both sides. At most ALLOWED % is allowed: alpha plus two standard errors.
[How it works](../explanation/certifying-a-score.md).
"""


class Case(NamedTuple):
    """Answers, and the bank that steers the draws; None for none."""

    answers: Floats
    bank: ItemBank | None
    seeds: int


def cases(answers: Floats, right: ItemBank, foreign: ItemBank, seeds: int) -> dict[str, Case]:
    """The same answers under five banks."""
    order = np.random.default_rng(1).permutation(len(answers))
    banks = {
        "right": right,
        "shuffled": right.subset(order),
        "flipped": ItemBank(-right.discrimination, -right.intercept),
        "foreign": foreign,
        "none": None,
    }
    return {name: Case(answers, bank, seeds) for name, bank in banks.items()}


def wrong_share(case: Case) -> float:
    """Share of wrong certifications, the worse of both sides."""
    y, n = case.answers, len(case.answers)
    worst = 0.0
    for side, threshold in (("above", y.mean() + 0.5 / n), ("below", y.mean() - 0.5 / n)):
        if not 0.0 < threshold < 1.0:
            continue
        decisions = [
            certify_score(
                lambda i: float(y[i]), n, float(threshold), bank=case.bank, alpha=ALPHA, seed=seed
            ).decision
            for seed in range(case.seeds)
        ]
        worst = max(worst, decisions.count(side) / case.seeds)
    return worst


def real(name: str, folder: Path) -> tuple[Floats, ItemBank]:
    """One model of a public matrix near the middle of the scores, and a bank of the others."""
    scores = matrix(name, folder)
    columns = np.random.default_rng(2).permutation(scores.shape[1])[:ITEMS]
    thinned = scores[:, columns]
    model = int(np.abs(thinned.mean(axis=1) - 0.4).argmin())
    return thinned[model], fit_2pl(np.delete(thinned, model, axis=0))


def simulated() -> tuple[Floats, ItemBank]:
    """Answers drawn from a bank."""
    random = np.random.default_rng(3)
    bank = ItemBank(np.exp(random.normal(0, 0.4, ITEMS)), random.normal(0, 1.8, ITEMS))
    return (random.random(ITEMS) < bank.probabilities(0.2)).astype(float), bank


def main() -> int:
    """Measure, print, and fail where an error rate is above what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    folder = folder_of([str(options.folder)])
    sources = {"simulated": simulated()}
    if folder is not None:
        sources |= {name: real(name, folder) for name in TABLES if name != "attacks"}
    foreign = ItemBank(*np.abs(np.random.default_rng(4).normal(0, 2, (2, ITEMS))))
    table = {
        (source, name): case
        for source, (y, bank) in sources.items()
        for name, case in cases(y, bank, foreign, options.seeds).items()
    }
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(table, pool.map(wrong_share, table.values()), strict=True))
    allowed = ALPHA + 2.0 * math.sqrt(ALPHA * (1.0 - ALPHA) / options.seeds)
    intro = INTRO.replace("SEEDS", str(options.seeds)).replace("ALLOWED", f"{100 * allowed:.1f}")
    names = list(dict.fromkeys(name for _, name in table))
    lines = ["# Errors of certifications", "", *intro.strip().splitlines(), ""]
    lines += ["| answers | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for source in sources:
        shares = " | ".join(f"{100 * found[source, name]:.1f} %" for name in names)
        lines.append(f"| {source} | {shares} |")
    print("\n".join(lines))
    if options.write:
        PAGE.write_text("\n".join([*lines, ""]), "utf-8")
    return 1 if max(found.values()) > allowed else 0


if __name__ == "__main__":
    sys.exit(main())
