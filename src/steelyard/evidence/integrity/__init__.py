"""Integrity of evidence: what honest records do not look like.

`headline` holds a reported score against its items, `patterns` looks for responses that
cannot occur, `items` for exchanged identifiers and copied repeats, `duplicates` for one
log under two names. Checks that need an item bank stand in `risk.banks.person_fit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.evidence.integrity.duplicates import (
    anchor_findings,
    response_findings,
    transcript_findings,
)
from steelyard.evidence.integrity.findings import Finding, Severity, ordered
from steelyard.evidence.integrity.headline import Headline, headline_findings
from steelyard.evidence.integrity.items import identity_findings, repeat_findings
from steelyard.evidence.integrity.patterns import (
    Shape,
    meter_findings,
    pair_findings,
    shape_findings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.evidence.table import Evidence

__all__ = [
    "Finding",
    "Headline",
    "Severity",
    "Shape",
    "decisive_findings",
    "headline_findings",
    "ordered",
    "record_findings",
]


def decisive_findings(
    evidence: Evidence, shapes: Mapping[str, Shape], against: Evidence | None = None
) -> tuple[Finding, ...]:
    """The checks on what a passport carries of its records, which any verifier can repeat.

    Args:
        evidence: Records of any models.
        shapes: What protocols allow, by `protocol@version`.
        against: Earlier records of the same bank.
    """
    return ordered(
        [
            *shape_findings(evidence, shapes),
            *pair_findings(evidence),
            *identity_findings(evidence, against),
            *repeat_findings(evidence),
            *transcript_findings(evidence),
            *response_findings(evidence),
        ]
    )


def record_findings(
    evidence: Evidence,
    *,
    against: Evidence | None = None,
    shapes: Mapping[str, Shape] | None = None,
) -> tuple[Finding, ...]:
    """Every check that records allow by themselves, or beside earlier ones.

    Args:
        evidence: Records of any models, as they were read, nothing added.
        against: Earlier records of the same bank.
        shapes: What protocols allow, by `protocol@version`.
    """
    found = [*decisive_findings(evidence, shapes or {}, against), *meter_findings(evidence)]
    if against is not None:
        found += anchor_findings(evidence, against)
    return ordered(found)
