"""Published flaws that `assess` tested for, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from steelyard.disclosure.reproducer.regression import Shown


def flaw_lines(regressions: Sequence[Shown]) -> Iterator[str]:
    """One line for each published flaw that was tested for."""
    if regressions:
        yield ""
        yield "  published flaws (they move no level):"
    for row in regressions:
        found = row.finding
        told = found.verdict.value.replace("_", " ")
        line = f"    {row.listed.advisory}#{row.listed.finding}: {told}"
        if found.needed is not None:
            line += f"; about {found.needed} variants in all would decide"
        elif found.obstacle:
            line += f"; {found.obstacle}"
        yield line
