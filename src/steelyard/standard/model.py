"""The objects of a standard release, as read from data.

Names equal the keys of `spec/standard-framework.schema.json`. Nothing here
decides: `risk` applies the framework, `passport` the policy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject
    from steelyard.standard.decision import Decision, Residual, Trigger
    from steelyard.standard.indicator import Indicator

HIGHEST_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """How many of a domain's indicators at or above a level put the domain there.

    Attributes:
        k: 1 for `any_of`, more for `k_of_n`.
    """

    k: int


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of risk and the indicators that speak about it.

    Attributes:
        transfer: Why results on the indicators' banks bear on the threat, and where they may not.
        rules: Rule by level.
        indicators: The core, required in every determination.
        supporting: Required as soon as they are planned or any record of them exists.
        flaw_classes: Classes of published flaws that bear on the domain.
    """

    id: str
    title: str
    threat_model: str
    transfer: str
    rules: Mapping[int, Rule]
    indicators: tuple[str, ...]
    supporting: tuple[str, ...]
    flaw_classes: tuple[str, ...]

    @property
    def largest_k(self) -> int:
        """The largest number of indicators that any level's rule asks for."""
        return max(rule.k for rule in self.rules.values())


@dataclass(frozen=True, slots=True)
class Level:
    """A level's number, name and meaning."""

    level: int
    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Framework:
    """Domains, indicators and the decision rule of one release."""

    id: str
    version: str
    status: str
    levels: tuple[Level, ...]
    decision: Decision
    residual: Residual
    triggers: tuple[Trigger, ...]
    domains: Mapping[str, Domain]
    indicators: Mapping[str, Indicator]


@dataclass(frozen=True, slots=True)
class Release:
    """A standard release: framework, protocol parameters, policy, crosswalk, ladder, rounds.

    Attributes:
        version: For example `2026.1`.
        digest: SHA-256 of the canonical JSON of the whole content.
        framework: Domains, thresholds and the decision rule.
        protocols: Parameters by protocol id, as parsed.
        policy: The default gate policy, as parsed.
        crosswalk: Rows that relate our levels to published frameworks.
        elicitation: The ladder's texts, tries and strategies, as parsed.
        proficiency: Rules of proficiency rounds, as parsed.
        content: Everything above as one JSON object; what `digest` covers.
    """

    version: str
    digest: str
    framework: Framework = field(repr=False)
    protocols: Mapping[str, JsonObject] = field(repr=False)
    policy: JsonObject = field(repr=False)
    crosswalk: tuple[JsonObject, ...] = field(repr=False)
    elicitation: JsonObject = field(repr=False)
    proficiency: JsonObject = field(repr=False)
    content: JsonObject = field(repr=False)
