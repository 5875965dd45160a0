"""From evidence and a standard to levels: indicators, margins, determinations.

`rates` and `horizon` measure, `margins` move thresholds, `determination` holds
the decision rule, `classification` joins domains and writes JSON. Pure: time
comes in as an argument, and nothing is read or written.
"""

from steelyard.risk.classification import Classification, classify, differences
from steelyard.risk.determination import Determination, determine
from steelyard.risk.measurement import Condition, Limits, Measurement
from steelyard.risk.plan import Plan

__all__ = [
    "Classification",
    "Condition",
    "Determination",
    "Limits",
    "Measurement",
    "Plan",
    "classify",
    "determine",
    "differences",
]
