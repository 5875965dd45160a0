"""The advisory: what is published about flaws that several targets may share.

Decides which facts an advisory holds (spec/disclosure-advisory.md, section 1) and what of an
affectedness row may be shown. Reading one is for `reading`; every format has its own module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

# Results of fewer participants could be traced to one of them (section 3).
FEWEST_SHOWN: Final = 3


class Tlp(StrEnum):
    """Traffic Light Protocol 2.0 labels."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    AMBER_STRICT = "AMBER+STRICT"
    RED = "RED"


class Status(StrEnum):
    """How finished an advisory is."""

    DRAFT = "draft"
    INTERIM = "interim"
    FINAL = "final"


class Kind(StrEnum):
    """What a target is."""

    MODEL = "model"
    SYSTEM = "system"
    PACKAGE = "package"


class Verdict(StrEnum):
    """What is known of one target and one finding. Silence and absence of a test differ."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not_affected"
    FIXED = "fixed"
    UNDETERMINED = "undetermined"
    NOT_CHECKED = "not_checked"
    SILENT = "silent"


class Detail(StrEnum):
    """How much of a result its owner agreed to publish."""

    VERDICT = "verdict"
    BAND = "band"
    COUNTS = "counts"


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who issues the advisory.

    Attributes:
        name: Of the organization.
        category: vendor, coordinator, discoverer, user or other (CSAF 3.2.1.8).
        namespace: An https address under the publisher's control.
        contact: How to reach it; empty for none.
        authority: Why it may issue; empty for none.
        cna_org_id: UUID by which the CVE programme knows it; empty where it is no CNA.
    """

    name: str
    category: str
    namespace: str
    contact: str = ""
    authority: str = ""
    cna_org_id: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """One published version: its number, instant, and what changed."""

    number: int
    at: datetime
    summary: str


@dataclass(frozen=True, slots=True)
class Milestone:
    """One event of the advisory's timeline."""

    at: datetime
    event: str
    text: str


@dataclass(frozen=True, slots=True)
class GenericUri:
    """An identifier of a target in a namespace, as CSAF's x_generic_uris carries it."""

    namespace: str
    uri: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of open weights and its SHA-256, lower hex."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Package:
    """A software package as package databases know it; versions are theirs."""

    ecosystem: str
    name: str
    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A model, system or package that a finding may hold for."""

    id: str
    kind: Kind
    vendor: str
    name: str
    version: str
    uris: tuple[GenericUri, ...] = ()
    purl: str = ""
    weights: tuple[WeightFile, ...] = ()
    package: Package | None = None

    @property
    def full_name(self) -> str:
        """Vendor, name and version."""
        return f"{self.vendor} {self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a reproducer succeeded: k of n, and an interval of the rate."""

    successes: int
    tries: int
    low: float
    high: float
    coverage: float


@dataclass(frozen=True, slots=True)
class AffectednessRow:
    """What is known of one target for one finding.

    Attributes:
        target: Id of the target.
        verdict: What its owner, or an audit, answered.
        publish: What the owner agreed to show beyond the verdict.
        band: Lower and upper end of the rate's band; None where there is none.
        rate: Counts and interval; None where there are none.
        why: Why a target is not affected, or cannot be told; empty for none.
        justification: A VEX justification; empty where none was given.
        asked_at: When its owner was asked; None where it was not.
    """

    target: str
    verdict: Verdict
    publish: Detail = Detail.VERDICT
    band: tuple[float, float] | None = None
    rate: Rate | None = None
    why: str = ""
    justification: str = ""
    asked_at: datetime | None = None

    @property
    def shown_rate(self) -> Rate | None:
        """The counts, where their owner agreed to show them."""
        return self.rate if self.publish is Detail.COUNTS else None

    @property
    def shown_band(self) -> tuple[float, float] | None:
        """The band, where its owner agreed to show it or more."""
        return None if self.publish is Detail.VERDICT else self.band


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of participants that are not named."""

    affected: int = 0
    not_affected: int = 0
    undetermined: int = 0
    silent: int = 0

    def shown(self) -> dict[str, int]:
        """The counts that hide everybody: none below three, and no total to subtract from."""
        counts = {
            "affected": self.affected,
            "not affected": self.not_affected,
            "undetermined": self.undetermined,
            "silent": self.silent,
        }
        return {name: count for name, count in counts.items() if count >= FEWEST_SHOWN}


@dataclass(frozen=True, slots=True)
class Weakness:
    """A CWE that the author named; nothing here guesses one."""

    id: str
    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class AvidTaxonomy:
    """AVID's views of a flaw, in AVID's own words."""

    risk_domain: tuple[str, ...]
    sep_view: tuple[str, ...]
    lifecycle_view: tuple[str, ...]
    taxonomy_version: str


@dataclass(frozen=True, slots=True)
class Mitigation:
    """What can be done.

    Attributes:
        category: mitigation, workaround, vendor_fix, none_available or no_fix_planned.
        details: What to do, or why there is nothing.
        targets: Ids of the targets it is for.
        at: From when it is there; None for unsaid.
        url: Where to get it; empty for none.
        verification: What sealed variants showed of it; empty where it was not verified.
    """

    category: str
    details: str
    targets: tuple[str, ...]
    at: datetime | None = None
    url: str = ""
    verification: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """An address and what is found there."""

    summary: str
    url: str


@dataclass(frozen=True, slots=True)
class Credit:
    """Who is thanked, by their own consent."""

    names: tuple[str, ...] = ()
    organization: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One flaw, and what is known of every target."""

    id: str
    title: str
    description: str
    rows: tuple[AffectednessRow, ...]
    flaw_class: str = ""
    weaknesses: tuple[Weakness, ...] = ()
    cve: str = ""
    osv_id: str = ""
    software_fault: bool = False
    discovered_at: datetime | None = None
    reproducer: str = ""
    unnamed: Tally = Tally()
    mitigations: tuple[Mitigation, ...] = ()
    references: tuple[Reference, ...] = ()
    avid: AvidTaxonomy | None = None

    def rows_with(self, *verdicts: Verdict) -> tuple[AffectednessRow, ...]:
        """The rows that have one of these verdicts."""
        return tuple(row for row in self.rows if row.verdict in verdicts)

    def mitigations_of(self, target: str) -> tuple[Mitigation, ...]:
        """What can be done about one target."""
        return tuple(entry for entry in self.mitigations if target in entry.targets)


@dataclass(frozen=True, slots=True)
class Advisory:
    """Everything that an advisory says."""

    id: str
    title: str
    status: Status
    tlp: Tlp
    lang: str
    publisher: Publisher
    revisions: tuple[Revision, ...]
    summary: str
    targets: tuple[Target, ...]
    findings: tuple[Finding, ...]
    details: str = ""
    impact: str = ""
    legal: str = ""
    timeline: tuple[Milestone, ...] = ()
    references: tuple[Reference, ...] = ()
    credits: tuple[Credit, ...] = ()

    @property
    def released_at(self) -> datetime:
        """Instant of the first revision."""
        return self.revisions[0].at

    @property
    def changed_at(self) -> datetime:
        """Instant of the last revision."""
        return self.revisions[-1].at

    @property
    def version(self) -> int:
        """Number of the last revision."""
        return self.revisions[-1].number

    def target(self, target_id: str) -> Target:
        """The target of an id that a row or mitigation names."""
        return next(target for target in self.targets if target.id == target_id)
