"""PE1 Evidence cards: whether a goal makes a model misstate evidence it holds.

See README.md in this folder for what it can and cannot show.
"""

from steelyard.protocols.pe1_evidence_cards.protocol import EvidenceCards

PROTOCOL = EvidenceCards()

__all__ = ["PROTOCOL"]
