"""How improbable a correlation is for somebody who was never sent the copy.

Decides the stated false-positive probability. Whatever the suspect's weights are, the chips of
an innocent recipient are independent fair signs, so z is a Rademacher sum of norm 1. Two bounds
hold for every number of carriers and every weighting:

    P(z >= x) <= exp(-x^2 / 2)                    (Hoeffding 1963, theorem 2)
    P(z >= x) <= c P(N >= x), c = 3.178...        (Bentkus and Dzindzalieta 2015, theorem 1.1:
                                                   Bernoulli 21(2), 1231-1237)

with N standard normal and c = 1 / (4 P(N >= sqrt 2)), the best constant there is. Chips are those
of a cipher and not of coins, so no probability below 2^-128 is ever stated. Logarithms, because a
copy as it was sent has z in the thousands.
"""

from __future__ import annotations

import math
from typing import Final

_LN10: Final = math.log(10.0)
FLOOR: Final = -128.0 * math.log10(2.0)
"""Common logarithm of the smallest probability that is stated: what a cipher can vouch for."""
_ERFC_LIMIT: Final = 25.0
_GAUSSIAN_FACTOR: Final = 1.0 / (2.0 * math.erfc(1.0))
_ROUNDING: Final = 4
_LARGEST_THRESHOLD: Final = 100.0


def log10_normal_tail(z: float) -> float:
    """Common logarithm of P(N >= z), never too small: Mills' bound beyond z = 25."""
    if z < _ERFC_LIMIT:
        return math.log10(0.5 * math.erfc(z / math.sqrt(2.0)))
    return -(0.5 * z * z + math.log(z * math.sqrt(2.0 * math.pi))) / _LN10


def log10_tail_bound(z: float) -> float:
    """Common logarithm of a bound on P(z or more) for somebody innocent, `FLOOR` to 0."""
    if z <= 0.0:
        return 0.0
    gaussian = math.log10(_GAUSSIAN_FACTOR) + log10_normal_tail(z)
    return max(FLOOR, min(0.0, -0.5 * z * z / _LN10, gaussian))


def threshold(family_error: float, recipients: int) -> float:
    """The z from which a recipient is named, rounded up to four decimals.

    Bonferroni: the probability that any innocent one of `recipients` reaches it is at most
    `family_error`.
    """
    goal = math.log10(family_error) - math.log10(recipients)
    low, high = 0.0, _LARGEST_THRESHOLD
    while high - low > 10.0 ** -(_ROUNDING + 2):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if log10_tail_bound(middle) <= goal else (middle, high)
    scale = 10**_ROUNDING
    return math.ceil(high * scale) / scale
