"""OSV records of software packages; a model is refused with the reason.

Decides the mapping of spec/disclosure-advisory.md, section 4.6. OSV names packages of an
ecosystem by its versions, and no ecosystem of its list is one of models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory import csaf, wording
from steelyard.disclosure.advisory.export import Export, ExportedFile, check_occasion, json_bytes
from steelyard.disclosure.advisory.model import Kind, Verdict
from steelyard.kernel import format_instant
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import (
        Advisory,
        AffectednessRow,
        Credit,
        Finding,
        Package,
        Target,
    )

_SCHEMA_VERSION: Final = "1.6.0"
_NO_MODELS: Final = "left out: OSV describes packages, and has no ecosystem of models"


def osv(advisory: Advisory, occasion: Occasion) -> Export:
    """One OSV record for each finding with an affected package.

    Raises:
        NotSatisfied: no finding has an affected package and an OSV id.
        UsageError: the export would be older than the advisory.
    """
    check_occasion(advisory, occasion)
    files: list[ExportedFile] = []
    left_out: list[str] = []
    for finding in advisory.findings:
        known_as = csaf.finding_id(advisory, finding)
        left_out += [f"{known_as}: {reason}" for reason in _left_out(advisory, finding)]
        if not finding.osv_id:
            left_out.append(f"{known_as}: no osv_id, which the home database assigns")
        elif affected := _affected(advisory, finding):
            value = _record(advisory, finding, affected)
            files.append(ExportedFile(f"osv/{finding.osv_id}.json", json_bytes(value)))
    if not files:
        message = f"nothing here is for OSV: {(left_out or ['no package is affected'])[0]}"
        raise NotSatisfied(message, where=advisory.id, hint="use csaf or openvex for models")
    return Export(tuple(files), tuple(left_out))


def _left_out(advisory: Advisory, finding: Finding) -> list[str]:
    targets = [advisory.target(row.target) for row in finding.rows]
    others = [target.full_name for target in targets if target.kind is not Kind.PACKAGE]
    packages = [
        advisory.target(row.target).full_name
        for row in finding.rows
        if row.verdict is not Verdict.AFFECTED and advisory.target(row.target).package
    ]
    reasons = [f"{', '.join(others)} {_NO_MODELS}"] if others else []
    if packages:
        reasons.append(f"{', '.join(packages)} left out: OSV lists packages that are affected")
    return reasons


def _affected(advisory: Advisory, finding: Finding) -> list[csaf.Node]:
    """Affected packages; their own versions say from where, and where it is fixed."""
    return [
        _entry(advisory.target(row.target), package, row)
        for row in finding.rows_with(Verdict.AFFECTED)
        if (package := advisory.target(row.target).package) is not None
    ]


def _entry(target: Target, package: Package, row: AffectednessRow) -> csaf.Node:
    bounds = (("fixed", package.fixed), ("last_affected", package.last_affected))
    has_range = bool(package.introduced or package.fixed or package.last_affected)
    events = [{"introduced": package.introduced or "0"}]
    events += [{name: value} for name, value in bounds if value]
    return csaf.filled(
        {
            "package": csaf.filled(
                {
                    "ecosystem": package.ecosystem,
                    "name": package.name,
                    "purl": target.purl.partition("@")[0],
                }
            ),
            "ranges": [{"type": "ECOSYSTEM", "events": events}] if has_range else [],
            "versions": list(package.versions) or ([] if has_range else [target.version]),
            "database_specific": {"status_notes": wording.row_text(row)},
        }
    )


def _record(advisory: Advisory, finding: Finding, affected: list[csaf.Node]) -> csaf.Node:
    return csaf.filled(
        {
            "schema_version": _SCHEMA_VERSION,
            "id": finding.osv_id,
            "modified": format_instant(advisory.changed_at),
            "published": format_instant(advisory.released_at),
            "aliases": [finding.cve] if finding.cve else [],
            "summary": finding.title,
            "details": f"{finding.description}\n\n{_mitigations(finding)}".rstrip(),
            "affected": affected,
            "references": [
                {"type": "WEB", "url": entry.url}
                for entry in dict.fromkeys((*finding.references, *advisory.references))
            ],
            "credits": _credits(advisory.credits),
            "database_specific": csaf.filled(
                {
                    "advisory": advisory.id,
                    "cwe_ids": [entry.id for entry in finding.weaknesses],
                }
            ),
        }
    )


def _mitigations(finding: Finding) -> str:
    return "\n\n".join(wording.mitigation_text(entry) for entry in finding.mitigations)


def _credits(credits_: tuple[Credit, ...]) -> list[csaf.Node]:
    return [{"name": wording.credit_text(credit)} for credit in credits_]
