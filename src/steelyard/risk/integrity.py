"""From findings about evidence to conditions of a determination.

Decides what integrity does to a level: a blocking finding leaves the determination
presumptive at best, whatever the numbers say; warnings and notes travel along. The
checks themselves stand in `evidence.integrity` and `risk.person_fit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.evidence.integrity import Finding, Severity, ordered
from steelyard.risk.measurement import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable

CODE_PREFIX = "integrity_"


def integrity_conditions(findings: Iterable[Finding], model: str) -> tuple[Condition, ...]:
    """One condition per finding about a model, or about all, the gravest first.

    Notes are left out: they describe evidence, they do not limit a claim.

    Args:
        findings: What checks of the evidence saw.
        model: The model that is determined.
    """
    about = [f for f in findings if not f.models or model in f.models]
    return tuple(
        Condition(f"{CODE_PREFIX}{f.code}", f.text, blocks=f.blocks)
        for f in ordered(about)
        if f.severity is not Severity.NOTE
    )
