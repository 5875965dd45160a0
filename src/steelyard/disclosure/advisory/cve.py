"""A draft of a CVE record's CNA container, only where software is at fault.

Decides the mapping of spec/disclosure-advisory.md, section 4.5. A model that can be talked into
something has no version of software to mend: CVE is for the frameworks and applications around it.
A CVE Numbering Authority decides whether the draft becomes a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard import __version__
from steelyard.disclosure.advisory import csaf, wording
from steelyard.disclosure.advisory.export import Export, ExportedFile, check_occasion, json_bytes
from steelyard.disclosure.advisory.model import Kind, Verdict
from steelyard.kernel import format_instant
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import Advisory, AffectednessRow, Finding, Target

_STATUS: Final = {
    Verdict.AFFECTED: "affected",
    Verdict.NOT_AFFECTED: "unaffected",
    Verdict.FIXED: "unaffected",
    Verdict.UNDETERMINED: "unknown",
    Verdict.NOT_CHECKED: "unknown",
    Verdict.SILENT: "unknown",
}


def cve(advisory: Advisory, occasion: Occasion) -> Export:
    """The CNA containers of the findings in which software is at fault.

    Raises:
        NotSatisfied: no finding is one of software.
        UsageError: the export would be older than the advisory.
    """
    check_occasion(advisory, occasion)
    files: list[ExportedFile] = []
    left_out: list[str] = []
    stem = csaf.file_name(advisory.id).removesuffix(".json")
    for number, finding in enumerate(advisory.findings, 1):
        reason = _unfit(advisory, finding)
        if reason:
            left_out.append(f"{csaf.finding_id(advisory, finding)}: {reason}")
            continue
        left_out += _models_left_out(advisory, finding)
        value = _container(advisory, finding)
        files.append(ExportedFile(f"cve/{stem}_{number:02d}.json", json_bytes(value)))
    if not files:
        message = f"nothing here is for CVE: {left_out[0]}"
        hint = "software_fault: true belongs to flaws of frameworks and applications"
        raise NotSatisfied(message, where=advisory.id, hint=hint)
    return Export(tuple(files), tuple(left_out))


def _unfit(advisory: Advisory, finding: Finding) -> str:
    """Why a finding is none of CVE's; empty where it is."""
    if not finding.software_fault:
        return "no software is at fault (software_fault)"
    if not _software_rows(advisory, finding):
        return "every target is a model; CVE is for frameworks and applications"
    if not advisory.lang.startswith("en"):
        return (
            f"a CVE record needs an English description, and the advisory is in {advisory.lang!r}"
        )
    if not advisory.references and not finding.references:
        return "a CVE record needs a public reference, and the advisory has none"
    return ""


def _models_left_out(advisory: Advisory, finding: Finding) -> list[str]:
    return [
        f"{csaf.finding_id(advisory, finding)}: {advisory.target(row.target).full_name} is a model"
        for row in finding.rows
        if advisory.target(row.target).kind is Kind.MODEL
    ]


def _software_rows(advisory: Advisory, finding: Finding) -> list[AffectednessRow]:
    return [row for row in finding.rows if advisory.target(row.target).kind is not Kind.MODEL]


def _container(advisory: Advisory, finding: Finding) -> csaf.Node:
    language = advisory.lang
    publisher = advisory.publisher
    return csaf.filled(
        {
            "providerMetadata": {"orgId": publisher.cna_org_id} if publisher.cna_org_id else {},
            "title": finding.title[:256],
            "descriptions": [{"lang": language, "value": finding.description[:4096]}],
            "affected": [
                _affected(advisory.target(row.target), row)
                for row in _software_rows(advisory, finding)
            ],
            "problemTypes": _problem_types(finding, language),
            "references": [
                {"url": entry.url, "name": entry.summary}
                for entry in dict.fromkeys((*finding.references, *advisory.references))
            ],
            "workarounds": _texts(finding, language, {"workaround", "mitigation"}),
            "solutions": _texts(finding, language, {"vendor_fix"}),
            "timeline": [
                {
                    "time": format_instant(entry.at),
                    "lang": language,
                    "value": f"{entry.event.replace('_', ' ')}: {entry.text}",
                }
                for entry in advisory.timeline
            ],
            "credits": [
                {"lang": language, "value": wording.credit_text(entry)}
                for entry in advisory.credits
            ],
            "source": {"advisory": advisory.id},
            "x_generator": {"engine": f"Steelyard {__version__}"},
        }
    )


def _affected(target: Target, row: AffectednessRow) -> csaf.Node:
    status = _STATUS[row.verdict]
    version: csaf.Node = {"version": target.version, "status": status}
    package = target.package
    if package is not None and row.verdict is Verdict.AFFECTED:
        if package.fixed:
            version = _range(package.introduced, status, "lessThan", package.fixed)
        elif package.last_affected:
            version = _range(package.introduced, status, "lessThanOrEqual", package.last_affected)
    return csaf.filled(
        {
            "vendor": target.vendor,
            "product": target.name,
            "packageURL": target.purl.partition("@")[0],
            "versions": [version],
            "defaultStatus": "unknown",
        }
    )


def _range(start: str, status: str, limit: str, end: str) -> csaf.Node:
    return {"version": start or "0", "status": status, limit: end, "versionType": "custom"}


def _problem_types(finding: Finding, language: str) -> list[csaf.Node]:
    return [
        {
            "descriptions": [
                {
                    "lang": language,
                    "type": "CWE",
                    "cweId": entry.id,
                    "description": f"{entry.id} {entry.name}",
                }
            ]
        }
        for entry in finding.weaknesses
    ]


def _texts(finding: Finding, language: str, categories: set[str]) -> list[csaf.Node]:
    return [
        {"lang": language, "value": wording.mitigation_text(entry)[:4096]}
        for entry in finding.mitigations
        if entry.category in categories
    ]
