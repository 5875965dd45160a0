"""CSAF 2.0 (OASIS Standard, 18 November 2022) of an advisory.

Decides the mapping of spec/disclosure-advisory.md, section 4.1. Rates stand in notes, as this
version has no place for numbers of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory import csaf
from steelyard.disclosure.advisory.export import Export, ExportedFile, check_occasion, json_bytes
from steelyard.disclosure.advisory.model import Tlp
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import Advisory, Finding

# CSAF 2.0 knows TLP 1.0.
_LABELS: Final = {
    Tlp.CLEAR: "WHITE",
    Tlp.GREEN: "GREEN",
    Tlp.AMBER: "AMBER",
    Tlp.RED: "RED",
}


def csaf20(advisory: Advisory, occasion: Occasion) -> Export:
    """The CSAF 2.0 document.

    Raises:
        NotSatisfied: TLP:AMBER+STRICT, which this version cannot say.
        UsageError: the export would be older than the advisory.
    """
    check_occasion(advisory, occasion)
    label = _LABELS.get(advisory.tlp)
    if label is None:
        message = "CSAF 2.0 has no label for TLP:AMBER+STRICT, and a weaker one would mislead"
        raise NotSatisfied(message, where=advisory.id, hint="use --format csaf21")
    head = csaf.document(advisory, label, occasion)
    if advisory.publisher.contact:
        head["publisher"]["contact_details"] = advisory.publisher.contact
    value = {
        "document": head | {"csaf_version": "2.0"},
        "product_tree": csaf.product_tree(advisory, "purl"),
        "vulnerabilities": [_vulnerability(advisory, entry) for entry in advisory.findings],
    }
    left_out = tuple(
        f"{csaf.finding_id(advisory, entry)}: CSAF 2.0 carries one CWE; "
        f"{', '.join(weakness.id for weakness in entry.weaknesses[1:])} left out"
        for entry in advisory.findings
        if len(entry.weaknesses) > 1
    )
    name = csaf.file_name(advisory.id)
    return Export((ExportedFile(f"csaf/{name}", json_bytes(value)),), left_out)


def _vulnerability(advisory: Advisory, finding: Finding) -> csaf.Node:
    node = csaf.vulnerability(advisory, finding)
    if finding.weaknesses:
        first = finding.weaknesses[0]
        node["cwe"] = {"id": first.id, "name": first.name}
    return node
