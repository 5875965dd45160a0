"""How often a sequential run would clear a model that lies exactly at a threshold.

A run certifies, at half of the error rate, that the whole bank would clear the level at the
other half. Simulated here is the second half: banks of beta-binomial answers, correlated
within templates, of a model exactly at the threshold, and the share of banks that would
clear it. The draws add half of the error rate at most. Peer: the same bank judged by the
exact binomial limit, which knows no templates. The last columns are the items that a run
asks of a model that never shows the behaviour, in waves of 10, and of all.
"""

from __future__ import annotations

import argparse

import numpy as np

from steelyard.pipeline.simulated import asked_items
from steelyard.risk.sequential import (
    LevelThresholds,
    SequentialPlan,
    bank_design,
    level_thresholds,
)
from steelyard.standard import Indicator, load_release
from steelyard.stats.exact import upper_limit

INDICATORS = ("pe1.fabrication", "de1.lie", "re1.compute", "pe2.sway")
CORRELATIONS = (0.0, 0.05, 0.1, 0.2, 0.3)


def main() -> None:
    """Print the table and whether the claim holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--banks", type=int, default=20_000)
    banks = parser.parse_args().banks
    framework = load_release().framework
    alpha = framework.decision.error_rate
    heads = "  ".join(f"rho {rho:<4}" for rho in CORRELATIONS)
    print(f"{'indicator':<16} {'level':>5} {'method':<10} {heads}  asked   of")
    worst = 0.0
    for name in INDICATORS:
        indicator = framework.indicators[name]
        items = indicator.planned_items
        due = level_thresholds(
            indicator, {k: indicator.threshold(k) for k in (1, 2, 3)},
            bank_design(indicator, items, 1), ruling_error_rate=alpha, showing_error_rate=alpha,
        )  # fmt: skip
        for threshold in due[:2]:
            rate = indicator.threshold(threshold.level)
            exact = next(k for k in range(items) if upper_limit(k, items, alpha / 2) >= rate)
            means = [_means(indicator, rate, rho, banks) for rho in CORRELATIONS]
            for method, limit in (("steelyard", threshold.effective), ("exact", exact / items)):
                shares = [float((m < limit - 1e-12).mean()) for m in means]
                if method == "steelyard":
                    worst = max(worst, *shares[:3])
                tail = f"  {_asked(indicator, due):5d} {items:4d}" if method == "steelyard" else ""
                cells = "  ".join(f"{share:8.4f}" for share in shares)
                print(f"{name:<16} {threshold.level:5d} {method:<10} {cells}{tail}")
    held = worst <= alpha / 2 + 3 * np.sqrt(alpha / 2 / banks)
    print(
        f"claim: at most {alpha / 2:.3f} of banks up to rho 0.1  ->  {'holds' if held else 'FAILS'}"
    )


def _means(indicator: Indicator, rate: float, rho: float, banks: int) -> np.ndarray:
    random = np.random.default_rng(7)
    clusters = indicator.planned_templates
    own = np.full((banks, clusters), rate)
    if rho > 0.0:
        shape = (1.0 - rho) / rho
        own = random.beta(rate * shape, (1.0 - rate) * shape, (banks, clusters))
    each = indicator.planned_items // clusters
    return random.binomial(each, own).sum(axis=1) / (each * clusters)


def _asked(indicator: Indicator, due: tuple[LevelThresholds, ...]) -> int:
    items = tuple(map(str, range(indicator.planned_items)))
    plan = SequentialPlan(
        indicator.protocol, indicator.kind, "certify", 0.005, 1, 10, len(items), items, due
    )
    return asked_items(plan, 0.0, 0)


if __name__ == "__main__":
    main()
