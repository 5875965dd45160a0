"""Means of many groups at once, with standard errors clustered by another key.

The error of a group's mean is the cluster-robust one, CR1: with S_c the sum of residuals of
cluster c, variance = C / (C - 1) * sum(S_c^2) / n^2 (Miller, Adding Error Bars to Evals,
2024, section 2.2; Cameron and Miller, Journal of Human Resources 50, 2015, section II). It
describes; a decision uses `clustered`, whose limits hold for small counts. Records are taken a
part at a time, so that memory grows with the number of groups times clusters alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_PART = 1 << 19
_MOST_CELLS = 1 << 23


class GroupedMeans(NamedTuple):
    """One row for each group, all of shape [groups].

    Attributes:
        mean: Mean score; nan for a group without a record.
        standard_error: Clustered; nan with fewer than two clusters.
        records: Records.
        clusters: Clusters that occur.
    """

    mean: Floats
    standard_error: Floats
    records: NDArray[np.int64]
    clusters: NDArray[np.int64]


def grouped_means(scores: ArrayLike, groups: ArrayLike, clusters: ArrayLike) -> GroupedMeans:
    """Means by group with clustered standard errors.

    Args:
        scores: Finite, shape [records].
        groups: Group of each record, a whole number from 0 on; same shape.
        clusters: Cluster of each record, likewise; clusters are told apart within a group.

    Raises:
        ValueError: shapes that differ, keys that are no whole numbers from 0 on, a score that
            is not finite, or more than 8 million pairs of group and cluster.
    """
    y, g, c = np.asarray(scores), np.asarray(groups), np.asarray(clusters)
    if not (y.ndim == 1 and y.shape == g.shape == c.shape):
        message = f"scores, groups and clusters are of shapes {y.shape}, {g.shape} and {c.shape}"
        raise ValueError(message)
    rows, columns = _size(g, "groups"), _size(c, "clusters")
    cells = rows * columns
    if cells > _MOST_CELLS:
        message = f"{rows} groups times {columns} clusters are {cells} cells; number clusters anew"
        raise ValueError(message)
    counts, sums = np.zeros(cells, dtype=np.int64), np.zeros(cells)
    for start in range(0, len(y), _PART):
        part = slice(start, start + _PART)
        values = y[part].astype(float)
        if not np.isfinite(values).all():
            message = "a score is not finite"
            raise ValueError(message)
        cell = g[part].astype(np.int64) * columns + c[part]
        counts += np.bincount(cell, minlength=cells)
        sums += np.bincount(cell, weights=values, minlength=cells)
    return _summarised(sums.reshape(rows, columns), counts.reshape(rows, columns))


def _size(keys: NDArray[np.generic], name: str) -> int:
    """One more than the largest key."""
    if len(keys) == 0:
        return 0
    if not np.issubdtype(keys.dtype, np.integer) or int(keys.min()) < 0:
        message = f"{name} are whole numbers from 0 on"
        raise ValueError(message)
    return int(keys.max()) + 1


def _summarised(sums: Floats, counts: NDArray[np.int64]) -> GroupedMeans:
    records, present = counts.sum(axis=1), (counts > 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums.sum(axis=1) / records
        residual = sums - counts * np.nan_to_num(mean)[:, None]
        variance = np.square(residual).sum(axis=1) * present / (present - 1.0) / np.square(records)
    error = np.where(present > 1, np.sqrt(variance), np.nan)
    return GroupedMeans(mean, error, records, present)
