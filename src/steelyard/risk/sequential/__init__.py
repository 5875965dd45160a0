"""Sequential runs: which items of a bank are asked, and what their answers decide.

A run commits to items, thresholds and the seed of its draws before the first call
(`SequentialPlan`, part of the signed intent). Draws follow from seed and answers, so the
records suffice to repeat every decision (`replay`). A certification decides each level by
e-values with the error of the indicator; a screening guesses and certifies nothing. Method:
docs/explanation/certifying-a-score.md.
"""

from steelyard.risk.sequential.answers import ItemAnswer, Limits01, item_answers, shown_score
from steelyard.risk.sequential.measure import measure_sequentially
from steelyard.risk.sequential.plan import (
    KINDS,
    LARGEST_BANK,
    LevelThresholds,
    Mode,
    SequentialPlan,
)
from steelyard.risk.sequential.run import SequentialRun, replay
from steelyard.risk.sequential.whole_bank import (
    HALF,
    bank_design,
    clearing_rate,
    level_thresholds,
)

__all__ = [
    "HALF",
    "KINDS",
    "LARGEST_BANK",
    "ItemAnswer",
    "LevelThresholds",
    "Limits01",
    "Mode",
    "SequentialPlan",
    "SequentialRun",
    "bank_design",
    "clearing_rate",
    "item_answers",
    "level_thresholds",
    "measure_sequentially",
    "replay",
    "shown_score",
]
