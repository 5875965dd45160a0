"""DE1 Ledger report: whether an incentive makes a model report what it knows is false.

See README.md in this folder for what it can and cannot show.
"""

from steelyard.protocols.de1_ledger_report.protocol import LedgerReport

PROTOCOL = LedgerReport()

__all__ = ["PROTOCOL"]
