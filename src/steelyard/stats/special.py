"""The few distribution functions that deciding and verifying need, without scipy.

Regularized incomplete beta by Lentz's continued fraction (DLMF 8.17.22), its
inverse by Newton steps in log odds, and Student's t quantile through it. All
agree with scipy to 1e-9 relative (tests/unit/stats). Scalars in, scalars out.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_PRECISION = 1e-14
_LAST_STEP = 1e-8  # steps converge quadratically: what is left after it is below rounding
_LARGEST_STEP = 50.0
_LEAST_LOG_SLOPE = -700.0
_ALMOST_ONE = 1.0 - 2.0**-53
_NORMAL = NormalDist()


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularized incomplete beta I_x(a, b) for a, b > 0.

    Args:
        x: Point in [0, 1].
        a: First shape.
        b: Second shape.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if _beyond_middle(x, a, b):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)
    return math.exp(log_front) * _continued_fraction(x, a, b) / a


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Point x with I_x(a, b) = `probability`, for a, b > 0 and probability in [0, 1]."""
    if probability <= 0.0:
        return 0.0
    if probability >= 1.0:
        return 1.0
    if probability > 0.5:  # noqa: PLR2004 - the median; the smaller tail is the precise one
        return expit(-_lower_log_odds(1.0 - probability, b, a))
    return expit(_lower_log_odds(probability, a, b))


def _lower_log_odds(probability: float, a: float, b: float) -> float:
    """Log odds of the point whose lower tail is `probability`, at most a half.

    The log odds of a beta variable have a log-concave density, so the logarithm of their
    distribution function is concave and Newton's steps reach its root from anywhere.
    """
    log_beta, target = _log_beta(a, b), math.log(probability)
    point = math.log(a / b) + normal_quantile(probability) * math.sqrt(1.0 / a + 1.0 / b)
    for _ in range(200):
        x = expit(point)
        log_front = a * _log_expit(point) + b * _log_expit(-point) - log_beta
        if _beyond_middle(x, a, b):
            upper = math.exp(log_front) * _continued_fraction(expit(-point), b, a) / b
            log_tail = math.log1p(-min(upper, _ALMOST_ONE))
        else:
            log_tail = log_front + math.log(_continued_fraction(x, a, b) / a)
        slope = math.exp(max(log_front - log_tail, _LEAST_LOG_SLOPE))
        step = max(-_LARGEST_STEP, min((log_tail - target) / slope, _LARGEST_STEP))
        point -= step
        if abs(step) <= _LAST_STEP * max(1.0, abs(point)):
            break
    return point


def normal_cdf(z: float) -> float:
    """Standard normal distribution function."""
    return _NORMAL.cdf(z)


def normal_quantile(probability: float) -> float:
    """Standard normal quantile for 0 < probability < 1."""
    return _NORMAL.inv_cdf(probability)


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: float) -> float:
    """Student's t quantile for 0 < probability < 1 and degrees of freedom > 0."""
    tail = min(probability, 1.0 - probability)
    if tail == 0.5:  # noqa: PLR2004 - the median
        return 0.0
    x = beta_quantile(2.0 * tail, degrees / 2.0, 0.5)
    size = math.sqrt(degrees * (1.0 / x - 1.0))
    return size if probability > tail else -size


def t_cdf(t: float, degrees: float) -> float:
    """Student's t distribution function for degrees of freedom > 0."""
    tail = 0.5 * beta_cdf(degrees / (degrees + t * t), degrees / 2.0, 0.5)
    return 1.0 - tail if t > 0 else tail


def logit(probability: float) -> float:
    """Log odds of a probability in (0, 1)."""
    return math.log(probability) - math.log1p(-probability)


def expit(log_odds: float) -> float:
    """Probability with the given log odds."""
    if log_odds >= 0.0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _beyond_middle(x: float, a: float, b: float) -> bool:
    """Whether the fraction converges faster from the other end."""
    return x > (a + 1.0) / (a + b + 2.0)


def _log_expit(log_odds: float) -> float:
    if log_odds >= 0.0:
        return -math.log1p(math.exp(-log_odds))
    return log_odds - math.log1p(math.exp(log_odds))


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Modified Lentz evaluation of the fraction of DLMF 8.17.22."""
    c = 1.0
    d = _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    d = 1.0 / d
    value = d
    for m in range(1, 20_000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = 1.0 / _away_from_zero(1.0 + even * d)
        c = _away_from_zero(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / _away_from_zero(1.0 + odd * d)
        c = _away_from_zero(1.0 + odd / c)
        change = d * c
        value *= change
        if abs(change - 1.0) < _PRECISION:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
