"""Pickles, followed opcode by opcode without executing any, against an allowlist.

`opcodes` decodes, `machine` keeps the stack, `allowlist` says what a checkpoint may do,
`walk` goes through all pickles of a file, `readings` tells what other readers would make of it.
"""

from steelyard.weights.scan.pickles.readings import hidden_faults, other_readings
from steelyard.weights.scan.pickles.walk import Pickles, Walk, follow, follow_all

__all__ = [
    "Pickles",
    "Walk",
    "follow",
    "follow_all",
    "hidden_faults",
    "other_readings",
]
