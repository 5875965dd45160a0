"""CSAF 2.1 (Committee Specification Draft) of an advisory, behind a flag while it is a draft.

Decides the mapping of spec/disclosure-advisory.md, section 4.2. Rates that their owners agreed to
publish stand in an extension of the metrics, and its JSON Schema is written beside the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from steelyard.disclosure.advisory import csaf
from steelyard.disclosure.advisory.export import Export, ExportedFile, check_occasion, json_bytes

if TYPE_CHECKING:
    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import Advisory, AffectednessRow, Finding, Weakness

_SCHEMA: Final = "https://docs.oasis-open.org/csaf/csaf/v2.1/schema"
EXTENSION_FILE: Final = "reproduction-rate_1.0.0.json"
# Version 4.17 of the CWE catalogue is the first with CWE-1427's present name.
_CWE_VERSION: Final = "4.17"


def csaf21(advisory: Advisory, occasion: Occasion) -> Export:
    """The CSAF 2.1 document, and the schema of its extension where one is used.

    Raises:
        UsageError: the export would be older than the advisory.
    """
    check_occasion(advisory, occasion)
    head = csaf.document(advisory, advisory.tlp.value, occasion)
    if advisory.publisher.contact:
        head["publisher"]["contact"] = {"details": advisory.publisher.contact}
    value = {
        "$schema": f"{_SCHEMA}/csaf.json",
        "document": head | {"csaf_version": "2.1"},
        "product_tree": csaf.product_tree(advisory, "purls"),
        "vulnerabilities": [_vulnerability(advisory, entry) for entry in advisory.findings],
    }
    files = [ExportedFile(f"csaf21/{csaf.file_name(advisory.id)}", json_bytes(value))]
    if any(list(csaf.rows_with_rates(entry)) for entry in advisory.findings):
        schema = extension_schema(advisory)
        files.append(ExportedFile(f"csaf21/extensions/{EXTENSION_FILE}", json_bytes(schema)))
    return Export(tuple(files))


def extension_url(advisory: Advisory) -> str:
    """Where the publisher puts the schema of the extension."""
    return f"{advisory.publisher.namespace.rstrip('/')}/csaf-extensions/{EXTENSION_FILE}"


def extension_schema(advisory: Advisory) -> dict[str, Any]:
    """The JSON Schema of the extension (CSAF 2.1, conformance clause 29)."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "$schema": f"{_SCHEMA}/extension-metaschema.json",
        "$id": extension_url(advisory),
        "title": "Reproduction rate",
        "description": "How often a reproducer succeeds on a target, as its owner agreed to say.",
        "type": "object",
        "required": ["$schema", "category", "content", "critical"],
        "properties": {
            "$schema": {"type": "string", "const": extension_url(advisory)},
            "category": {"type": "string", "const": "significant"},
            "critical": {"type": "boolean", "const": False},
            "content": {
                "type": "object",
                "minProperties": 1,
                "properties": {
                    "successes": {"type": "integer", "minimum": 0},
                    "tries": {"type": "integer", "minimum": 1},
                    "low": share,
                    "high": share,
                    "coverage": share,
                    "reproducer_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                },
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
    }


def _vulnerability(advisory: Advisory, finding: Finding) -> csaf.Node:
    node = csaf.vulnerability(advisory, finding)
    if finding.weaknesses:
        node["cwes"] = [_weakness(entry) for entry in finding.weaknesses]
    metrics = [_metric(advisory, finding, row) for row in csaf.rows_with_rates(finding)]
    if metrics:
        node["metrics"] = metrics
    return node


def _weakness(weakness: Weakness) -> csaf.Node:
    version = weakness.version or _CWE_VERSION
    return {"id": weakness.id, "name": weakness.name, "version": version}


def _metric(advisory: Advisory, finding: Finding, row: AffectednessRow) -> csaf.Node:
    extension = {
        "$schema": extension_url(advisory),
        "category": "significant",
        "critical": False,
        "content": _content(finding, row),
    }
    return {"content": {"x_extensions": [extension]}, "products": [row.target]}


def _content(finding: Finding, row: AffectednessRow) -> csaf.Node:
    digest = {"reproducer_sha256": finding.reproducer} if finding.reproducer else {}
    if row.shown_rate is not None:
        rate = row.shown_rate
        return digest | {
            "successes": rate.successes,
            "tries": rate.tries,
            "low": rate.low,
            "high": rate.high,
            "coverage": rate.coverage,
        }
    low, high = row.shown_band or (0.0, 1.0)
    return digest | {"low": low, "high": high}
