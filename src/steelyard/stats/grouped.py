"""Means by group with errors clustered by another key, over very many records.

The estimator of variance is CR1 for a mean (Cameron and Miller, Journal of Human
Resources 50, 2015): residuals are summed within clusters, squared, and scaled by
C / (C - 1). For clusters of one size it is the numerator of the design effect in
`steelyard.stats.clustered`, before that one's floor. Records stream through in chunks:
memory grows with the pairs of group and cluster, not with the records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard.stats.coding import KeyTable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

_CHUNK = 1 << 19
_DENSE_PAIRS = 1 << 23
_MOST_KEYS = 1 << 31


@dataclass(frozen=True, slots=True, eq=False)
class GroupedMeans:
    """Mean of each group with its standard error; all arrays of shape [groups].

    Attributes:
        groups: Keys, sorted.
        records: Records n.
        clusters: Clusters C with any record.
        means: Mean values.
        standard_errors: CR1 standard errors of the means; nan with one cluster.
    """

    groups: NDArray[Any]
    records: Whole
    clusters: Whole
    means: Floats
    standard_errors: Floats


def grouped_means(values: ArrayLike, groups: ArrayLike, clusters: ArrayLike) -> GroupedMeans:
    """Mean of values by group, with standard errors clustered by another key.

    Args:
        values: Finite numbers, shape [records].
        groups: Integers or strings, shape [records].
        clusters: Integers or strings, shape [records]. The same cluster may have
            records of many groups.

    Raises:
        ValueError: no record, shapes that differ, a value that is not finite, or keys
            that are neither integers nor strings.
    """
    sums = GroupedSums()
    sums.add(values, groups, clusters)
    return sums.means()


class GroupedSums:
    """Sums for `grouped_means` of records that arrive in parts."""

    __slots__ = ("_clusters", "_groups", "_pairs")

    def __init__(self) -> None:
        self._groups, self._clusters, self._pairs = KeyTable(), KeyTable(), _PairSums()

    def add(self, values: ArrayLike, groups: ArrayLike, clusters: ArrayLike) -> None:
        """Add records; arguments and errors as `grouped_means`."""
        numbers, first, second = np.asarray(values), np.asarray(groups), np.asarray(clusters)
        if not numbers.ndim == first.ndim == second.ndim == 1 or not (
            len(numbers) == len(first) == len(second)
        ):
            message = (
                "values, groups and clusters need one shape records, found "
                f"{numbers.shape}, {first.shape} and {second.shape}"
            )
            raise ValueError(message)
        for start in range(0, len(numbers), _CHUNK):
            part = slice(start, start + _CHUNK)
            chunk = numbers[part].astype(float)
            if not np.isfinite(chunk).all():
                message = "a value is not finite"
                raise ValueError(message)
            self._pairs.add(
                self._groups.codes(first[part]), self._clusters.codes(second[part]), chunk
            )

    def means(self) -> GroupedMeans:
        """Means of all records so far.

        Raises:
            ValueError: there are none.
        """
        if not len(self._groups):
            message = "there is no record to average"
            raise ValueError(message)
        group, counts, sums = self._pairs.totals()
        size = len(self._groups)
        records = np.bincount(group, counts, size)
        means = np.bincount(group, sums, size) / records
        sums -= counts * means[group]
        squares = np.bincount(group, np.square(sums, out=sums), size)
        clusters = np.bincount(group, minlength=size)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.sqrt(squares * clusters / (clusters - 1.0)) / records
        errors[clusters < 2] = np.nan  # noqa: PLR2004 - one cluster does not show its own spread
        keys = self._groups.keys
        order = np.argsort(keys, kind="stable")
        whole = np.rint(records).astype(np.int64)
        return GroupedMeans(keys[order], whole[order], clusters[order], means[order], errors[order])


class _PairSums:
    """Count and sum of each pair of group and cluster codes.

    In tables of groups by clusters while these are small, then as sorted lists of pairs.
    """

    __slots__ = ("_counts", "_pairs", "_pending", "_sums", "_table")

    def __init__(self) -> None:
        self._table: tuple[Whole, Floats] | None = (
            np.zeros((0, 0), dtype=np.int64),
            np.zeros((0, 0)),
        )
        self._pairs = np.zeros(0, dtype=np.int64)
        self._counts, self._sums = np.zeros(0), np.zeros(0)
        self._pending: list[tuple[Whole, Floats, Floats]] = []

    def add(self, groups: Whole, clusters: Whole, values: Floats) -> None:
        """Add a chunk; codes below 2^31, all of shape [records]."""
        table = self._table_for(int(groups.max()) + 1, int(clusters.max()) + 1)
        if table is not None:
            codes = groups * table[0].shape[1] + clusters
            np.add.at(table[0].reshape(-1), codes, 1)
            np.add.at(table[1].reshape(-1), codes, values)
            return
        pairs, index = np.unique(groups * _MOST_KEYS + clusters, return_inverse=True)
        counts = np.bincount(index, minlength=len(pairs)).astype(float)
        self._pending.append((pairs, counts, _weighted_counts(index, values, len(pairs))))
        if sum(len(part[0]) for part in self._pending) > max(_CHUNK, len(self._pairs) // 2):
            self._merge()

    def totals(self) -> tuple[Whole, Floats, Floats]:
        """Group code, count and sum of each pair, all of shape [pairs]."""
        if self._table is not None:
            pairs, counts, sums = _listed(*self._table)
            return pairs // _MOST_KEYS, counts, sums
        self._merge()
        return self._pairs // _MOST_KEYS, self._counts, self._sums.copy()

    def _table_for(self, groups: int, clusters: int) -> tuple[Whole, Floats] | None:
        """The tables, at least so large; None once they would be too large."""
        if self._table is None:
            return None
        rows, columns = self._table[0].shape
        if groups <= rows and clusters <= columns:
            return self._table
        rows, columns = max(rows, groups), max(columns, clusters)
        if rows * columns > _DENSE_PAIRS:
            self._pending.append(_listed(*self._table))
            self._table = None
            return None
        # Room to spare, since sorted records bring new clusters with every chunk.
        columns = min(columns + columns // 2, _DENSE_PAIRS // rows)
        counts, sums = np.zeros((rows, columns), dtype=np.int64), np.zeros((rows, columns))
        known = self._table[0].shape
        counts[: known[0], : known[1]], sums[: known[0], : known[1]] = self._table
        self._table = (counts, sums)
        return self._table

    def _merge(self) -> None:
        parts = [(self._pairs, self._counts, self._sums), *self._pending]
        self._pending = []
        pairs, index = np.unique(np.concatenate([p[0] for p in parts]), return_inverse=True)
        self._counts = _weighted_counts(index, np.concatenate([p[1] for p in parts]), len(pairs))
        self._sums = _weighted_counts(index, np.concatenate([p[2] for p in parts]), len(pairs))
        self._pairs = pairs


def _listed(counts: Whole, sums: Floats) -> tuple[Whole, Floats, Floats]:
    """Pair, count and sum of the filled cells of two tables, each of shape [pairs]."""
    group, cluster = np.nonzero(counts)
    pairs = group * _MOST_KEYS + cluster
    return pairs, counts[group, cluster].astype(float), sums[group, cluster]


def _weighted_counts(codes: NDArray[np.intp], weights: Floats, size: int) -> Floats:
    """Sum of weights by code, shape [size]."""
    return np.bincount(codes, weights, size).astype(float, copy=False)
