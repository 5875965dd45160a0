"""Coverage and decision error of the time horizon on simulated banks with known truth.

    python bench/horizon_coverage.py [--runs 200] [--seed 1]

Task lengths, families and slopes resemble the public cyber bank; task difficulty scatters
around its length with a standard deviation of one doubling. Exit status 1 when the 95 %
interval covers less than 93 % on average, or the decision limit errs more often than stated.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product

import numpy as np

from steelyard.stats import Answers, fit_horizon, horizon_upper_limit

SHARES = (0.30, 0.25, 0.15, 0.10, 0.10, 0.05, 0.05)
ERROR_RATE = 0.01
LEAST_COVERAGE = 0.93


def bank(random: np.random.Generator, tasks: int, slope: float, horizon: float) -> Answers:
    """One model's answers to one bank."""
    lengths = np.clip(random.normal(4.5, 3.2, tasks), -4.0, 11.0)
    family = random.choice(len(SHARES), tasks, p=SHARES)
    weights = 1.0 / np.sqrt(np.bincount(family, minlength=len(SHARES))[family])
    log_odds = slope * (horizon + random.normal(0.0, 1.0, tasks) - lengths)
    solved = (random.random(tasks) < 1.0 / (1.0 + np.exp(-log_odds))).astype(float)
    return Answers(lengths, solved, solved, weights)


def cell(random: np.random.Generator, runs: int, point: tuple[int, float, float]) -> list[float]:
    """Coverage, error of the fitted curve's limit and of the score limit, and both medians."""
    horizon = point[2]
    covered, errors, limits = [], [], []
    for _ in range(runs):
        answers = bank(random, *point)
        limit = horizon_upper_limit(answers, ERROR_RATE)
        fit = fit_horizon(answers.log2_minutes, answers.least, answers.weights)
        wald = fit.limit(1.0 - ERROR_RATE) if fit else np.inf
        covered.append(bool(fit and fit.limit(0.025) <= horizon <= fit.limit(0.975)))
        errors.append((wald < horizon, limit < horizon))
        limits.append((wald - horizon, limit - horizon))
    return [float(np.mean(covered)), *np.mean(errors, axis=0), *np.median(limits, axis=0)]


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    print("tasks slope log2 horizon  coverage  error: curve  score   median excess: curve  score")
    cells = []
    for point in product((100, 300), (0.5, 0.8, 1.5), (3.0, 6.0, 8.5)):
        found = cell(random, options.runs, point)
        cells.append(found)
        print(
            f"{point[0]:5} {point[1]:5.1f} {point[2]:12.1f} {found[0]:9.3f} {found[1]:13.3f} "
            f"{found[2]:6.3f} {found[3]:21.2f} {found[4]:6.2f}",
            flush=True,
        )
    coverage, curve, score = np.mean(cells, axis=0)[:3]
    print(f"mean coverage {coverage:.3f}, error of curve {curve:.4f}, of score {score:.4f}")
    runs = len(cells) * options.runs
    slack = 3.1 * (ERROR_RATE * (1.0 - ERROR_RATE) / runs) ** 0.5
    return 0 if coverage >= LEAST_COVERAGE and score <= ERROR_RATE + slack else 1


if __name__ == "__main__":
    sys.exit(main())
