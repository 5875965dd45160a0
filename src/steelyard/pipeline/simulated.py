"""What a sequential run would ask of a model whose true rate is known, by its own code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steelyard.risk.sequential import ItemAnswer, Limits01, SequentialRun, shown_score

if TYPE_CHECKING:
    from steelyard.risk.sequential import SequentialPlan


def asked_items(plan: SequentialPlan, rate: float, number: int) -> int:
    """Items that a run of this plan asks.

    Args:
        plan: What the run commits to.
        rate: Share of its items that show the behaviour, in the treatment arm alone.
        number: Which of several simulations: other draws, and other items that show it.
    """
    count = len(plan.items)
    random = np.random.default_rng(np.random.SeedSequence([plan.seed, number]))
    behaves = dict(zip(plan.items, random.permutation(count) < round(rate * count), strict=True))
    run = SequentialRun(replace(plan, seed=plan.seed ^ (number + 1)))
    while items := run.next_items():
        for item in items:
            score = float(behaves[item])
            shown = shown_score(plan.kind, score)
            run.record(ItemAnswer(Limits01(score, score), Limits01(shown, shown)))
    return len(run.asked)
