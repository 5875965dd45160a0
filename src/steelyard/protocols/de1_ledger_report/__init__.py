"""DE1 Ledger report: does an incentive make the model report what it knows is false?

See README.md in this folder for what it can and cannot show.
"""

from steelyard.protocols.de1_ledger_report.protocol import LedgerReport

PROTOCOL = LedgerReport()

__all__ = ["PROTOCOL"]
