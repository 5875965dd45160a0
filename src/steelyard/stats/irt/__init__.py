"""Item response models on arrays: an item bank's parameters, its fit, its screening."""

from steelyard.stats.irt.bank import Calibration, ItemBank, ItemFit, Screening
from steelyard.stats.irt.fit import fit_2pl
from steelyard.stats.irt.screening import screen_items

__all__ = ["Calibration", "ItemBank", "ItemFit", "Screening", "fit_2pl", "screen_items"]
