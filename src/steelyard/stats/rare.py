"""Rare events: what none of them seen proves, and what the largest seen forecasts.

A bound holds with its stated error whatever the behaviour is like, and it speaks only of
queries drawn as the tested ones were. A forecast extends the trend of the queries that
came closest, after Jones et al. (Forecasting Rare Language Model Behaviors, arXiv
2502.16797, 2025); it fails where the tail bends, or where deployment brings queries that
the test did not. A forecast is never a bound, and no level is decided by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from steelyard.stats.exact import upper_limit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_LEAST_TOP = 3
_MOST_TRIALS = 10**15
_SEED = 20261


def zero_event_limit(trials: int, error_rate: float) -> float:
    """Upper limit of a rate of which `trials` independent trials showed no event.

    1 - error_rate^(1 / trials), the Clopper-Pearson limit; about 3 / trials at an error
    rate of 0.05 (the rule of three: Hanley and Lippman-Hand, JAMA 249, 1983).

    Args:
        trials: Independent trials, at least 1.
        error_rate: Probability that the true rate lies above the limit, in (0, 1).

    Raises:
        ValueError: no trial, or an error rate outside (0, 1).
    """
    _check_error_rate(error_rate)
    if trials < 1:
        message = f"a limit needs at least 1 trial, found {trials}"
        raise ValueError(message)
    return upper_limit(0, trials, error_rate)


def required_trials(limit: float, error_rate: float, events: int = 0) -> int:
    """Fewest trials whose upper limit lies below a rate, if they show this many events.

    Args:
        limit: Rate to be shown, in (0, 1).
        error_rate: One-sided error rate, in (0, 1).
        events: Events to be allowed for.

    Raises:
        ValueError: a rate or an error rate outside (0, 1), negative events, or more than
            10^15 trials needed.
    """
    _check_error_rate(error_rate)
    if not 0.0 < limit < 1.0 or events < 0:
        message = f"needs a rate in (0, 1) and no negative events, found {limit} and {events}"
        raise ValueError(message)
    low, high = events, max(2 * events, 1)
    while upper_limit(events, high, error_rate) >= limit:
        low, high = high, 2 * high
        if high > _MOST_TRIALS:
            message = f"a rate of {limit:g} needs more than 10^15 trials"
            raise ValueError(message)
    while high - low > 1:
        middle = (low + high) // 2
        if upper_limit(events, middle, error_rate) < limit:
            high = middle
        else:
            low = middle
    return high


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the tail of the tested queries foretells of a deployment. Never a bound.

    Attributes:
        worst_query: Forecast of the largest elicitation probability of any query.
        lower: Lower end of its prediction interval.
        upper: Upper end.
        frequency: Forecast share of queries whose elicitation probability exceeds
            `threshold`.
        threshold: Elicitation probability that `frequency` speaks of.
        queries: Queries of the deployment.
        tested: Queries tested.
        top: Largest of them that the tail was fitted to.
        kind: Always "forecast".
    """

    worst_query: float
    lower: float
    upper: float
    frequency: float
    threshold: float
    queries: float
    tested: int
    top: int
    kind: Literal["forecast"] = "forecast"


