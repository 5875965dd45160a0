"""What is believed of items before their responses: normal log slopes and intercepts.

With 10 to 45 models an item's own responses say little of its slope, so most of what is
known of it is how slopes vary in the bank. The prior is therefore estimated from the
matrix itself (empirical Bayes: Mislevy, Psychometrika 51, 1986) by EM steps with the
normal approximation to each item's posterior, and pulled to a default by a few pseudo
items, so that small banks do not collapse onto one slope.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_PSEUDO_ITEMS = 10.0
_LEAST_SD = 0.05
# The normal approximation takes abilities as known and so understates what is not known
# of an item. Chosen on the cyber matrix by bench/irt_held_out.py, where 1.2 to 1.4 do alike.
_WIDENING = 1.25


@dataclass(frozen=True, slots=True)
class ItemPrior:
    """Independent normal priors of an item's log slope and intercept.

    Attributes:
        slope_mean: Mean of the log of the discrimination.
        slope_sd: Its standard deviation.
        intercept_mean: Mean of the intercept, log odds.
        intercept_sd: Its standard deviation.

    Raises:
        ValueError: a value that is not finite, or a standard deviation not above 0.
    """

    slope_mean: float = 0.0
    slope_sd: float = 0.5
    intercept_mean: float = 0.0
    intercept_sd: float = 3.0

    def __post_init__(self) -> None:
        values = (self.slope_mean, self.slope_sd, self.intercept_mean, self.intercept_sd)
        if not all(map(math.isfinite, values)) or min(self.slope_sd, self.intercept_sd) <= 0.0:
            message = f"a prior needs finite means and standard deviations above 0, found {self}"
            raise ValueError(message)

    def slope_log_density(self, log_slope: Floats) -> Floats:
        """Log density of log slopes, without its constant; any shape."""
        return -0.5 * np.square((log_slope - self.slope_mean) / self.slope_sd)

    def intercept_log_density(self, intercept: Floats) -> Floats:
        """Log density of intercepts, without its constant; any shape."""
        return -0.5 * np.square((intercept - self.intercept_mean) / self.intercept_sd)

    def widened(self) -> ItemPrior:
        """The same means with standard deviations a quarter larger."""
        return replace(
            self,
            slope_sd=_WIDENING * self.slope_sd,
            intercept_sd=_WIDENING * self.intercept_sd,
        )


def updated_moments(
    values: Floats, variances: Floats, default: tuple[float, float]
) -> tuple[float, float]:
    """Mean and standard deviation of a normal prior, after one EM step.

    Args:
        values: Posterior modes, shape [items].
        variances: Posterior variances, shape [items].
        default: Mean and standard deviation of the pseudo items.
    """
    weight = len(values) + _PSEUDO_ITEMS
    mean = (float(values.sum()) + _PSEUDO_ITEMS * default[0]) / weight
    squares = float((np.square(values - mean) + variances).sum())
    squares += _PSEUDO_ITEMS * (default[1] ** 2 + (default[0] - mean) ** 2)
    return mean, max(_LEAST_SD, math.sqrt(squares / weight))
