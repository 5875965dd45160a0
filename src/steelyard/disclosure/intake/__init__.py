"""Intake: foreign reports become claims in one form, within bounds.

Decides spec/disclosure-advisory.md, section 8. What becomes of a report is decided by its case.
"""

from steelyard.disclosure.intake.attachments import Attachment, inspect_attachment
from steelyard.disclosure.intake.reading import read_intake
from steelyard.disclosure.intake.report import ClaimedFlaw, ClaimedTarget, IntakeReport

__all__ = [
    "Attachment",
    "ClaimedFlaw",
    "ClaimedTarget",
    "IntakeReport",
    "inspect_attachment",
    "read_intake",
]
