"""Public advisories, each with the dissents that were stated against it.

Decides what of an advisory a page shows: of a rate only what its owner agreed to publish, of
participants that are not named only counts that hide everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.server.web import addresses
from steelyard.server.web.moments import Moment, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.disclosure.advisory.model import Advisory, AffectednessRow, Finding
    from steelyard.server.web.pages.cases.publication import ShownDissent

_WORDS: Final = {
    "affected": "affected",
    "not_affected": "not affected",
    "fixed": "fixed",
    "undetermined": "undetermined",
    "not_checked": "not checked",
    "silent": "silent",
}


@dataclass(frozen=True, slots=True)
class Published:
    """An advisory that is public.

    Attributes:
        name: In its address.
        dissents: As `publication.shown_dissent` returns them.
        files: Label and address of each form in which it can be fetched.
    """

    name: str
    advisory: Advisory
    dissents: Sequence[ShownDissent] = ()
    files: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class AdvisoryRow:
    """An advisory in the list."""

    id: str
    title: str
    address: str
    publisher: str
    status: str
    version: int
    released: Moment
    changed: Moment
    findings: int
    targets: int
    dissents: int


@dataclass(frozen=True, slots=True)
class AdvisoriesPage:
    """Template `advisories`."""

    title: str
    rows: tuple[AdvisoryRow, ...]
    feed: str
    text: str


@dataclass(frozen=True, slots=True)
class TargetRow:
    """What is known of one target: verdict, shape, and as much of the rate as may be shown."""

    name: str
    version: str
    verdict: str
    shape: str
    rate: str
    why: str
    mitigations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindingPart:
    """One flaw of the advisory.

    Attributes:
        facts: Label and text, such as a weakness or the digest of the reproducer.
        unnamed: Counts of participants that are not named.
    """

    id: str
    anchor: str
    title: str
    description: str
    facts: tuple[tuple[str, str], ...]
    rows: tuple[TargetRow, ...]
    unnamed: tuple[tuple[str, int], ...]
    mitigations: tuple[tuple[str, str, str, str], ...]
    references: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AdvisoryPage:
    """Template `advisory`.

    Attributes:
        tlp: Label of the Traffic Light Protocol.
        credits: Who is thanked, and what for.
    """

    title: str
    id: str
    status: str
    tlp: str
    lang: str
    publisher: str
    contact: str
    released: Moment
    changed: Moment
    version: int
    summary: str
    details: str
    impact: str
    legal: str
    findings: tuple[FindingPart, ...]
    dissents: tuple[ShownDissent, ...]
    timeline: tuple[tuple[Moment, str, str], ...]
    revisions: tuple[tuple[int, Moment, str], ...]
    references: tuple[tuple[str, str], ...]
    credits: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]


def present(published: Sequence[Published], now: datetime, text: str = "") -> AdvisoriesPage:
    """The public list for `advisories.html`, the last changed first.

    Args:
        published: All public advisories.
        now: The instant of the page.
        text: What to look for in id, title and targets, from the address.
    """
    wanted = text.strip()[:120]
    found = [item for item in published if wanted.casefold() in _searched(item).casefold()]
    found.sort(key=lambda item: item.advisory.changed_at, reverse=True)
    return AdvisoriesPage(
        title="Advisories",
        rows=tuple(_row(item, now) for item in found),
        feed=addresses.FEED,
        text=wanted,
    )


def present_one(item: Published, now: datetime) -> AdvisoryPage:
    """A public advisory for `advisory.html`."""
    found = item.advisory
    return AdvisoryPage(
        title=found.title,
        id=found.id,
        status=found.status.value,
        tlp=f"TLP:{found.tlp.value}",
        lang=found.lang,
        publisher=found.publisher.name,
        contact=found.publisher.contact,
        released=moment(found.released_at, now),
        changed=moment(found.changed_at, now),
        version=found.version,
        summary=found.summary,
        details=found.details,
        impact=found.impact,
        legal=found.legal,
        findings=tuple(_finding(found, part, n) for n, part in enumerate(found.findings, 1)),
        dissents=tuple(item.dissents),
        timeline=tuple((moment(row.at, now), row.event, row.text) for row in found.timeline),
        revisions=tuple(
            (row.number, moment(row.at, now), row.summary) for row in found.revisions[::-1]
        ),
        references=tuple((row.summary, row.url) for row in found.references),
        credits=tuple(
            (", ".join(filter(None, (*row.names, row.organization))), row.summary)
            for row in found.credits
        ),
        files=tuple(item.files),
    )


def _searched(item: Published) -> str:
    found = item.advisory
    return " ".join((found.id, found.title, *(target.full_name for target in found.targets)))


def _row(item: Published, now: datetime) -> AdvisoryRow:
    found = item.advisory
    return AdvisoryRow(
        id=found.id,
        title=found.title,
        address=addresses.advisory(item.name),
        publisher=found.publisher.name,
        status=found.status.value,
        version=found.version,
        released=moment(found.released_at, now),
        changed=moment(found.changed_at, now),
        findings=len(found.findings),
        targets=len(found.targets),
        dissents=len(item.dissents),
    )


def _finding(advisory: Advisory, part: Finding, number: int) -> FindingPart:
    weaknesses = ", ".join(f"{item.id} {item.name}" for item in part.weaknesses)
    facts = (
        ("Class", part.flaw_class),
        ("Weakness", weaknesses),
        ("CVE", part.cve),
        ("OSV", part.osv_id),
        ("Reproducer", part.reproducer),
    )
    return FindingPart(
        id=part.id,
        anchor=f"finding-{number}",
        title=part.title,
        description=part.description,
        facts=tuple((label, text) for label, text in facts if text),
        rows=tuple(_target(advisory, part, row) for row in part.rows),
        unnamed=tuple(part.unnamed.shown().items()),
        mitigations=tuple(
            (item.category.replace("_", " "), item.details, item.url, item.verification)
            for item in part.mitigations
        ),
        references=tuple((item.summary, item.url) for item in part.references),
    )


def _target(advisory: Advisory, part: Finding, row: AffectednessRow) -> TargetRow:
    target, verdict = advisory.target(row.target), row.verdict.value
    return TargetRow(
        name=f"{target.vendor} {target.name}",
        version=target.version,
        verdict=_WORDS[verdict],
        shape=verdict.replace("_", "-"),
        rate=_rate(row),
        why=row.why,
        mitigations=tuple(
            item.category.replace("_", " ") for item in part.mitigations_of(row.target)
        ),
    )


def _rate(row: AffectednessRow) -> str:
    rate, band = row.shown_rate, row.shown_band
    if rate is not None:
        limits = f"{rate.low:.1%} to {rate.high:.1%} at {rate.coverage:.0%}"
        return f"{rate.successes} of {rate.tries} tries; {limits}"
    return f"between {band[0]:.0%} and {band[1]:.0%}" if band else ""
