"""Combining e-values: evidence that adds up although nobody fixed when to look.

An e-value is non-negative and has mean at most 1 under its null hypothesis, so
it exceeds 1 / alpha with probability at most alpha (Markov's inequality). The
mean of several is one again, whatever their dependence (Vovk and Wang, 2021).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence


def mean_e_value(values: Sequence[float]) -> float:
    """Mean of e-values against one null; 0 without any.

    Args:
        values: One per indicator; 0 for an indicator that brings none.

    Raises:
        MalformedEvidence: a value is negative or not a number, which no e-value is.
    """
    for value in values:
        if math.isnan(value) or value < 0.0:
            message = f"{value!r} is no e-value: it must be 0 or more"
            raise MalformedEvidence(message)
    return sum(values) / len(values) if values else 0.0
