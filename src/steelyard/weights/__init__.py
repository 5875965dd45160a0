"""Securing model weights: what there is, what it loads, who signed it, who may open it.

Each part stands alone: `tensors` and `model_folder` read, the packages beside them decide.
Formats are those of `spec/`; which key to trust is always the caller's to say.
"""

from steelyard.weights.model_folder import Entry, entries, regular_files
from steelyard.weights.tensors import TensorHeader, TensorInfo, header_length, parse_header

__all__ = [
    "Entry",
    "TensorHeader",
    "TensorInfo",
    "entries",
    "header_length",
    "parse_header",
    "regular_files",
]
