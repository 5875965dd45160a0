"""Pure numbers on arrays: exact and clustered limits, horizons.

Knows nothing of records, levels or files. Sequential and adaptive designs
belong here too, as further modules of functions on arrays.
"""

from steelyard.stats.clustered import (
    Design,
    clustered_interval,
    design_effect,
    monotone_lower_limit,
    monotone_upper_limit,
)
from steelyard.stats.exact import clopper_pearson, lower_limit, upper_limit
from steelyard.stats.horizon_limit import Answers, horizon_lower_limit, horizon_upper_limit
from steelyard.stats.logistic import HorizonFit, fit_horizon
from steelyard.stats.special import expit, logit, normal_quantile, t_cdf

__all__ = [
    "Answers",
    "Design",
    "HorizonFit",
    "clopper_pearson",
    "clustered_interval",
    "design_effect",
    "expit",
    "fit_horizon",
    "horizon_lower_limit",
    "horizon_upper_limit",
    "logit",
    "lower_limit",
    "monotone_lower_limit",
    "monotone_upper_limit",
    "normal_quantile",
    "t_cdf",
    "upper_limit",
]
