"""From answers to a transfer matrix: what is told to a coordinator, and what to everybody.

Decides how answers become cells (spec/reproducer.md, section Transfer). A coordinator ranks who
is likely next with all that it was told; what is published rests on cells with consent, and on
counts of the other answers that hide everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.reproducer.counts import count_verdicts
from steelyard.disclosure.reproducer.transfer import Cell, TransferMatrix, publish_matrix
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from steelyard.disclosure.reproducer.query import Answer
    from steelyard.disclosure.reproducer.transfer import Victim
    from steelyard.kernel import JsonObject


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that was checked.

    Attributes:
        flaw_class: Of the reproducer that it is about.
        answer: What was told.
        signer: Id of the key that told it.
        consent: Whether the one who gave it lets its cell be published.
    """

    flaw_class: str
    answer: Answer
    signer: str
    consent: bool

    @property
    def is_published(self) -> bool:
        """Whether it is part of a cell that everybody may see."""
        return self.consent and self.answer.counts is not None and self.answer.counts.n > 0


def require_owners(told: Iterable[Told]) -> None:
    """Refuse handles that two participants use: their models would become one.

    Raises:
        MalformedEvidence: naming the handle.
    """
    owners: dict[str, str] = {}
    for one in told:
        target = one.answer.target
        if owners.setdefault(target, one.signer) != one.signer:
            message = f"two keys answer about target {target!r}"
            hint = "a handle begins with its organization: lab/alpha"
            raise MalformedEvidence(message, where="answers", hint=hint)


def cells_of(told: Iterable[Told]) -> list[Cell]:
    """Cells of answers that tell counts; answers of one class and target are added up.

    The events of a cell are the variants' shares as if all had as many answered tries.
    """
    events: dict[tuple[str, str], float] = {}
    variants: dict[tuple[str, str], int] = {}
    for one in told:
        counts, key = one.answer.counts, (one.flaw_class, one.answer.target)
        if counts is None or not counts.n:
            continue
        events[key] = events.get(key, 0.0) + counts.variants * counts.k / counts.n
        variants[key] = variants.get(key, 0) + counts.variants
    return [Cell(*key, events[key], variants[key]) for key in events]


def rank_targets(told: Sequence[Told], above: float) -> dict[str, list[Victim]]:
    """For each class the targets not tested for it, the likeliest to exceed a rate first.

    Raises:
        ConfigurationError: fewer than two cells, or more than 400.
    """
    matrix = TransferMatrix(cells_of(told))
    return {name: matrix.next_victims(name, above) for name in matrix.classes}


def published_matrix(
    told: Sequence[Told], *, embargo_end: datetime, now: datetime, confidence: float
) -> JsonObject:
    """The document that everybody may see.

    Raises:
        NotSatisfied: the embargo has not ended.
        ConfigurationError: fewer than two cells have consent, or more than 400.
    """
    cells = cells_of(one for one in told if one.is_published)
    matrix = publish_matrix(cells, embargo_end=embargo_end, now=now, confidence=confidence)
    return {"schema": "steelyard/transfer-matrix/1", **matrix, "unnamed": _unnamed(told)}


def _unnamed(told: Sequence[Told]) -> JsonObject:
    """Counts of answers without a cell, by class, in the order in which they came.

    Those with a cell are not counted: who subtracts them would see the others.
    """
    rest = sorted(
        (one for one in told if not one.is_published), key=lambda one: one.answer.answered
    )
    classes = sorted({one.flaw_class for one in rest})
    return {
        name: count_verdicts([o.answer.verdict for o in rest if o.flaw_class == name]).to_json()
        for name in classes
    }
