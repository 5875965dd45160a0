"""Binomial limits for samples drawn in clusters (templates).

Korn and Graubard's limits (Survey Methodology 24, 1998): Clopper-Pearson at
an effective sample size n / deff, with a t correction for the number of
clusters. The design effect is estimated and never taken below
1 + (m - 1) * rho, where rho is an assumed least correlation.

`monotone_upper_limit` adds what a decision needs and an interval does not:
turning a sample into an event never lowers it. It is the largest
Korn-Graubard limit over all sets of events contained in the observed ones.
Derivation: docs/explanation/decision-rule.md, section Monotone limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.exact import exceeds, lower_limit, upper_limit
from steelyard.stats.special import t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXACT_COUNTS = 64
_BIN_RATIO = 1.02


@dataclass(frozen=True, slots=True)
class Design:
    """How many samples were planned, in how many clusters.

    Attributes:
        samples: Number of samples n.
        clusters: Number of clusters C, at least 2.
        correlation_floor: Least intracluster correlation assumed.
        repeats: Samples per item; repeats of an item are taken as fully correlated.
    """

    samples: int
    clusters: int
    correlation_floor: float
    repeats: int = 1

    @property
    def least_effect(self) -> float:
        """Design effect at the correlation floor: at least 1, and at least the repeats."""
        items = self.samples / self.repeats / self.clusters
        return self.repeats * max(1.0, 1.0 + (items - 1.0) * self.correlation_floor)

    def effective_samples(self, effect: float, error_rate: float) -> float:
        """Effective sample size at a design effect, for a one-sided error rate."""
        small = t_quantile(1.0 - error_rate, max(1, self.samples - 1))
        large = t_quantile(1.0 - error_rate, max(1, self.clusters - 1))
        return min(float(self.samples), self.samples / effect * (small / large) ** 2)


def design_effect(events: NDArray[np.int_], design: Design) -> float:
    """Estimated design effect, floored.

    Args:
        events: Events per cluster, shape [clusters]; absent clusters count as 0.
        design: The design the events came from.
    """
    total = int(events.sum())
    squares = float(np.square(events.astype(float)).sum())
    return float(_effects(np.array([total]), np.array([squares]), design)[0])


def clustered_interval(
    events: NDArray[np.int_], design: Design, confidence: float
) -> tuple[float, float]:
    """Two-sided Korn-Graubard interval of a rate.

    Args:
        events: Events per cluster, shape [clusters].
        design: Samples and clusters actually observed.
        confidence: Coverage probability.
    """
    if design.samples == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    trials = design.effective_samples(design_effect(events, design), tail)
    share = float(events.sum()) / design.samples
    return lower_limit(share * trials, trials, tail), upper_limit(share * trials, trials, tail)


def monotone_upper_limit(events: NDArray[np.int_], design: Design, error_rate: float) -> float:
    """Largest Korn-Graubard upper limit over all subsets of the events.

    Never decreases when an event is added anywhere, or moved to a cluster that
    has at least as many. Counts above 64 are grouped in bins of 2 %, each taken
    at its worst corner, so that the cost does not grow with the sample.

    Args:
        events: Events per cluster, shape [at most clusters].
        design: The planned design; `design.samples` is the denominator.
        error_rate: One-sided error rate.
    """
    total = int(events.sum())
    if total >= design.samples:
        return 1.0
    counts = np.arange(1, total + 1)
    effects = _effects(counts, _concentrated_squares(events), design)
    corners = [(0, design.least_effect)]
    for start, stop in pairwise(_bin_edges(total)):
        corners.append((stop, float(effects[start:stop].max())))
    largest = 0.0
    for count, trials in _frontier(corners, design, error_rate):
        events_effective = count / design.samples * trials
        # One distribution value tells whether a corner can exceed what was found;
        # solving for its own limit takes about seventeen.
        if not exceeds(largest, events_effective, trials, error_rate):
            continue
        largest = upper_limit(events_effective, trials, error_rate)
    return largest


def monotone_lower_limit(events: NDArray[np.int_], design: Design, error_rate: float) -> float:
    """Mirror image of `monotone_upper_limit`: removing an event never raises it.

    Args:
        events: *Non-events* per cluster, shape [at most clusters].
        design: The planned design.
        error_rate: One-sided error rate.
    """
    return 1.0 - monotone_upper_limit(events, design, error_rate)


def _effects(
    counts: NDArray[np.int_], squares: NDArray[np.float64], design: Design
) -> NDArray[np.float64]:
    """Design effects for event counts and sums of squared cluster counts, floored."""
    n, clusters = design.samples, design.clusters
    if clusters < 2:  # noqa: PLR2004 - one cluster carries no information on its own spread
        return np.full(len(counts), float(n))
    variance = clusters / (clusters - 1) * (squares - counts**2 / clusters)
    independent = counts * (1.0 - counts / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(independent > 0, variance / independent, 1.0)
    return np.maximum(ratio, design.least_effect)


def _concentrated_squares(events: NDArray[np.int_]) -> NDArray[np.float64]:
    """Largest sum of squared cluster counts of any k of the events, for k = 1..total.

    Squares are convex, so the maximum fills the largest clusters first.
    """
    sizes: list[int] = np.sort(events)[::-1].tolist()
    steps = [np.arange(1, size + 1, dtype=np.float64) for size in sizes if size > 0]
    if not steps:
        return np.zeros(0)
    return np.cumsum(np.concatenate([2.0 * step - 1.0 for step in steps]))


def _bin_edges(total: int) -> list[int]:
    """Ends of the count bins up to `total`; they do not depend on the data below it."""
    edges = list(range(min(total, _EXACT_COUNTS) + 1))
    while edges[-1] < total:
        edges.append(min(total, max(edges[-1] + 1, math.floor(edges[-1] * _BIN_RATIO))))
    return edges


def _frontier(
    corners: list[tuple[int, float]], design: Design, error_rate: float
) -> list[tuple[int, float]]:
    """Corners that no other one with more events and fewer effective samples dominates."""
    kept: list[tuple[int, float]] = []
    largest_effect = 0.0
    for count, effect in reversed(corners):
        if effect > largest_effect:
            largest_effect = effect
            kept.append((count, design.effective_samples(effect, error_rate)))
    return kept
