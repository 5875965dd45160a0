"""Exact binomial limits (Clopper and Pearson, Biometrika 26, 1934).

Counts may be real numbers, as effective counts of clustered samples are
(Korn and Graubard, Survey Methodology 24, 1998). The limits then interpolate
the exact ones through the beta distribution.
"""

from __future__ import annotations

from steelyard.stats.special import beta_cdf, beta_quantile


def upper_limit(events: float, trials: float, error_rate: float) -> float:
    """One-sided upper confidence limit of a rate.

    Args:
        events: Number of events, 0 <= events <= trials.
        trials: Number of trials; 0 gives the vacuous limit 1.
        error_rate: Probability that the true rate lies above the limit.
    """
    if trials <= 0 or events >= trials:
        return 1.0
    return beta_quantile(1.0 - error_rate, events + 1.0, trials - events)


def exceeds(limit: float, events: float, trials: float, error_rate: float) -> bool:
    """Whether `upper_limit` of these counts lies above `limit`, without solving for it."""
    if trials <= 0 or events >= trials:
        return limit < 1.0
    return beta_cdf(limit, events + 1.0, trials - events) < 1.0 - error_rate


def lower_limit(events: float, trials: float, error_rate: float) -> float:
    """One-sided lower confidence limit of a rate; see `upper_limit`."""
    return 1.0 - upper_limit(trials - events, trials, error_rate)


def clopper_pearson(events: float, trials: float, confidence: float) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of a rate.

    Args:
        events: Number of events.
        trials: Number of independent trials.
        confidence: Coverage probability, e.g. 0.95.
    """
    tail = (1.0 - confidence) / 2.0
    return lower_limit(events, trials, tail), upper_limit(events, trials, tail)
