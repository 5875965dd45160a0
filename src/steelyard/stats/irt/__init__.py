"""Item response models: banks of items, their fit, and abilities of models on their scale.

P(success) = sigmoid(discrimination * theta + intercept). Start at `fit`; equations,
defaults and measured errors: docs/reference/item-response-models.md.
"""

from steelyard.stats.irt.ability import Abilities, estimate_abilities
from steelyard.stats.irt.bank import Calibration, ItemBank, ItemFit, Screening
from steelyard.stats.irt.fit import fit_1pl, fit_2pl
from steelyard.stats.irt.linking import Link, link
from steelyard.stats.irt.screening import Slopes, free_slopes, screen_items

__all__ = [
    "Abilities",
    "Calibration",
    "ItemBank",
    "ItemFit",
    "Link",
    "Screening",
    "Slopes",
    "estimate_abilities",
    "fit_1pl",
    "fit_2pl",
    "free_slopes",
    "link",
    "screen_items",
]
