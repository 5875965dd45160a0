"""Response matrices: what may be fitted, and the products an EM step needs of them.

Models are rows, items columns, nan is missing. Items that the same models answered
lie in one block without any mask, so block-missing designs cost what was observed;
with more patterns than that, chunks of items carry a mask. The likelihood is of the
exponential family: scores enter by two sums only, whatever the number of nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats.irt.quadrature import log_odds, log_partition, sigmoid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from steelyard.stats.irt.quadrature import Grid

    Floats = NDArray[np.float64]

_MOST_PATTERNS = 64
_CHUNK_ITEMS = 1024


def check_responses(responses: ArrayLike) -> Floats:
    """Responses as a float array [models, items]; one row alone becomes [1, items].

    Raises:
        ValueError: not one row or a matrix, an infinite score, or one outside [0, 1].
    """
    scores = np.atleast_2d(np.asarray(responses, dtype=float))
    if scores.ndim != 2 or scores.size == 0:  # noqa: PLR2004 - models by items
        shape = "x".join(str(n) for n in scores.shape)
        message = f"responses need the shape models x items, none of them 0, found {shape}"
        raise ValueError(message)
    if np.isinf(scores).any():
        message = "a response is infinite; only nan stands for a missing one"
        raise ValueError(message)
    low, high = np.fmin.reduce(scores, axis=None), np.fmax.reduce(scores, axis=None)
    if low < 0.0 or high > 1.0:
        message = f"responses lie in [0, 1], found {low:g} to {high:g}"
        raise ValueError(message)
    return scores


def check_fittable(responses: ArrayLike) -> Floats:
    """Responses that item parameters can be estimated from.

    Raises:
        ValueError: as `check_responses`; fewer than two models or items; a model or an
            item without any response.
    """
    scores = check_responses(responses)
    if min(scores.shape) < 2:  # noqa: PLR2004 - neither scale nor difficulty would be known
        models, items = scores.shape
        message = f"a fit needs at least 2 models and 2 items, found {models} and {items}"
        raise ValueError(message)
    observed = ~np.isnan(scores)
    for axis, name in ((1, "model"), (0, "item")):
        empty = np.flatnonzero(~observed.any(axis=axis))
        if len(empty):
            message = f"{len(empty)} {name}s without any response, the first is {name} {empty[0]}"
            raise ValueError(message)
    return scores


class Block(NamedTuple):
    """Some items and the models that answered any of them.

    Attributes:
        items: Columns, shape [block items].
        models: Rows, shape [block models].
        scores: Scores, 0 where missing; shape [block models, block items].
        observed: 1 where observed, 0 where not, same shape; None where all is.
    """

    items: NDArray[np.intp]
    models: NDArray[np.intp]
    scores: Floats
    observed: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class ResponseMatrix:
    """A checked response matrix, cut into blocks."""

    models: int
    items: int
    blocks: tuple[Block, ...]

    @classmethod
    def from_scores(cls, scores: Floats) -> ResponseMatrix:
        """Cut checked scores [models, items] into blocks by their missing patterns."""
        observed = ~np.isnan(scores)
        blocks = tuple(_block(scores, observed, items) for items in _groups(observed))
        return cls(scores.shape[0], scores.shape[1], blocks)

    def item_sums(self, weights: Floats) -> Floats:
        """Sum of weight times score over models; weights [models], result [items]."""
        sums = np.empty(self.items)
        for block in self.blocks:
            sums[block.items] = weights[block.models] @ block.scores
        return sums

    def expected_counts(self, weights: Floats) -> Floats:
        """Expected models at each ability that answered each item.

        Args:
            weights: Weights of abilities for each model, shape [models, abilities].

        Returns:
            Shape [abilities, items].
        """
        counts = np.empty((weights.shape[1], self.items))
        for block in self.blocks:
            rows = weights[block.models]
            whole = rows.sum(axis=0)[:, None] if block.observed is None else rows.T @ block.observed
            counts[:, block.items] = whole
        return counts

    def log_likelihoods(self, grid: Grid, slope: Floats, intercept: Floats) -> Floats:
        """Log likelihood of each model at each node, shape [models, nodes]."""
        total = np.zeros((self.models, len(grid.nodes)))
        for block in self.blocks:
            a, d = slope[block.items], intercept[block.items]
            partition = log_partition(log_odds(grid.knots, a, d))
            linear = np.outer(block.scores @ a, grid.nodes) + (block.scores @ d)[:, None]
            if block.observed is None:
                linear -= grid.at_nodes(partition.sum(axis=1))
            else:
                linear -= grid.at_nodes(block.observed @ partition.T)
            total[block.models] += linear
        return total

    def information(self, ability: Floats, slope: Floats, intercept: Floats) -> Floats:
        """Fisher information of each model's answers at its own ability, shape [models]."""
        total = np.zeros(self.models)
        for block in self.blocks:
            a, d = slope[block.items], intercept[block.items]
            share = sigmoid(log_odds(ability[block.models], a, d))
            share *= 1.0 - share
            if block.observed is not None:
                share *= block.observed
            total[block.models] += share @ np.square(a)
        return total


def _groups(observed: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Items by missing pattern, or in chunks where there are too many patterns."""
    packed = np.ascontiguousarray(np.packbits(observed, axis=0).T)
    patterns, index = np.unique(packed, axis=0, return_inverse=True)
    order = np.argsort(index.ravel(), kind="stable")
    if len(patterns) > _MOST_PATTERNS:
        return [order[start : start + _CHUNK_ITEMS] for start in range(0, len(order), _CHUNK_ITEMS)]
    return np.split(order, np.cumsum(np.bincount(index.ravel()))[:-1])


def _block(scores: Floats, observed: NDArray[np.bool_], items: NDArray[np.intp]) -> Block:
    mask = observed[:, items]
    models = np.flatnonzero(mask.any(axis=1))
    mask = mask[models]
    filled = np.where(mask, scores[np.ix_(models, items)], 0.0)
    return Block(items, models, filled, None if mask.all() else mask.astype(float))
