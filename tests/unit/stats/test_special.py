"""Special functions against fixed values from scipy 1.17.1, and against scipy where it is there."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.stats.special import (
    beta_cdf,
    beta_quantile,
    expit,
    logit,
    normal_quantile,
    t_cdf,
    t_quantile,
)

CDF = [
    (0.3, 1, 1, 0.3),
    (0.9, 2.5, 0.5, 0.48958974456442755),
    (0.01, 0.3, 7.7, 0.501531755004962),
    (0.5, 121, 120, 0.47427519708532023),
    (0.01, 1, 299, 0.9504637433623375),
    (0.1, 40.5, 400.25, 0.7320334465402181),
]
QUANTILE = [
    (0.99, 1, 299, 0.015283904206622598),
    (0.01, 5.5, 2.25, 0.308662274838914),
    (0.5, 0.3, 7.7, 0.009893200849336842),
    (0.975, 121, 120, 0.5649979556927349),
    (0.995, 13, 108, 0.19112370953206473),
]
T_QUANTILE = [
    (0.99, 1, 31.820515953773935),
    (0.995, 39, 2.707913183517662),
    (0.975, 5, 2.5705818356363146),
    (0.01, 19, -2.539483190623963),
    (0.9999, 239, 3.7775213881197343),
]
T_CDF = [
    (0.5, 5, 0.6808505641795355),
    (-2.3, 3, 0.05249418032223499),
    (10, 5, 0.9999145262121285),
    (0, 7, 0.5),
]


@pytest.mark.parametrize(("x", "a", "b", "expected"), CDF)
def test_the_beta_distribution(x: float, a: float, b: float, expected: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("p", "a", "b", "expected"), QUANTILE)
def test_the_beta_quantile(p: float, a: float, b: float, expected: float) -> None:
    assert beta_quantile(p, a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("p", "degrees", "expected"), T_QUANTILE)
def test_students_quantile(p: float, degrees: float, expected: float) -> None:
    assert t_quantile(p, degrees) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("t", "degrees", "expected"), T_CDF)
def test_students_distribution(t: float, degrees: float, expected: float) -> None:
    assert t_cdf(t, degrees) == pytest.approx(expected, rel=1e-9)


def test_edges() -> None:
    assert (beta_cdf(0.0, 2, 3), beta_cdf(1.0, 2, 3)) == (0.0, 1.0)
    assert (beta_quantile(0.0, 2, 3), beta_quantile(1.0, 2, 3)) == (0.0, 1.0)
    assert t_quantile(0.5, 3) == 0.0
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054)


@given(x=st.floats(-700, 700))
def test_log_odds_and_back(x: float) -> None:
    p = expit(x)
    assert 0.0 <= p <= 1.0
    if abs(x) < 30:
        assert logit(p) == pytest.approx(x, abs=1e-3)


@given(a=st.floats(0.1, 500), b=st.floats(0.1, 500), p=st.floats(0.001, 0.999))
def test_the_quantile_inverts_the_distribution(a: float, b: float, p: float) -> None:
    x = beta_quantile(p, a, b)
    if 1e-12 < x < 1 - 1e-9:
        assert beta_cdf(x, a, b) == pytest.approx(p, abs=1e-6)


def test_a_grid_agrees_with_scipy() -> None:
    reason = "scipy is no dependency: the fixed values above stand for it"
    scipy = pytest.importorskip("scipy.stats", reason=reason)
    for a in (0.3, 1.0, 7.5, 240.0):
        for b in (0.7, 3.0, 120.0):
            for p in (0.005, 0.01, 0.5, 0.99):
                x = float(scipy.beta.ppf(p, a, b))
                assert math.isclose(beta_quantile(p, a, b), x, rel_tol=1e-8)
