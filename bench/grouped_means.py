"""Ten million records: group means with clustered errors, against pandas-style sorting in numpy.

    python bench/grouped_means.py

Targets: 3 s and 300 MB beyond the records. The peer in the same run sorts the records by group and
cluster and sums runs of equal keys (`numpy.lexsort`, `numpy.add.reduceat`), which is what a
data frame's grouping does.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from steelyard.stats import grouped_means

RECORDS, GROUPS, CLUSTERS = 10_000_000, 60, 2000
SECONDS, MEGABYTES = 3.0, 300.0


def by_sorting(scores: np.ndarray, groups: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Clustered standard errors by sorting, shape [groups]."""
    order = np.lexsort((clusters, groups))
    g, c, y = groups[order], clusters[order], scores[order].astype(float)
    starts = np.flatnonzero(np.r_[True, (np.diff(g) != 0) | (np.diff(c) != 0)])
    sums, counts = np.add.reduceat(y, starts), np.diff(np.r_[starts, len(y)])
    owner = g[starts]
    n = np.bincount(owner, counts)
    mean = np.bincount(owner, sums) / n
    squares = np.bincount(owner, (sums - counts * mean[owner]) ** 2)
    cells = np.bincount(owner)
    return np.sqrt(squares * cells / (cells - 1)) / n


def peak() -> float:
    """Largest resident memory so far, megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> int:
    """Measure, print, and fail above a target or where the two disagree."""
    random = np.random.default_rng(0)
    scores = (random.random(RECORDS, dtype=np.float32) < 0.3).astype(np.float32)  # noqa: PLR2004
    groups = random.integers(0, GROUPS, RECORDS, dtype=np.int32)
    clusters = random.integers(0, CLUSTERS, RECORDS, dtype=np.int32)
    before, begun = peak(), time.perf_counter()
    found = grouped_means(scores, groups, clusters)
    seconds, memory = time.perf_counter() - begun, peak() - before
    begun = time.perf_counter()
    theirs = by_sorting(scores, groups, clusters)
    peer_seconds, peer_memory = time.perf_counter() - begun, peak() - before
    agree = bool(np.allclose(found.standard_error, theirs))
    print(
        f"ours {seconds:.2f} s, {memory:.0f} MB; sorting {peer_seconds:.2f} s, "
        f"{peer_memory:.0f} MB; ratio {seconds / peer_seconds:.2f}; agree: {agree}"
    )
    return 0 if agree and seconds <= SECONDS and memory <= MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())
