"""A finding: what a check of evidence saw, how grave it is, and the numbers behind it.

Checks are pure functions from records to findings; an empty result means that a check
ran and saw nothing. What a blocking finding does to a level is decided in `risk`.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - dataclass fields need it
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steelyard.kernel import JsonObject


class Severity(StrEnum):
    """How grave a finding is."""

    BLOCKING = "blocking"
    """Honest evidence does not look like this; nothing may be earned by it."""
    WARNING = "warning"
    """Honest evidence seldom looks like this; somebody must look."""
    NOTE = "note"
    """A fact that a reader should know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check saw.

    Attributes:
        code: Stable name, `lower_case`.
        severity: See `Severity`.
        text: One sentence for people.
        models: Models it is about, sorted; empty where it is about all.
        counts: Numbers behind it, by name.
    """

    code: str
    severity: Severity
    text: str
    models: tuple[str, ...] = ()
    counts: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def blocks(self) -> bool:
        """Whether nothing may be earned by the evidence."""
        return self.severity is Severity.BLOCKING

    def to_json(self) -> JsonObject:
        """The finding as `spec/evidence-check.schema.json` has it."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "text": self.text,
            "models": list(self.models),
            "counts": dict(self.counts),
        }


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings with the gravest first, then by code and model."""
    grave = list(Severity)
    return tuple(sorted(findings, key=lambda f: (grave.index(f.severity), f.code, f.models)))
