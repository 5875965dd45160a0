"""Rare events: what few or no successes bound, and what their best scores foretell.

A bound needs independent trials and nothing else. A forecast continues the tail of
scores beyond what was seen; it is a model's guess and no bound of anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.exact import upper_limit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_LEAST_TAIL = 5
_RESAMPLES = 1000
_INTERVAL = (0.025, 0.975)


def rule_of_three(trials: int) -> float:
    """Upper 95 % limit of a rate after no event, min(1, 3 / n) (Hanley and Lippman-Hand 1983).

    Raises:
        ValueError: fewer than one trial.
    """
    if trials < 1:
        message = f"{trials} trials bound nothing"
        raise ValueError(message)
    return min(1.0, 3.0 / trials)


def trials_needed(rate: float, error_rate: float, events: int = 0) -> int:
    """Fewest independent trials whose upper limit lies below a rate after so many events.

    Args:
        rate: Strictly between 0 and 1.
        error_rate: One-sided, strictly between 0 and 1.
        events: Events that may occur.

    Raises:
        ValueError: an argument outside its range.
    """
    if not (0.0 < rate < 1.0 and 0.0 < error_rate < 1.0 and events >= 0):
        message = f"no number of trials for rate {rate:g}, error {error_rate:g}, {events} events"
        raise ValueError(message)
    if events == 0:
        return _first_below(
            rate, error_rate, events, math.ceil(math.log(error_rate) / math.log1p(-rate))
        )
    most = events + 1
    while upper_limit(events, most, error_rate) >= rate:
        most *= 2
    return _first_below(rate, error_rate, events, most)


def _first_below(rate: float, error_rate: float, events: int, enough: int) -> int:
    """Bisect for the first number of trials that suffices; `enough` nearly or wholly does."""
    while upper_limit(events, enough, error_rate) >= rate:
        enough += 1
    low = events
    while enough - low > 1:
        middle = (low + enough) // 2
        if upper_limit(events, middle, error_rate) < rate:
            enough = middle
        else:
            low = middle
    return enough


@dataclass(frozen=True, slots=True)
class TailForecast:
    """A forecast of the largest success probability among many requests; never a bound.

    Attributes:
        requests: Requests that the forecast is for.
        largest: Forecast of the largest success probability among them.
        interval: Central 95 % of resampled forecasts: the spread of the fit, not of the world.
        any_success: Forecast of the probability that at least one of them succeeds.
        tail: Highest scores that the line was fitted to.
        sampled: Requests that were scored.
        label: Always `forecast`.
    """

    requests: int
    largest: float
    interval: tuple[float, float]
    any_success: float
    tail: int
    sampled: int
    label: str = "forecast"


def forecast_tail(
    probabilities: ArrayLike, requests: int, *, tail: int | None = None, seed: int = 0
) -> TailForecast:
    """Continue the upper tail of success probabilities to a volume of requests.

    With psi = -log(-log p), a light upper tail makes log of the survival function linear in
    psi (Gumbel; Jones et al., Forecasting Rare Language Model Behaviors, 2025, section 3).
    The line is fitted by least squares to the highest scores at the plotting positions
    k / n, and read off at 1 / requests.

    Args:
        probabilities: Success probability of each scored request, strictly between 0 and 1;
            shape [requests scored].
        requests: Volume to forecast for, at least as many as were scored.
        tail: Highest scores to fit; a tenth of all, from 5 on, by default.
        seed: Seed of the resampling.

    Raises:
        ValueError: fewer than ten scores, one outside (0, 1), too short a tail, equal
            scores in the tail, or a smaller volume than was scored.
    """
    scores = np.sort(np.asarray(probabilities, dtype=float).ravel())[::-1]
    count = len(scores)
    used = max(_LEAST_TAIL, count // 10) if tail is None else tail
    _require_tail(scores, requests, used)
    largest = _largest(scores[:used], count, requests)
    random = np.random.default_rng(seed)
    resampled = np.array([
        _largest(np.sort(random.choice(scores, count))[::-1][:used], count, requests)
        for _ in range(_RESAMPLES)
    ])  # fmt: skip
    low, high = np.nanquantile(resampled, _INTERVAL)
    return TailForecast(
        requests=requests,
        largest=largest,
        interval=(float(low), float(high)),
        any_success=_any_success(scores, largest, requests),
        tail=used,
        sampled=count,
    )


def _require_tail(scores: Floats, requests: int, used: int) -> None:
    count = len(scores)
    problem = ""
    if count < 2 * _LEAST_TAIL:
        problem = f"{count} scores are too few to continue, 10 are the least"
    elif not ((scores > 0.0) & (scores < 1.0)).all():
        problem = "success probabilities lie strictly between 0 and 1"
    elif not _LEAST_TAIL <= used <= count:
        problem = f"a tail of {used} cannot be fitted, it has {_LEAST_TAIL} to {count} scores"
    elif requests < count:
        problem = f"a forecast goes beyond the {count} requests scored, not back to {requests}"
    elif scores[0] == scores[used - 1]:
        problem = "the highest scores are all equal: they show no tail"
    if problem:
        raise ValueError(problem)


def _largest(tail: Floats, count: int, requests: int) -> float:
    """The success probability that one of `requests` is forecast to reach."""
    psi = -np.log(-np.log(tail))
    survival = np.log(np.arange(1, len(tail) + 1) / count)
    spread = psi - psi.mean()
    if not float(spread @ spread) > 0.0:
        return math.nan
    slope = float(spread @ survival) / float(spread @ spread)
    if slope >= 0.0:
        return math.nan
    at = float(psi.mean()) + (-math.log(requests) - float(survival.mean())) / slope
    return math.exp(-math.exp(-at))


def _any_success(scores: Floats, largest: float, requests: int) -> float:
    """At least one success: of the requests like those scored, and of the forecast largest."""
    ordinary = float(np.log1p(-scores).mean()) * (requests - 1)
    return 1.0 - math.exp(ordinary) * (1.0 - largest)
