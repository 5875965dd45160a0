"""Names of further arms: `<arm>~<use>`, played or derived to check the arm itself.

They never enter an indicator. `spec/evidence-record.md`, section Further arms,
says what each holds; the tilde cannot occur in a protocol's own arms.
"""

from __future__ import annotations

from typing import Final

SEPARATOR: Final = "~"
TEST: Final = "test"
"""The same item with a notice that this is a test."""
NEUTRAL: Final = "neutral"
"""The same item with a neutral notice of equal length."""
PLAIN: Final = "plain"
"""The same item at elicitation E1, in a run of more effort."""
NOISE: Final = "noise"
"""The same item with noise in the model's weights."""
FIRST: Final = "first"
"""The outcome after the first try of a sample of several."""
HALF: Final = "half"
"""The outcome after the first half of the tries, or of the budget of a timed task."""
QUARTER: Final = "quarter"
"""The outcome after the first quarter of the budget of a timed task."""
DERIVED: Final = frozenset({FIRST, HALF})
"""Uses whose records follow from samples of the arm itself."""


def further(arm: str, use: str) -> str:
    """Name of the further arm of `arm` for a use."""
    return f"{arm}{SEPARATOR}{use}"


def base_arm(arm: str) -> str:
    """The protocol's own arm behind a name."""
    return arm.partition(SEPARATOR)[0]


def use_of(arm: str) -> str:
    """What a further arm is for; empty for a protocol's own arm."""
    return arm.partition(SEPARATOR)[2]
