"""A sequential run as it goes: draws follow from seed and answers, so records repeat it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.risk.sequential.answers import MISSING, shown_score
from steelyard.risk.sequential.plan import LevelThresholds, in_reach
from steelyard.stats import Ladder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.risk.sequential.answers import ItemAnswer
    from steelyard.risk.sequential.plan import SequentialPlan
    from steelyard.stats import Wager


class SequentialRun:
    """A sequential run as it goes: items to play, their answers, and what they decide.

    A rate has one score. A paired difference has two. It is ruled out by its additions, pairs
    with the behaviour under treatment alone, whose rate is at least the difference: that
    score is 0 for most items and so decides sooner. It is shown by the difference itself, moved
    to 0 to 1. Both see the same uniform draws.

    Args:
        plan: What was committed to.

    Raises:
        ValueError: the plan is out of range.
    """

    def __init__(self, plan: SequentialPlan) -> None:
        self.plan = plan
        goals = {t.effective for t in plan.thresholds if in_reach(t.effective)}
        scores = {shown_score(plan.kind, t.shown) for t in plan.thresholds}
        shown = {score for score in scores if in_reach(score)}
        self.clearing = self._ladder(goals if plan.paired else goals | shown)
        self.showing = self._ladder(shown or goals) if plan.paired else self.clearing

    def _ladder(self, thresholds: set[float]) -> Ladder:
        plan = self.plan
        return Ladder(
            len(plan.items),
            sorted(thresholds),
            bank=plan.bank,
            alpha=plan.alpha,
            seed=plan.seed,
            max_items=plan.budget,
        )

    @property
    def asked(self) -> tuple[str, ...]:
        """Pseudonyms of the items that were answered, in order."""
        return tuple(self.plan.items[k] for k in self.clearing.draws.asked)

    def clearing_wager(self, threshold: LevelThresholds) -> Wager | None:
        """The wager that rules a level out; None where no answers could."""
        if not in_reach(threshold.effective):
            return None
        return self.clearing.wager(threshold.effective)

    def showing_wager(self, threshold: LevelThresholds) -> Wager | None:
        """The wager that shows a level; None where no answers could."""
        score = shown_score(self.plan.kind, threshold.shown)
        return self.showing.wager(score) if in_reach(score) else None

    @property
    def settled(self) -> bool:
        """Whether every level is decided, and the one that is left is shown or shown not to be."""
        open_levels = list[LevelThresholds]()
        for threshold in self.plan.thresholds:
            wager = self.clearing_wager(threshold)
            if wager is not None and wager.decision == "undecided":
                return False
            if wager is None or wager.decision == "above":
                open_levels.append(threshold)
        if not open_levels:
            return True
        wager = self.showing_wager(open_levels[-1])
        return wager is None or wager.decision != "undecided"

    def next_items(self) -> tuple[str, ...]:
        """Pseudonyms of the items to play now; empty when the run is over."""
        if not self.clearing.pending and self.plan.mode == "certify" and self.settled:
            return ()
        drawn = self.clearing.draw(self.plan.wave)
        if self.plan.paired:
            self.showing.draw(self.plan.wave)
        return tuple(self.plan.items[k] for k in drawn)

    def record(self, answer: ItemAnswer | None) -> None:
        """Take the answer of the first item that waits for one; None counts as missing."""
        clearing, showing = answer or MISSING
        self.clearing.record(*clearing)
        if self.plan.paired:
            self.showing.record(*showing)


def replay(plan: SequentialPlan, answers: Mapping[str, ItemAnswer]) -> SequentialRun:
    """Repeat a run from its answers, by pseudonym; an item without one counts as missing."""
    run = SequentialRun(plan)
    while items := run.next_items():
        for item in items:
            run.record(answers.get(item))
    return run
