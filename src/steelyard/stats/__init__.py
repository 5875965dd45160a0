"""Pure numbers on arrays: exact and clustered limits, horizons.

Knows nothing of records, levels or files. Sequential and adaptive designs
belong here too, as further modules of functions on arrays.
"""

from steelyard.stats.budget import CurvePoint, budget_curve, pass_at_k
from steelyard.stats.clustered import (
    Design,
    clustered_interval,
    design_effect,
    monotone_lower_limit,
    monotone_upper_limit,
)
from steelyard.stats.exact import clopper_pearson, lower_limit, upper_limit
from steelyard.stats.horizon_limit import Answers, horizon_lower_limit, horizon_upper_limit
from steelyard.stats.irt import (
    Abilities,
    AbilityPosterior,
    AbilityPrior,
    ItemBank,
    ItemPrior,
    ability_posterior,
    estimate_abilities,
    fit_1pl,
    fit_2pl,
    screen_items,
)
from steelyard.stats.judges import Estimate, JudgeErrors, judged_rate, powered_mean
from steelyard.stats.logistic import HorizonFit, fit_horizon
from steelyard.stats.roc import Area, area_under_curve
from steelyard.stats.special import expit, logit, normal_quantile, t_cdf

__all__ = [
    "Abilities",
    "AbilityPosterior",
    "AbilityPrior",
    "Answers",
    "Area",
    "CurvePoint",
    "Design",
    "Estimate",
    "HorizonFit",
    "ItemBank",
    "ItemPrior",
    "JudgeErrors",
    "ability_posterior",
    "area_under_curve",
    "budget_curve",
    "clopper_pearson",
    "clustered_interval",
    "design_effect",
    "estimate_abilities",
    "expit",
    "fit_1pl",
    "fit_2pl",
    "fit_horizon",
    "horizon_lower_limit",
    "horizon_upper_limit",
    "judged_rate",
    "logit",
    "lower_limit",
    "monotone_lower_limit",
    "monotone_upper_limit",
    "normal_quantile",
    "pass_at_k",
    "powered_mean",
    "screen_items",
    "t_cdf",
    "upper_limit",
]