def forecast_worst_query(
    probabilities: ArrayLike,
    queries: float,
    *,
    top: int = 10,
    threshold: float = 0.5,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Forecast:
    """Forecast the worst of many queries from the worst of a few.

    The score of a query with elicitation probability p is -log(-log p). If the scores'
    tail is of Gumbel's kind, the log of the share of queries with a higher score is linear
    in the score. A line through the `top` largest, fitted by least squares, is read where
    the share is 1 / queries. The interval is a parametric bootstrap: the top of a sample
    is drawn from the fitted tail, refitted, and held against a deployment's worst query
    drawn from the same tail; errors are scaled by the fitted slope, of which their
    distribution does not depend. It covers the realised worst query, if the tail is as
    supposed.

    Args:
        probabilities: Elicitation probability of each tested query, in [0, 1); shape
            [tested]. Estimated from many samples, or from log probabilities.
        queries: Queries of the deployment, more than were tested.
        top: Largest queries to fit, at least 3.
        threshold: Elicitation probability for the forecast of a frequency, in (0, 1).
        confidence: Coverage of the interval.
        resamples: Bootstrap samples; their seed is fixed.

    Raises:
        ValueError: fewer than `top` tested queries with a probability above 0; those all
            alike; probabilities outside [0, 1) or nan; a deployment not larger than the
            test; a threshold or confidence outside (0, 1).
    """
    values = _checked_probabilities(probabilities, top)
    tested = len(values)
    if not tested < queries < math.inf:
        message = f"a forecast needs more than the {tested} tested queries, found {queries:g}"
        raise ValueError(message)
    if not (0.0 < threshold < 1.0 and 0.0 < confidence < 1.0) or resamples < 1:
        message = (
            "threshold and confidence lie in (0, 1) and resamples are at least 1, "
            f"found {threshold}, {confidence} and {resamples}"
        )
        raise ValueError(message)
    scores = _scores(np.sort(values)[::-1][:top])
    log_shares = _log_shares(top, tested)
    location, scale = _line(scores, log_shares)
    target = -math.log(queries)
    worst = float(location + scale * target)
    errors = _bootstrap_errors(log_shares, tested, queries, resamples)
    tail = (1.0 - confidence) / 2.0
    lower, upper = worst + abs(float(scale)) * np.quantile(errors, [tail, 1.0 - tail])
    frequency = math.exp(min(0.0, (float(_scores(np.array(threshold))) - location) / scale))
    return Forecast(
        _probability(worst), _probability(float(lower)), _probability(float(upper)),
        frequency, threshold, queries, tested, top,
    )  # fmt: skip


def _check_error_rate(error_rate: float) -> None:
    if not 0.0 < error_rate < 1.0:
        message = f"an error rate lies in (0, 1), found {error_rate}"
        raise ValueError(message)


def _checked_probabilities(probabilities: ArrayLike, top: int) -> Floats:
    values = np.asarray(probabilities, dtype=float)
    if values.ndim != 1 or not ((values >= 0.0) & (values < 1.0)).all():
        message = "elicitation probabilities need the shape tested, and lie in [0, 1)"
        raise ValueError(message)
    if top < _LEAST_TOP:
        message = f"a tail needs at least {_LEAST_TOP} queries, found top = {top}"
        raise ValueError(message)
    largest = np.sort(values)[::-1][:top]
    if len(largest) < top or largest[-1] <= 0.0:
        message = f"fewer than {top} tested queries have an elicitation probability above 0"
        raise ValueError(message)
    if largest[0] == largest[-1]:
        message = f"the {top} largest elicitation probabilities are all {largest[0]:g}"
        raise ValueError(message)
    return values


def _scores(probabilities: Floats) -> Floats:
    return -np.log(-np.log(probabilities))


def _probability(score: float) -> float:
    return math.exp(-math.exp(-score))


def _log_shares(top: int, tested: int) -> Floats:
    """Log share of queries at or above each of the largest, the largest first."""
    return np.log(np.arange(1, top + 1) / tested)


def _line(scores: Floats, log_shares: Floats) -> tuple[Floats, Floats]:
    """Score at log share 0, and scores per log share (below 0), both of shape [...].

    The regression is of log shares on scores, as in the paper, read backwards.

    Args:
        scores: Shape [..., top].
        log_shares: Shape [top].
    """
    centred = scores - scores.mean(axis=-1, keepdims=True)
    slope = centred @ (log_shares - log_shares.mean()) / np.square(centred).sum(axis=-1)
    scale = 1.0 / slope
    return scores.mean(axis=-1) - scale * log_shares.mean(), scale


def _bootstrap_errors(log_shares: Floats, tested: int, queries: float, resamples: int) -> Floats:
    """Realised less forecast worst score, in units of the refitted slope; [resamples].

    Drawn from the tail with score -log(share).
    """
    random = np.random.default_rng(_SEED)
    top = len(log_shares)
    # The k smallest of n uniform shares: partial sums of exponentials over their total.
    spacings = random.exponential(size=(resamples, top)).cumsum(axis=1)
    total = spacings[:, -1] + random.gamma(tested + 1 - top, size=resamples)
    location, scale = _line(-np.log(spacings / total[:, None]), log_shares)
    forecast = location - scale * math.log(queries)
    realised = -np.log(-np.expm1(-random.exponential(size=resamples) / queries))
    return (realised - forecast) / np.abs(scale)
