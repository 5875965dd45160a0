"""Reading OSV records, as osv.dev and GitHub's advisory database write them, and GitHub's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.intake.report import ClaimedFlaw, ClaimedTarget, IntakeReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.disclosure.intake.report import Fields, Reading

_SHOWN_VERSIONS = 20


def is_osv(document: Fields) -> bool:
    """Whether a document has the two fields that OSV requires, and one that tells it apart."""
    return {"id", "modified"} <= document.keys() and bool(
        document.keys() & {"affected", "schema_version", "details"}
    )


def is_github(document: Fields) -> bool:
    """Whether a document is an advisory as GitHub's API gives it."""
    return "ghsa_id" in document


def read_osv(document: Fields, reading: Reading) -> IntakeReport:
    """The report in an OSV record (schema 1.x).

    Raises:
        MalformedEvidence: a field of another type than OSV gives it.
    """
    known_as = reading.required(document["id"], "id")
    title = reading.line(document.get("summary"), "summary") or known_as
    specific = reading.fields(document.get("database_specific"), "database_specific")
    references = reading.objects(document.get("references"), "references")
    credits_ = reading.objects(document.get("credits"), "credits")
    flaw = ClaimedFlaw(
        title=title,
        description=reading.text(document.get("details"), "details"),
        ids=(known_as, *reading.lines(document.get("aliases"), "aliases")),
        weaknesses=reading.lines(specific.get("cwe_ids"), "cwe_ids"),
        targets=tuple(_targets(document, reading)),
    )
    dates = ((name, reading.line(document.get(name), name)) for name in _DATES)
    return IntakeReport(
        format="osv",
        title=title,
        summary="",
        flaws=(flaw,),
        references=reading.addresses((entry.get("url") for entry in references), "references"),
        credits=reading.lines([entry.get("name") for entry in credits_], "credits"),
        dates=tuple((name, date) for name, date in dates if date),
    )


def read_github(document: Fields, reading: Reading) -> IntakeReport:
    """The report in an advisory of GitHub's API.

    Raises:
        MalformedEvidence: a field of another type than GitHub gives it.
    """
    entries = reading.objects(document.get("vulnerabilities"), "vulnerabilities")
    weaknesses = reading.objects(document.get("cwes"), "cwes")
    credits_ = reading.objects(document.get("credits"), "credits")
    title = reading.required(document.get("summary"), "summary")
    flaw = ClaimedFlaw(
        title=title,
        description=reading.text(document.get("description"), "description"),
        ids=reading.lines([document["ghsa_id"], document.get("cve_id")], "ids"),
        weaknesses=reading.lines([entry.get("cwe_id") for entry in weaknesses], "cwes"),
        targets=tuple(_github_target(entry, reading) for entry in entries),
    )
    # GitHub's REST interface lists addresses, its exports list objects.
    references = reading.entries(document.get("references"), "references")
    addresses = [
        entry if isinstance(entry, str) else reading.fields(entry, "reference").get("url")
        for entry in references
    ]
    users = (reading.fields(entry.get("user"), "user").get("login") for entry in credits_)
    dates = ((name, reading.line(document.get(name), name)) for name in _GITHUB_DATES)
    return IntakeReport(
        format="github",
        title=title,
        summary="",
        flaws=(flaw,),
        references=reading.addresses(addresses, "references"),
        credits=reading.lines(list(users), "credits"),
        dates=tuple((name, date) for name, date in dates if date),
    )


_DATES = ("published", "modified", "withdrawn")
_GITHUB_DATES = ("published_at", "updated_at", "withdrawn_at")


def _targets(document: Fields, reading: Reading) -> Iterator[ClaimedTarget]:
    for entry in reading.objects(document.get("affected"), "affected"):
        package = reading.fields(entry.get("package"), "package")
        versions = list(reading.lines(entry.get("versions"), "versions"))
        events = [
            f"{name} {reading.line(value, name)}"
            for part in reading.objects(entry.get("ranges"), "ranges")
            for event in reading.objects(part.get("events"), "events")
            for name, value in event.items()
        ]
        if len(versions) > _SHOWN_VERSIONS:
            reading.drop(f"versions: {len(versions) - _SHOWN_VERSIONS} more than are listed")
        shown = ", ".join(events or versions[:_SHOWN_VERSIONS])
        yield ClaimedTarget(
            name=reading.line(package.get("name"), "name") or "unnamed",
            vendor=reading.line(package.get("ecosystem"), "ecosystem"),
            version=reading.line(shown[:512], "versions"),
            identifiers=reading.lines([package.get("purl")], "purl"),
            status="affected",
        )


def _github_target(entry: Fields, reading: Reading) -> ClaimedTarget:
    package = reading.fields(entry.get("package"), "package")
    return ClaimedTarget(
        name=reading.line(package.get("name"), "name") or "unnamed",
        vendor=reading.line(package.get("ecosystem"), "ecosystem"),
        version=reading.line(entry.get("vulnerable_version_range"), "range"),
        status="affected",
    )
