"""Item fit: mean squares of residuals at the models' posterior mean abilities.

Infit and outfit after Wright and Masters (Rating Scale Analysis, 1982, chapter 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.irt.bank import ItemFit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.stats.irt.bank import ItemBank

    Floats = NDArray[np.float64]

_CHUNK_ITEMS = 1024
_LEAST_VARIANCE = 1e-9


def residual_squares(scores: Floats, ability: Floats, bank: ItemBank) -> ItemFit:
    """Infit and outfit of each item.

    Args:
        scores: Scores in [0, 1], nan where missing; shape [models, items].
        ability: Abilities, shape [models].
        bank: The items.
    """
    infit, outfit = np.empty(len(bank)), np.empty(len(bank))
    for start in range(0, len(bank), _CHUNK_ITEMS):
        part = slice(start, start + _CHUNK_ITEMS)
        share = bank.subset(np.arange(len(bank))[part]).probabilities(ability)
        seen = ~np.isnan(scores[:, part])
        variance = np.where(seen, share * (1.0 - share), 0.0)
        squares = np.square(np.where(seen, scores[:, part] - share, 0.0))
        information = variance.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = squares.sum(axis=0) / information
        infit[part] = np.where(information > 0.0, ratio, np.nan)
        standardised = squares / np.maximum(variance, _LEAST_VARIANCE)
        outfit[part] = standardised.sum(axis=0) / seen.sum(axis=0)
    return ItemFit(infit, outfit)
