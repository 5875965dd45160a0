"""What CSAF 2.0 and 2.1 share: tracking, product tree, status, remediations, notes.

Decides the mapping of spec/disclosure-advisory.md, section 4, onto the OASIS CSAF documents; what
differs between the versions stands in `csaf20` and `csaf21`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from steelyard import __version__
from steelyard.disclosure.advisory import wording
from steelyard.disclosure.advisory.model import Verdict
from steelyard.kernel import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import (
        Advisory,
        AffectednessRow,
        Credit,
        Finding,
        Reference,
        Target,
    )

Node = dict[str, Any]

_STATUS: Final = {
    Verdict.AFFECTED: "known_affected",
    Verdict.NOT_AFFECTED: "known_not_affected",
    Verdict.FIXED: "fixed",
    Verdict.UNDETERMINED: "under_investigation",
    Verdict.NOT_CHECKED: "under_investigation",
    Verdict.SILENT: "under_investigation",
}
TLP_URL: Final = "https://www.first.org/tlp/"
_UNFIT_FOR_FILES: Final = re.compile(r"[^+\-a-z0-9]+")


def file_name(advisory_id: str) -> str:
    """The file name of a CSAF document (CSAF 2.0, section 5.1)."""
    return f"{_UNFIT_FOR_FILES.sub('_', advisory_id.lower())}.json"


def document(advisory: Advisory, label: str, occasion: Occasion) -> Node:
    """The document object without its version and the publisher's contact."""
    return filled(
        {
            "category": category(advisory),
            "distribution": {"tlp": {"label": label, "url": TLP_URL}},
            "lang": advisory.lang,
            "publisher": _publisher(advisory),
            "title": advisory.title,
            "tracking": _tracking(advisory, occasion),
            "notes": _document_notes(advisory),
            "references": _references(advisory.references, occasion.self_url),
            "acknowledgments": _acknowledgments(advisory.credits),
        }
    )


def category(advisory: Advisory) -> str:
    """The profile: an advisory names an affected version of everything; else it is a VEX.

    CSAF 2.1, profiles 4 and 5; documents of 2.0 keep to the same, stricter, rule.
    """
    is_advisory = all(_names_affected(advisory, finding) for finding in advisory.findings)
    return "csaf_security_advisory" if is_advisory else "csaf_vex"


def _names_affected(advisory: Advisory, finding: Finding) -> bool:
    """Whether something is affected, and an older version of all that is fixed."""

    def products(verdict: Verdict) -> set[tuple[str, str]]:
        targets = (advisory.target(row.target) for row in finding.rows_with(verdict))
        return {(target.vendor, target.name) for target in targets}

    affected = products(Verdict.AFFECTED)
    return bool(affected) and products(Verdict.FIXED) <= affected


def product_tree(advisory: Advisory, purl_field: str) -> Node:
    """Vendors, their products, and the versions that are the targets.

    Args:
        advisory: Whose targets these are.
        purl_field: `purl` or `purls`; the second holds a list.
    """
    vendors: dict[str, dict[str, list[Target]]] = {}
    for target in advisory.targets:
        vendors.setdefault(target.vendor, {}).setdefault(target.name, []).append(target)
    return {
        "branches": [
            _branch(
                "vendor",
                vendor,
                [
                    _branch(
                        "product_name", name, [_version(target, purl_field) for target in targets]
                    )
                    for name, targets in products.items()
                ],
            )
            for vendor, products in vendors.items()
        ]
    }


def product_status(finding: Finding) -> Node:
    """The targets by what is known of them."""
    groups: dict[str, list[str]] = {}
    for row in finding.rows:
        groups.setdefault(_STATUS[row.verdict], []).append(row.target)
    return dict(groups)


def remediations(finding: Finding) -> list[Node]:
    """The mitigations, and for every other affected target that none is known."""
    entries = [
        filled(
            {
                "category": entry.category,
                "details": wording.mitigation_text(entry),
                "product_ids": list(entry.targets),
                "date": format_instant(entry.at) if entry.at else "",
                "url": entry.url,
            }
        )
        for entry in finding.mitigations
    ]
    bare = [
        row.target
        for row in finding.rows_with(Verdict.AFFECTED)
        if not finding.mitigations_of(row.target)
    ]
    if bare:
        entries.append(
            {
                "category": "none_available",
                "details": wording.NO_MITIGATION,
                "product_ids": bare,
            }
        )
    return entries


def threats(finding: Finding) -> list[Node]:
    """The impact statement of every target that is not affected (CSAF 2.0, 4.5)."""
    return [
        {
            "category": "impact",
            "details": wording.impact_text(row),
            "product_ids": [row.target],
        }
        for row in finding.rows_with(Verdict.NOT_AFFECTED)
    ]


