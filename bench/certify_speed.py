"""Time of one decision step of a certification: draw, answer, bet.

    python bench/certify_speed.py

Targets: under 1 ms at 500 items, under 20 ms at 10,000, CPU time of the median step. The peer in
the same run is the test without a bank; the ratio says what steering costs.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from steelyard.stats import Certifier, ItemBank

TARGETS = {500: 1.0, 10_000: 20.0}
STEPS = 200


def median_step(items: int, *, steered: bool) -> float:
    """Milliseconds of the median step."""
    random = np.random.default_rng(items)
    bank = ItemBank(np.exp(random.normal(0, 0.4, items)), random.normal(0, 2, items))
    y = (random.random(items) < bank.probabilities(0.3)).astype(float)
    threshold = float(y.mean()) - 0.25 / items
    test = Certifier(items, threshold, bank=bank if steered else None, alpha=1e-9, seed=1)
    times: list[float] = []
    while len(times) < STEPS and not test.finished:
        begun = time.process_time()
        (item,) = test.draw()
        test.record(float(y[item]))
        times.append(1e3 * (time.process_time() - begun))
    return statistics.median(times)


def main() -> int:
    """Measure, print, and fail above a target."""
    failed = False
    for items, target in TARGETS.items():
        steered, plain = (median_step(items, steered=s) for s in (True, False))
        ratio = steered / plain
        print(
            f"{items} items: {steered:.2f} ms a step with a bank (target {target:g}), "
            f"{plain:.2f} ms without, ratio {ratio:.2f}"
        )
        failed |= steered > target
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
