"""AVID reports: one for each finding, in the form of AVID's report model.

Decides the mapping of spec/disclosure-advisory.md, section 4.4. AVID's own taxonomy is written
only where the author named it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory import csaf, wording
from steelyard.disclosure.advisory.export import Export, ExportedFile, check_occasion, json_bytes
from steelyard.disclosure.advisory.model import Kind, Verdict

if TYPE_CHECKING:
    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import Advisory, AffectednessRow, Finding

_DATA_VERSION: Final = "0.3"
_ARTIFACTS: Final = {Kind.MODEL: "Model", Kind.SYSTEM: "System", Kind.PACKAGE: "System"}
_AFFECTED: Final = (Verdict.AFFECTED, Verdict.FIXED)


def avid(advisory: Advisory, occasion: Occasion) -> Export:
    """The AVID reports, without ids: AVID assigns them.

    Raises:
        UsageError: the export would be older than the advisory.
    """
    check_occasion(advisory, occasion)
    stem = csaf.file_name(advisory.id).removesuffix(".json")
    files = tuple(
        ExportedFile(
            f"avid/{stem}_{number:02d}.json",
            json_bytes(_report(advisory, finding)),
        )
        for number, finding in enumerate(advisory.findings, 1)
    )
    return Export(files)


def _report(advisory: Advisory, finding: Finding) -> csaf.Node:
    return csaf.filled(
        {
            "data_type": "AVID",
            "data_version": _DATA_VERSION,
            "affects": _affects(advisory, finding),
            "problemtype": {
                "classof": "CVE Entry" if finding.cve else "Third-party Report",
                "type": "Advisory",
                "description": _lang(advisory, finding.title),
            },
            "metrics": [_metric(advisory, row) for row in csaf.rows_with_rates(finding)],
            "references": _references(advisory, finding),
            "description": _lang(advisory, _description(advisory, finding)),
            "impact": _impact(advisory, finding),
            "credit": [_lang(advisory, wording.credit_text(entry)) for entry in advisory.credits],
            "reported_date": advisory.released_at.date().isoformat(),
        }
    )


def _affects(advisory: Advisory, finding: Finding) -> csaf.Node:
    """Only what is affected, or was: AVID has no place for other verdicts."""
    targets = [advisory.target(row.target) for row in finding.rows_with(*_AFFECTED)]
    return {
        "developer": list(dict.fromkeys(target.vendor for target in targets)),
        "deployer": [],
        "artifacts": [
            {"type": _ARTIFACTS[target.kind], "name": f"{target.name} {target.version}"}
            for target in targets
        ],
    }


def _description(advisory: Advisory, finding: Finding) -> str:
    parts = (
        advisory.summary,
        finding.description,
        wording.affectedness_text(advisory, finding),
        wording.facts_text(finding),
    )
    return "\n\n".join(part for part in parts if part)


def _metric(advisory: Advisory, row: AffectednessRow) -> csaf.Node:
    results: csaf.Node = {"target": advisory.target(row.target).full_name}
    if row.shown_rate is not None:
        rate = row.shown_rate
        results |= {
            "successes": rate.successes,
            "tries": rate.tries,
            "interval": [rate.low, rate.high],
            "coverage": rate.coverage,
        }
    elif row.shown_band is not None:
        results["band"] = list(row.shown_band)
    return {
        "name": "reproduction rate",
        "detection_method": {
            "type": "Significance Test" if row.shown_rate else "Static Threshold",
            "name": "reproducer",
        },
        "results": results,
    }


def _references(advisory: Advisory, finding: Finding) -> list[csaf.Node]:
    return [
        {"label": entry.summary, "url": entry.url}
        for entry in (*advisory.references, *finding.references)
    ]


def _impact(advisory: Advisory, finding: Finding) -> csaf.Node:
    node: csaf.Node = {}
    if finding.avid is not None:
        node["avid"] = {
            "risk_domain": list(finding.avid.risk_domain),
            "sep_view": list(finding.avid.sep_view),
            "lifecycle_view": list(finding.avid.lifecycle_view),
            "taxonomy_version": finding.avid.taxonomy_version,
        }
    if finding.weaknesses:
        node["cwe"] = [
            {"cweId": entry.id, "description": entry.name, "lang": _language(advisory)}
            for entry in finding.weaknesses
        ]
    return node


def _lang(advisory: Advisory, text: str) -> csaf.Node:
    return {"lang": _language(advisory), "value": text}


def _language(advisory: Advisory) -> str:
    """AVID writes English by its three letters (ISO 639-2)."""
    code = advisory.lang.partition("-")[0]
    return "eng" if code == "en" else code
