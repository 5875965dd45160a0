"""Repeat noise: how often the same item ended differently when it was run again."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steelyard.evidence import Evidence


def mixed_repeats(evidence: Evidence) -> float | None:
    """Share of repeatedly observed items with mixed outcomes; None where nothing was repeated."""
    if len(evidence.values("epoch")) < 2:  # noqa: PLR2004 - a sample is one of its item and epoch
        return None
    columns = [evidence.columns[n].tolist() for n in ("protocol", "arm", "item", "outcome")]
    scores = evidence.columns["score"].tolist()
    seen: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for protocol, arm, item, outcome, score in zip(*columns, scores, strict=True):
        if score is not None:
            seen[protocol, arm, item].append(outcome)
    repeated = [outcomes for outcomes in seen.values() if len(outcomes) > 1]
    if not repeated:
        return None
    return sum(len(set(outcomes)) > 1 for outcomes in repeated) / len(repeated)
