"""What a sequential test leaves behind: the decision, and the log that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decision = Literal["above", "below", "undecided"]

METHOD = "steelyard/certification/2"
"""Names the design; a log is replayed by the design that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certification:
    """A decision whose error is at most alpha on either side, and how it came about.

    Attributes:
        decision: `above` (score above the threshold), `below`, or `undecided`.
        n_items: Items of the bank.
        threshold: What the score was held against.
        alpha: Error: the probability of `above` for a score at most the threshold, and of
            `below` for one at least the threshold.
        seed: Seed of the draws.
        bank: Digest of the bank's parameters; None without a bank.
        max_items: Items after which the test had to stop.
        asked: Indices of the items in the order of the draws.
        answers: Their answers, in [0, 1].
        probabilities: Of each draw, given those before it.
        waves: How many draws were made at once, in order; all 1 for one at a time.
        e_above: Evidence that the score is above: an e-value against at most the threshold.
        e_below: Evidence that it is below: an e-value against at least the threshold.
        interval: Limits of the score that hold at every stop with probability 1 - alpha.
        method: Name of the design.
    """

    decision: Decision
    n_items: int
    threshold: float
    alpha: float
    seed: int
    bank: str | None
    max_items: int
    asked: tuple[int, ...]
    answers: tuple[float, ...]
    probabilities: tuple[float, ...]
    waves: tuple[int, ...]
    e_above: float
    e_below: float
    interval: tuple[float, float]
    method: str = METHOD

    @property
    def items_used(self) -> int:
        """Items that were asked."""
        return len(self.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """A guess with no guarantee: what a model of the items says after few answers.

    It is not a `Certification`, holds no e-value, and nothing that wants one takes it.

    Attributes:
        decision: The likelier side, whatever its probability; `undecided` at one half.
        n_items: Items of the bank.
        threshold: What the score was held against.
        doubt: Probability of the other side that the model of the items was to reach.
        bank: Digest of the bank's parameters; None without a bank.
        asked: Indices of the items in the order they were asked.
        answers: Their answers, in [0, 1].
        probability_above: What the model of the items gives; not an error rate.
        estimate: Expected score.
    """

    decision: Decision
    n_items: int
    threshold: float
    doubt: float
    bank: str | None
    asked: tuple[int, ...]
    answers: tuple[float, ...]
    probability_above: float
    estimate: float

    @property
    def items_used(self) -> int:
        """Items that were asked."""
        return len(self.asked)
