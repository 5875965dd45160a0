"""The ratified standard as data: framework, protocol parameters, policy, crosswalk.

`load` turns a packaged release into the objects of `model`; `schema` holds the
JSON Schemas of `spec/`. No threshold stands in code.
"""

from steelyard.standard.decision import (
    Attack,
    Awareness,
    Decision,
    HoldingBack,
    Plateau,
    Residual,
    Scaling,
    Trigger,
)
from steelyard.standard.indicator import (
    IMPORTED,
    Design,
    ElicitationRule,
    Indicator,
    SafeguardTest,
    Threshold,
)
from steelyard.standard.load import (
    CURRENT_RELEASE,
    load_release,
    read_release,
    release_from_content,
    releases,
)
from steelyard.standard.model import HIGHEST_LEVEL, Domain, Framework, Release, Rule
from steelyard.standard.schema import (
    check_schema,
    load_schema,
    require_schema,
    schema_names,
    spec_folder,
)

__all__ = [
    "CURRENT_RELEASE",
    "HIGHEST_LEVEL",
    "IMPORTED",
    "Attack",
    "Awareness",
    "Decision",
    "Design",
    "Domain",
    "ElicitationRule",
    "Framework",
    "HoldingBack",
    "Indicator",
    "Plateau",
    "Release",
    "Residual",
    "Rule",
    "SafeguardTest",
    "Scaling",
    "Threshold",
    "Trigger",
    "check_schema",
    "load_release",
    "load_schema",
    "read_release",
    "release_from_content",
    "releases",
    "require_schema",
    "schema_names",
    "spec_folder",
]
