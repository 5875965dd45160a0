"""Pure numbers on arrays: limits, horizons, item response models, sequential tests.

Knows nothing of records, levels or files. Two rooms: `irt` fits item banks,
`sequential` decides with few answers.
"""

from steelyard.stats.budget import CurvePoint, budget_curve, pass_at_k
from steelyard.stats.clustered import (
    Design,
    clustered_interval,
    design_effect,
    monotone_lower_limit,
    monotone_upper_limit,
)
from steelyard.stats.evalues import e_to_p, k_of_n_e_value, mean_e_value, product_e_value
from steelyard.stats.exact import clopper_pearson, lower_limit, upper_limit
from steelyard.stats.grouped import GroupedMeans, GroupedSums, grouped_means
from steelyard.stats.horizon_limit import Answers, horizon_lower_limit, horizon_upper_limit
from steelyard.stats.irt import (
    Abilities,
    AbilityPosterior,
    AbilityPrior,
    ItemBank,
    ItemPrior,
    Link,
    ability_posterior,
    estimate_abilities,
    fit_1pl,
    fit_2pl,
    link_scales,
    screen_items,
)
from steelyard.stats.judges import Estimate, JudgeErrors, judged_rate, powered_mean
from steelyard.stats.logistic import HorizonFit, fit_horizon
from steelyard.stats.rare import Forecast, forecast_worst_query, required_trials, zero_event_limit
from steelyard.stats.roc import Area, area_under_curve
from steelyard.stats.sequential import (
    Certification,
    Certifier,
    DrawLogError,
    Ladder,
    Screening,
    Wager,
    certify_score,
    screen_score,
    verify_draws,
)
from steelyard.stats.special import expit, logit, normal_quantile, t_cdf

__all__ = [
    "Abilities",
    "AbilityPosterior",
    "AbilityPrior",
    "Answers",
    "Area",
    "Certification",
    "Certifier",
    "CurvePoint",
    "Design",
    "DrawLogError",
    "Estimate",
    "Forecast",
    "GroupedMeans",
    "GroupedSums",
    "HorizonFit",
    "ItemBank",
    "ItemPrior",
    "JudgeErrors",
    "Ladder",
    "Link",
    "Screening",
    "Wager",
    "ability_posterior",
    "area_under_curve",
    "budget_curve",
    "certify_score",
    "clopper_pearson",
    "clustered_interval",
    "design_effect",
    "e_to_p",
    "estimate_abilities",
    "expit",
    "fit_1pl",
    "fit_2pl",
    "fit_horizon",
    "forecast_worst_query",
    "grouped_means",
    "horizon_lower_limit",
    "horizon_upper_limit",
    "judged_rate",
    "k_of_n_e_value",
    "link_scales",
    "logit",
    "lower_limit",
    "mean_e_value",
    "monotone_lower_limit",
    "monotone_upper_limit",
    "normal_quantile",
    "pass_at_k",
    "powered_mean",
    "product_e_value",
    "required_trials",
    "screen_items",
    "screen_score",
    "t_cdf",
    "upper_limit",
    "verify_draws",
    "zero_event_limit",
]
