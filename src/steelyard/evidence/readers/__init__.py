"""Readers: other tools' files as evidence, one module per format, one entrance.

Every mapping is written down in `spec/evidence-record.md`. A reader never turns
a missing score into a number and never guesses what a file does not say.
"""

from steelyard.evidence.readers.entrance import ACCEPTED, read_evidence
from steelyard.evidence.readers.every_eval_ever import Headline, read_aggregate
from steelyard.evidence.readers.options import ImportOptions
from steelyard.evidence.readers.peek import has_human_minutes

__all__ = [
    "ACCEPTED",
    "Headline",
    "ImportOptions",
    "has_human_minutes",
    "read_aggregate",
    "read_evidence",
]
