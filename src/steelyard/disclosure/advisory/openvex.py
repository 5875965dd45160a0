"""OpenVEX 0.2.0: one statement for each finding and target.

Decides the mapping of spec/disclosure-advisory.md, section 4.3. A justification is only ever the
author's; without one, a target that is not affected carries an impact statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from steelyard import __version__
from steelyard.disclosure.advisory import csaf, wording
from steelyard.disclosure.advisory.export import Export, ExportedFile, check_occasion, json_bytes
from steelyard.disclosure.advisory.model import Verdict
from steelyard.kernel import format_instant

if TYPE_CHECKING:
    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import Advisory, AffectednessRow, Finding, Target

CONTEXT: Final = "https://openvex.dev/ns/v0.2.0"
_STATUS: Final = {
    Verdict.AFFECTED: "affected",
    Verdict.NOT_AFFECTED: "not_affected",
    Verdict.FIXED: "fixed",
    Verdict.UNDETERMINED: "under_investigation",
    Verdict.NOT_CHECKED: "under_investigation",
    Verdict.SILENT: "under_investigation",
}


def openvex(advisory: Advisory, occasion: Occasion) -> Export:
    """The OpenVEX document.

    Raises:
        UsageError: the export would be older than the advisory.
    """
    check_occasion(advisory, occasion)
    value = {
        "@context": CONTEXT,
        "@id": f"{_base(advisory)}/openvex/{quote(advisory.id)}",
        "author": advisory.publisher.name,
        "role": advisory.publisher.category,
        "timestamp": format_instant(advisory.released_at),
        "last_updated": format_instant(advisory.changed_at),
        # A draft is version 0 elsewhere; OpenVEX begins at 1.
        "version": max(1, advisory.version),
        "tooling": f"Steelyard {__version__}",
        "statements": [
            _statement(advisory, finding, row)
            for finding in advisory.findings
            for row in finding.rows
        ],
    }
    name = csaf.file_name(advisory.id)
    return Export((ExportedFile(f"openvex/{name}", json_bytes(value)),))


def product_id(advisory: Advisory, target: Target) -> str:
    """The IRI of a target: its purl, its first identifier, or one below the namespace."""
    if target.purl:
        return target.purl
    if target.uris:
        return target.uris[0].uri
    return f"{_base(advisory)}/targets/{quote(advisory.id)}/{quote(target.id)}"


def _statement(advisory: Advisory, finding: Finding, row: AffectednessRow) -> csaf.Node:
    known_as = csaf.finding_id(advisory, finding)
    node = {
        "vulnerability": csaf.filled(
            {
                "@id": f"{_base(advisory)}/findings/{quote(advisory.id)}/{quote(finding.id)}",
                "name": finding.cve or known_as,
                "description": finding.title,
                "aliases": [known_as] if finding.cve else [],
            }
        ),
        "timestamp": format_instant(advisory.changed_at),
        "products": [_product(advisory, advisory.target(row.target))],
        "status": _STATUS[row.verdict],
        "supplier": advisory.target(row.target).vendor,
        "status_notes": wording.row_text(row),
    }
    if row.verdict is Verdict.AFFECTED:
        node["action_statement"] = wording.action_text(finding, row)
    if row.verdict is Verdict.NOT_AFFECTED:
        node["impact_statement"] = wording.impact_text(row)
        if row.justification:
            node["justification"] = row.justification
    return node


def _product(advisory: Advisory, target: Target) -> csaf.Node:
    node: csaf.Node = {"@id": product_id(advisory, target)}
    if target.purl:
        node["identifiers"] = {"purl": target.purl}
    if len(target.weights) == 1:
        node["hashes"] = {"sha-256": target.weights[0].sha256}
    elif target.weights:
        # OpenVEX knows one hash a component, so each file of the weights is a component.
        node["subcomponents"] = [
            {
                "@id": f"urn:steelyard:weights:{weight.sha256}:{quote(weight.file, safe='')}",
                "hashes": {"sha-256": weight.sha256},
            }
            for weight in target.weights
        ]
    return node


def _base(advisory: Advisory) -> str:
    return advisory.publisher.namespace.rstrip("/")
