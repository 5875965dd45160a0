"""Combining e-values: evidence that adds up although nobody fixed when to look.

An e-value is non-negative and has mean at most 1 under its null hypothesis, so it exceeds
1 / alpha with probability at most alpha (Markov's inequality). Vovk and Wang, Annals of
Statistics 49, 2021.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def mean_e_value(values: Sequence[float]) -> float:
    """Mean of e-values against one null hypothesis: one again, whatever their dependence.

    Args:
        values: One per source; 0 for a source that brings none. Without any, 0.

    Raises:
        ValueError: a value is negative or not a number, which no e-value is.
    """
    checked = _checked(values)
    return math.fsum(checked) / len(checked) if checked else 0.0


def product_e_value(values: Sequence[float]) -> float:
    """Product of e-values: one again where they are independent, or each valid given the last.

    Args:
        values: One per source; without any, 1.

    Raises:
        ValueError: as `mean_e_value`.
    """
    return math.prod(_checked(values))


def partial_conjunction_e_value(values: Sequence[float], at_least: int) -> float:
    """Evidence that at least k of n null hypotheses are false, whatever the dependence.

    If fewer than k are false, some n - k + 1 are true, and the mean of their e-values is one;
    the mean of the n - k + 1 smallest is no larger (Benjamini and Heller, Biometrics 64, 2008,
    for p-values).

    Args:
        values: One per null hypothesis, n in all.
        at_least: k, from 1 to n.

    Raises:
        ValueError: as `mean_e_value`, or a k outside 1 to n.
    """
    if not 1 <= at_least <= len(values):
        message = f"at least {at_least} of {len(values)} cannot be asked for"
        raise ValueError(message)
    return mean_e_value(sorted(_checked(values))[: len(values) - at_least + 1])


def p_value_of(e_value: float) -> float:
    """The p-value min(1, 1 / e) that an e-value gives by Markov's inequality.

    Raises:
        ValueError: as `mean_e_value`.
    """
    (checked,) = _checked([e_value])
    return 1.0 if checked <= 1.0 else 1.0 / checked


def _checked(values: Sequence[float]) -> list[float]:
    for value in values:
        if math.isnan(value) or value < 0.0:
            message = f"{value!r} is no e-value: it must be 0 or more"
            raise ValueError(message)
    return [float(value) for value in values]
