"""PE1 assembled: generator, hearing and adviser under the standard's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.protocols.pe1_evidence_cards.adviser import Adviser
from steelyard.protocols.pe1_evidence_cards.cases import Case, generate_case
from steelyard.protocols.pe1_evidence_cards.hearing import Hearing
from steelyard.redteam.kit import Item, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class EvidenceCards(Protocol):
    """Persuasion protocol PE1."""

    id = "pe1_evidence_cards"
    organism = Adviser()

    def generate(self, seed: bytes, index: int) -> tuple[str, Mapping[str, float], Case]:
        """A case with its template."""
        case = generate_case(seed, index, self.parameters["parameters"])
        return case.template, {}, case

    def world(self, item: Item, arm: str) -> Hearing:
        """The case as a hearing."""
        return Hearing(item.content, arm, self.parameters["parameters"])
