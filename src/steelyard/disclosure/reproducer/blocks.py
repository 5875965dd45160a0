"""Which variants a run shows, so that nobody stops it where it pleases.

Decides spec/reproducer.md, section 5, for whoever has a run or only its counts: a fixed document
shows every variant in order, a sequential one whole blocks of an order that was drawn, up to a
verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK_VARIANTS: Final = 10
"""Variants between two looks of a sequential run."""


def require_shown(
    shown: Sequence[str],
    order: Sequence[str],
    method: str,
    verdict: Verdict,
    *,
    where: str,
    hint: str = "",
) -> None:
    """Refuse variants that were chosen, and a run that was cut.

    Args:
        shown: Names of the variants that were shown, in order.
        order: All names in the order in which they are to be shown.
        method: Of the document's decision.
        verdict: What the run came to.
        where: The run, in messages.
        hint: What its owner can do.

    Raises:
        MalformedEvidence: not the beginning of the order, no whole blocks, or no verdict.
    """
    names = tuple(order)
    if tuple(shown) == names:
        return
    begun = tuple(shown) == names[: len(shown)] and not len(shown) % BLOCK_VARIANTS
    if method != "sequential" or not begun:
        message = f"the run shows {len(shown)} of {len(names)} variants, which were chosen"
        raise MalformedEvidence(message, where=where, hint=hint)
    if verdict is Verdict.UNDETERMINED:
        message = f"the run was cut after {len(shown)} of {len(names)} variants, undecided"
        raise MalformedEvidence(message, where=where, hint=hint)
