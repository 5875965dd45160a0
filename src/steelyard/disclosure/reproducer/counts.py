"""What participants see of each other's answers: counts, and never of fewer than three.

Decides which counts a case shows (spec/reproducer.md, section Counts). Answers are released
three at a time in the order in which they came, so that no two looks differ by one answer. A
count of one or two is hidden, and so many others that the total does not give it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.reproducer.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.kernel import JsonObject

LEAST_COUNT: Final = 3


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """Counts that may be shown.

    Attributes:
        answers: Answers counted, a multiple of three.
        by_verdict: Count of each verdict; None where it is hidden.
    """

    answers: int
    by_verdict: Mapping[Verdict, int | None]

    def to_json(self) -> JsonObject:
        """As a case shows them; null is hidden."""
        return {
            "answers": self.answers,
            "by_verdict": {verdict.value: n for verdict, n in self.by_verdict.items()},
        }


def count_verdicts(verdicts: Sequence[Verdict]) -> VerdictCounts:
    """Counts of answers.

    Args:
        verdicts: One for each answer, in the order in which they came.
    """
    released = len(verdicts) // LEAST_COUNT * LEAST_COUNT
    counts = {v: sum(found is v for found in verdicts[:released]) for v in Verdict}
    hidden = {v for v, n in counts.items() if 0 < n < LEAST_COUNT}
    while hidden and (len(hidden) == 1 or sum(counts[v] for v in hidden) < LEAST_COUNT):
        # The total less what is shown would give the hidden counts away.
        others = [v for v in counts if v not in hidden]
        hidden.add(min(others, key=lambda v: (counts[v] == 0, counts[v])))
    return VerdictCounts(released, {v: None if v in hidden else n for v, n in counts.items()})
