"""Intervals and ranking of transfer matrices whose rates are known.

    python bench/transfer.py [--matrices 100] [--seed 1]

Each matrix has 8 flaw classes by 8 targets, a quarter of the cells not tested, 10 to 39 variants in
the others, and rates drawn from the model of docs/explanation/am-i-affected.md with deviations of
1, 1 and 0.5. The peers see the same counts: the raw rate of a tested cell, and for the order of
targets to ask next the mean of a target's raw rates over the other classes. Fails (exit status 1)
when intervals of 90 % cover less than 85 % of tested or 80 % of untested cells, when the mean
squared error exceeds 0.8 of the raw rates', or when the ranking is worse than its peer's.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field

import numpy as np

from steelyard.disclosure.reproducer.transfer import Cell, TransferMatrix

SIZE, NOT_TESTED, ABOVE = 8, 0.25, 0.2
LEAST_TESTED, LEAST_UNTESTED, MOST_ERROR = 0.85, 0.8, 0.8


@dataclass(slots=True)
class Seen:
    """What all matrices showed: covered cells, squared errors, pairs in the right order."""

    tested: list[bool] = field(default_factory=list[bool])
    untested: list[bool] = field(default_factory=list[bool])
    errors: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    ordered: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])


def drawn(random: np.random.Generator) -> tuple[list[Cell], dict[tuple[str, str], float]]:
    """Cells of a matrix, and the true rate of each."""
    rows, columns = random.normal(0.0, 1.0, (2, SIZE))
    cells: list[Cell] = []
    truth: dict[tuple[str, str], float] = {}
    for i in range(SIZE):
        for j in range(SIZE):
            odds = rows[i] + columns[j] + random.normal(0.0, 0.5) - 1.5
            rate = float(1.0 / (1.0 + np.exp(-odds)))
            variants = 0 if random.random() < NOT_TESTED else int(random.integers(10, 40))
            events = float(random.binomial(variants, rate))
            cells.append(Cell(f"class-{i}", f"target-{j}", events, variants))
            truth[cells[-1].flaw_class, cells[-1].target] = rate
    return cells, truth


def look(cells: list[Cell], truth: dict[tuple[str, str], float], seen: Seen) -> None:
    """Fit one matrix and note what it got right."""
    matrix = TransferMatrix(cells)
    for cell in cells:
        found = matrix.estimate(cell.flaw_class, cell.target)
        rate = truth[cell.flaw_class, cell.target]
        covered = found.lower <= rate <= found.upper
        (seen.tested if found.tested else seen.untested).append(covered)
        if cell.variants:
            raw = cell.events / cell.variants
            seen.errors.append(((found.rate - rate) ** 2, (raw - rate) ** 2))
    means = {target: mean_rate(cells, target) for target in matrix.targets}
    for name in matrix.classes:
        ranked = [victim.target for victim in matrix.next_victims(name, ABOVE)]
        by_mean = sorted(ranked, key=lambda target: -means[target])
        rates = {target: truth[name, target] for target in ranked}
        if len(ranked) > 1:
            seen.ordered.append((in_order(ranked, rates), in_order(by_mean, rates)))


def mean_rate(cells: list[Cell], target: str) -> float:
    """Mean of a target's raw rates."""
    rates = [c.events / c.variants for c in cells if c.target == target and c.variants]
    return float(np.mean(rates)) if rates else 0.0


def in_order(ranked: list[str], rates: dict[str, float]) -> float:
    """Share of pairs of which the one ranked first has the higher rate."""
    pairs = [(a, b) for n, a in enumerate(ranked) for b in ranked[n + 1 :]]
    return sum(rates[a] > rates[b] for a, b in pairs) / len(pairs)


def main() -> int:
    """Print what intervals covered and what was ranked; 1 where a claim does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--matrices", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random, seen = np.random.default_rng(options.seed), Seen()
    for _ in range(options.matrices):
        look(*drawn(random), seen)
    tested, untested = float(np.mean(seen.tested)), float(np.mean(seen.untested))
    shrunk, raw = (float(value) for value in np.mean(seen.errors, axis=0))
    ours, by_mean = (float(value) for value in np.mean(seen.ordered, axis=0))
    print(f"intervals of 90 % cover: tested {tested:.1%}, not tested {untested:.1%}")
    print(f"mean squared error: {shrunk:.5f}, raw rates {raw:.5f}, ratio {shrunk / raw:.2f}")
    print(f"pairs of untested targets in order: {ours:.1%}, by mean raw rate {by_mean:.1%}")
    holds = tested >= LEAST_TESTED and untested >= LEAST_UNTESTED
    return int(not (holds and shrunk <= MOST_ERROR * raw and ours >= by_mean))


if __name__ == "__main__":
    sys.exit(main())
