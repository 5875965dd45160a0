"""Sealed weights: encrypted for named recipients, signed, readable tensor by tensor.

`writer` makes them, `reader` opens them, `rewrap` changes who can; the format is that of
spec/sealed-weights.md, and `floe` its encryption.
"""

from steelyard.weights.sealed.age import AgeIdentity, AgeRecipient
from steelyard.weights.sealed.header import Expect, SealedHeader, read_header
from steelyard.weights.sealed.memory import harden_process
from steelyard.weights.sealed.reader import Opening, TensorReader, open_sealed
from steelyard.weights.sealed.rekey import rekey
from steelyard.weights.sealed.rewrap import Rewrapping
from steelyard.weights.sealed.stream_writer import Quorum
from steelyard.weights.sealed.writer import Sealing, seal_model

__all__ = [
    "AgeIdentity",
    "AgeRecipient",
    "Expect",
    "Opening",
    "Quorum",
    "Rewrapping",
    "SealedHeader",
    "Sealing",
    "TensorReader",
    "harden_process",
    "open_sealed",
    "read_header",
    "rekey",
    "seal_model",
]
