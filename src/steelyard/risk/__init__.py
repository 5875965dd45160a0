"""From evidence and a standard to levels: indicators, margins, determinations.

`rates` and `horizon` measure, `margins` move thresholds, `levels` and
`determination` hold the decision rule, `residual` says what safeguards leave,
`classification` joins domains, `document` writes JSON. Pure: time comes in as an
argument, and nothing is read or written.
"""

from steelyard.risk.classification import Classification, classify
from steelyard.risk.determination import Determination, determine
from steelyard.risk.differences import differences
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
