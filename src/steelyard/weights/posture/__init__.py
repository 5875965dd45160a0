"""The security posture of weights: controls as data, evidence that expires, a level that follows.

spec/weights-posture.md says what counts. `collectors` look at a machine, people attest the
rest, `assess_posture` decides, `recompute` decides again from a report.
"""

from steelyard.weights.posture.assessment import (
    Assessment,
    Documents,
    assess_posture,
    recompute,
)
from steelyard.weights.posture.attestation import Trust, Word, attest_control
from steelyard.weights.posture.catalogue import Catalogue, Control, load_catalogue
from steelyard.weights.posture.levels import Posture

__all__ = [
    "Assessment",
    "Catalogue",
    "Control",
    "Documents",
    "Posture",
    "Trust",
    "Word",
    "assess_posture",
    "attest_control",
    "load_catalogue",
    "recompute",
]
