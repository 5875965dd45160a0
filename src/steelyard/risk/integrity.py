"""From findings about evidence to conditions of a determination.

Decides what integrity does to a level: a blocking finding leaves the determination
presumptive at best, whatever the numbers say; warnings and notes travel along. The
checks themselves stand in `evidence.integrity` and `risk.banks.person_fit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from steelyard.evidence.integrity import Finding, Severity, Shape, decisive_findings, ordered
from steelyard.risk.measurement import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from steelyard.evidence import Evidence
    from steelyard.standard import Release

CODE_PREFIX = "integrity_"


def protocol_shapes(release: Release) -> dict[str, Shape]:
    """What the samples of the standard's protocols can look like: their arms, pass or fail."""
    return {
        f"{name}@{value['version']}": Shape(frozenset(cast("list[str]", value["arms"])), 1)
        for name, value in release.protocols.items()
    }


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


def record_conditions(evidence: Evidence, shapes: Mapping[str, Shape]) -> tuple[Condition, ...]:
    """Conditions that one model's records bring themselves, from what a passport carries.

    Args:
        evidence: Records of one model.
        shapes: What protocols allow, by `protocol@version`.
    """
    findings = decisive_findings(evidence, shapes)
    return integrity_conditions(findings, next(iter(evidence.values("model")), ""))
