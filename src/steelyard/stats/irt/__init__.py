"""Item response models on arrays: an item bank's parameters, its fit, its screening."""

from steelyard.stats.irt.ability import (
    Abilities,
    AbilityPosterior,
    AbilityPrior,
    ability_posterior,
    estimate_abilities,
)
from steelyard.stats.irt.bank import Calibration, ItemBank, ItemFit, Screening
from steelyard.stats.irt.fit import fit_1pl, fit_2pl
from steelyard.stats.irt.linking import Link, link_scales
from steelyard.stats.irt.prior import ItemPrior
from steelyard.stats.irt.screening import screen_items

__all__ = [
    "Abilities",
    "AbilityPosterior",
    "AbilityPrior",
    "Calibration",
    "ItemBank",
    "ItemFit",
    "ItemPrior",
    "Link",
    "Screening",
    "ability_posterior",
    "estimate_abilities",
    "fit_1pl",
    "fit_2pl",
    "link_scales",
    "screen_items",
]
