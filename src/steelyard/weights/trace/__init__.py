"""Leak tracing: copies that differ by a secret mark, and a test that says whose a leak is.

Specified in spec/trace-mark.md. What a trace proves, what removes a mark and what was measured
is told in docs/explanation/leak-tracing.md. Marks deter and attribute; they keep nobody out.
"""

from steelyard.weights.trace.carriers import Carrier, CarrierRule, find_carriers
from steelyard.weights.trace.commitment import Commitment, Method, Opening, open_commitment
from steelyard.weights.trace.delivery import Committed, Terms, commit_model, deliver
from steelyard.weights.trace.derivation import Derivation, open_derivation
from steelyard.weights.trace.detection import Detection, Score, detect
from steelyard.weights.trace.register import Evidence, Register, read_opening, read_register
from steelyard.weights.trace.tensor_files import Model, open_model

__all__ = [
    "Carrier",
    "CarrierRule",
    "Commitment",
    "Committed",
    "Derivation",
    "Detection",
    "Evidence",
    "Method",
    "Model",
    "Opening",
    "Register",
    "Score",
    "Terms",
    "commit_model",
    "deliver",
    "detect",
    "find_carriers",
    "open_commitment",
    "open_derivation",
    "open_model",
    "read_opening",
    "read_register",
]