def flags(finding: Finding) -> list[Node]:
    """The justifications that the author gave; none is made up."""
    groups: dict[str, list[str]] = {}
    for row in finding.rows:
        if row.justification:
            groups.setdefault(row.justification, []).append(row.target)
    return [{"label": label, "product_ids": targets} for label, targets in groups.items()]


def vulnerability(advisory: Advisory, finding: Finding) -> Node:
    """What both versions say of a finding, without its weaknesses and metrics."""
    return filled(
        {
            "title": finding.title,
            "cve": finding.cve,
            "ids": [
                {"system_name": advisory.publisher.name, "text": finding_id(advisory, finding)}
            ],
            "notes": _finding_notes(advisory, finding),
            "product_status": product_status(finding),
            "remediations": remediations(finding),
            "threats": threats(finding),
            "flags": flags(finding),
            "discovery_date": format_instant(finding.discovered_at)
            if finding.discovered_at
            else "",
            "references": _references(finding.references, ""),
        }
    )


def finding_id(advisory: Advisory, finding: Finding) -> str:
    """A finding's id outside of its advisory."""
    return f"{advisory.id}#{finding.id}"


def rows_with_rates(finding: Finding) -> Iterable[AffectednessRow]:
    """The rows of which more than the verdict may be shown."""
    return (row for row in finding.rows if row.shown_rate or row.shown_band)


def filled(node: Node) -> Node:
    """The node without its empty fields, which CSAF does not allow."""
    return {key: value for key, value in node.items() if value not in ("", [], {}, None)}


def _publisher(advisory: Advisory) -> Node:
    publisher = advisory.publisher
    return filled(
        {
            "category": publisher.category,
            "name": publisher.name,
            "namespace": publisher.namespace,
            "issuing_authority": publisher.authority,
        }
    )


def _tracking(advisory: Advisory, occasion: Occasion) -> Node:
    return {
        "id": advisory.id,
        "status": advisory.status.value,
        "version": str(advisory.version),
        "initial_release_date": format_instant(advisory.released_at),
        "current_release_date": format_instant(advisory.changed_at),
        "generator": {
            "date": format_instant(occasion.at),
            "engine": {"name": "Steelyard", "version": __version__},
        },
        "revision_history": [
            {
                "date": format_instant(revision.at),
                "number": str(revision.number),
                "summary": revision.summary,
            }
            for revision in advisory.revisions
        ],
    }


def _document_notes(advisory: Advisory) -> list[Node]:
    return _notes(
        ("summary", "Summary", advisory.summary),
        ("details", "Details", advisory.details),
        ("general", "Impact", advisory.impact),
        ("other", "Timeline", wording.timeline_text(advisory)),
        ("legal_disclaimer", "Legal", advisory.legal),
    )


def _finding_notes(advisory: Advisory, finding: Finding) -> list[Node]:
    return _notes(
        ("description", "Flaw", finding.description),
        ("details", "What is known of each target", wording.affectedness_text(advisory, finding)),
        ("other", "Flaw class and reproducer", wording.facts_text(finding)),
    )


def _notes(*entries: tuple[str, str, str]) -> list[Node]:
    return [
        {"category": category, "title": title, "text": text}
        for category, title, text in entries
        if text
    ]


def _references(references: tuple[Reference, ...], self_url: str) -> list[Node]:
    own = {"category": "self", "summary": "This advisory as CSAF", "url": self_url}
    others = [
        {"category": "external", "summary": entry.summary, "url": entry.url} for entry in references
    ]
    return [own, *others] if self_url else others


def _acknowledgments(credits_: tuple[Credit, ...]) -> list[Node]:
    return [
        filled(
            {
                "names": list(credit.names),
                "organization": credit.organization,
                "summary": credit.summary,
            }
        )
        for credit in credits_
    ]


def _branch(category: str, name: str, branches: list[Node]) -> Node:
    return {"category": category, "name": name, "branches": branches}


def _version(target: Target, purl_field: str) -> Node:
    purl = [target.purl] if target.purl and purl_field == "purls" else target.purl
    helper = filled(
        {
            purl_field: purl,
            "x_generic_uris": [{"namespace": uri.namespace, "uri": uri.uri} for uri in target.uris],
            "hashes": [
                {
                    "filename": weight.file,
                    "file_hashes": [{"algorithm": "sha256", "value": weight.sha256}],
                }
                for weight in target.weights
            ],
        }
    )
    product = filled(
        {
            "name": target.full_name,
            "product_id": target.id,
            "product_identification_helper": helper,
        }
    )
    return {"category": "product_version", "name": target.version, "product": product}
