from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.stats import e_to_p, k_of_n_e_value, mean_e_value, product_e_value

values = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=7)


@given(values)
def test_the_mean_lies_between_the_least_and_the_largest(found: list[float]) -> None:
    assert min(found) * (1 - 1e-12) <= mean_e_value(found) <= max(found) * (1 + 1e-12)
    assert k_of_n_e_value(found, 1) == min(found)
    assert k_of_n_e_value(found, len(found)) == pytest.approx(mean_e_value(found))


@given(values, st.data())
def test_k_of_n_is_below_the_mean_of_any_k(found: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(found)))
    least = min(math.fsum(chosen) / k for chosen in combinations(found, k))
    assert k_of_n_e_value(found, k) == pytest.approx(least)


def test_true_nulls_are_seldom_refuted() -> None:
    """Three of five nulls true and fully dependent; the other two as false as can be."""
    random = np.random.default_rng(1)
    z = random.normal(size=10_000)
    true = np.exp(z - 0.5)
    combined = [k_of_n_e_value([e, e, e, 1e9, 1e9], 3) for e in true]
    assert np.mean(combined) == pytest.approx(1.0, abs=0.25)
    assert np.mean(np.array(combined) >= 20.0) <= 0.05


def test_products_need_independence() -> None:
    assert product_e_value([2.0, 3.0, 0.5]) == pytest.approx(3.0)
    assert product_e_value([0.0, math.inf]) == 0.0
    assert product_e_value([2.0, math.inf]) == math.inf


@given(st.floats(0.0, 1e9))
def test_p_values_are_reciprocals(value: float) -> None:
    assert e_to_p(value) == pytest.approx(1.0 / value if value > 1.0 else 1.0)
    assert e_to_p(math.inf) == 0.0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1.0, -0.5], "an e-value is 0 or more, found -0.5"),
        ([math.nan], "an e-value is 0 or more, found nan"),
        ([], "at least 1"),
        ([[1.0]], "need the shape n"),
    ],
)
def test_what_is_no_e_value_is_refused(bad: list[float], message: str) -> None:
    for combine in (mean_e_value, product_e_value, lambda found: k_of_n_e_value(found, 1)):
        with pytest.raises(ValueError, match=message):
            combine(bad)


@pytest.mark.parametrize("k", [0, 3])
def test_k_lies_within_n(k: int) -> None:
    with pytest.raises(ValueError, match=f"k lies between 1 and the 2 e-values, found {k}"):
        k_of_n_e_value([1.0, 2.0], k)


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_no_p_value_of_what_is_no_e_value(value: float) -> None:
    with pytest.raises(ValueError, match="an e-value is 0 or more"):
        e_to_p(value)
