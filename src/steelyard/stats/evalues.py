"""Combining e-values: evidence that stays valid whenever one stops to look.

An e-value is a non-negative statistic whose mean under its null hypothesis is at most 1,
so it reaches 1 / alpha with a probability of at most alpha (Markov). Means of e-values
are e-values however they depend on each other; products need independence (Vovk and
Wang, Annals of Statistics 49, 2021).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def mean_e_value(values: ArrayLike) -> float:
    """Arithmetic mean: an e-value of the null that all nulls are true.

    Valid under any dependence, and the only symmetric way to merge that no other beats
    (Vovk and Wang, proposition 3.1).

    Args:
        values: E-values, shape [n] with n at least 1; infinity is allowed.

    Raises:
        ValueError: no value, a negative one, or nan.
    """
    return float(_checked(values).mean())


def product_e_value(values: ArrayLike) -> float:
    """Product: an e-value of the null that all nulls are true.

    Valid for independent e-values, and for sequential ones, each an e-value given those
    before it. One 0 makes it 0.

    Args:
        values: E-values, shape [n] with n at least 1; infinity is allowed.

    Raises:
        ValueError: no value, a negative one, or nan.
    """
    checked = _checked(values)
    return 0.0 if (checked == 0.0).any() else float(checked.prod())


def e_to_p(value: float) -> float:
    """p-value min(1, 1 / e), the only calibrator that no other beats.

    Args:
        value: An e-value.

    Raises:
        ValueError: a negative value, or nan.
    """
    checked = float(_checked([value])[0])
    return 1.0 if checked <= 1.0 else 1.0 / checked


def k_of_n_e_value(values: ArrayLike, k: int) -> float:
    """E-value of the null that k or more of the n nulls are true.

    Large values show that at least n - k + 1 nulls are false: a partial conjunction
    (Benjamini and Heller, Biometrics 64, 2008). It is the mean of the k smallest e-values.
    That is at most the mean of any k that belong to true nulls, so it is valid under any
    dependence. For a level that k of n indicators reach, with nulls "the indicator is at
    or above its threshold", it is the evidence that the level is not reached. k = 1 gives
    the smallest e-value, an intersection-union test; k = n gives `mean_e_value`.

    Args:
        values: E-values, shape [n].
        k: True nulls that the null asks for, 1 to n.

    Raises:
        ValueError: no value, a negative one, or nan; k outside 1 to n.
    """
    checked = np.sort(_checked(values))
    if not 1 <= k <= len(checked):
        message = f"k lies between 1 and the {len(checked)} e-values, found {k}"
        raise ValueError(message)
    return float(checked[:k].mean())


def _checked(values: ArrayLike) -> Floats:
    checked = np.asarray(values, dtype=float)
    if checked.ndim != 1 or len(checked) == 0:
        message = f"e-values need the shape n, at least 1, found {checked.shape}"
        raise ValueError(message)
    for value in checked[~(checked >= 0.0)].tolist():
        kind = "nan" if math.isnan(value) else f"{value:g}"
        message = f"an e-value is 0 or more, found {kind}"
        raise ValueError(message)
    return checked
