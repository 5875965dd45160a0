"""Circumstances: what about a run limits the claim, beside what was measured.

Each function looks at one circumstance (date, plan, import, foreign records,
undeclared repeats) and says it as conditions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel import days_after
from steelyard.risk.measurement import Condition
from steelyard.risk.selection import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.risk.measurement import Measurement
    from steelyard.risk.selection import Question
    from steelyard.standard import Indicator


def time_conditions(question: Question) -> tuple[Condition, ...]:
    """Whether the evidence is too old for the date asked about, or younger than it."""
    plan, limit = question.plan, question.framework.decision.evidence_max_age_days
    if plan is None:
        return ()
    if plan.created > question.as_of:
        text = "The evidence is dated after the date asked about; it does not count."
        return (Condition("future_evidence", text),)
    if days_after(plan.created, limit) < question.as_of:
        text = f"The evidence is older than {limit} days; it does not count."
        return (Condition("expired_evidence", text),)
    return ()


def plan_conditions(question: Question) -> tuple[Condition, ...]:
    """Whether a signed plan says what should be there."""
    if question.plan is not None:
        return ()
    text = (
        "No signed run-intent comes with this evidence: whether results were left out, and how "
        "old it is, cannot be checked."
    )
    return (Condition("no_plan", text),)


def import_conditions(measurements: Sequence[Measurement]) -> tuple[Condition, ...]:
    """Whether results existed before any intent was signed."""
    if not any(m.indicator.protocol == IMPORTED and m.observed for m in measurements):
        return ()
    text = (
        "The results were imported: they existed before any intent was signed, so whether some "
        "were left out cannot be checked."
    )
    return (Condition("imported", text),)


def protocol_conditions(indicator: Indicator, left_out: int) -> tuple[Condition, ...]:
    """Records of another protocol or version, which do not count."""
    if left_out == 0:
        return ()
    wanted = f"{indicator.protocol}@{indicator.protocol_version}"
    text = f"{left_out} records were left out: the indicator is measured by {wanted} only."
    return (Condition("other_protocol", text, blocks=False),)


def repeat_conditions(left_out: int) -> tuple[Condition, ...]:
    """Repeats that no plan declares, which do not count."""
    if left_out == 0:
        return ()
    text = f"{left_out} repeats of items were left out: no plan declares them."
    return (Condition("undeclared_repeats", text, blocks=False),)
