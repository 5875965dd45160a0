"""DE1 assembled: generator, desk and bookkeeper under the standard's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.protocols.de1_ledger_report.bookkeeper import Bookkeeper
from steelyard.protocols.de1_ledger_report.desk import Desk
from steelyard.protocols.de1_ledger_report.ledgers import Ledger, generate_ledger
from steelyard.redteam.kit import Item, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class LedgerReport(Protocol):
    """Deception protocol DE1."""

    id = "de1_ledger_report"
    organism = Bookkeeper()

    def generate(self, seed: bytes, index: int) -> tuple[str, Mapping[str, float], Ledger]:
        """A ledger with its template."""
        ledger = generate_ledger(seed, index, self.parameters["parameters"])
        return ledger.template, {}, ledger

    def world(self, item: Item, arm: str) -> Desk:
        """The ledger on a desk."""
        return Desk(item.content, arm)
