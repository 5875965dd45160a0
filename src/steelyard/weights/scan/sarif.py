"""Findings as SARIF 2.1.0, for code hosts and dashboards that gate on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from steelyard.kernel import digest_json
from steelyard.weights.scan.rules import RULES, Rule

if TYPE_CHECKING:
    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.report import Report

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def to_sarif(report: Report, version: str) -> dict[str, Any]:
    """One run with every rule that was broken.

    Args:
        report: The scan.
        version: Of this program.
    """
    codes = sorted({finding.code for finding in report.findings})
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "steelyard",
                        "semanticVersion": version,
                        "rules": [_rule(RULES[code]) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, codes.index(each.code)) for each in report.findings],
                "invocations": [
                    {
                        "executionSuccessful": report.verdict != "unknown",
                        "toolExecutionNotifications": [
                            _notification(each) for each in report.findings if each.rule.unscanned
                        ],
                    }
                ],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    help_text = {"help": {"text": rule.hint}} if rule.hint else {}
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.meaning},
        "defaultConfiguration": {"level": rule.severity.value},
        **help_text,
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.rule.severity.value,
        "message": {"text": finding.text},
        "locations": [_location(finding)],
        "partialFingerprints": {"steelyard/1": _fingerprint(finding)},
    }


def _notification(finding: Finding) -> dict[str, Any]:
    return {
        "descriptor": {"id": finding.code},
        "level": finding.rule.severity.value,
        "message": {"text": finding.text},
        "locations": [_location(finding)],
    }


def _location(finding: Finding) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.file)}}
    # An offset counts bytes of the member, so it says nothing about the file around it.
    if finding.offset is not None and not finding.member:
        physical["region"] = {"byteOffset": finding.offset, "byteLength": 1}
    location: dict[str, Any] = {"physicalLocation": physical}
    if finding.member:
        name = f"{finding.file}!{finding.member}"
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "member"}]
    return location


def _fingerprint(finding: Finding) -> str:
    """The same for the same fault in the same place of a later build of the file."""
    return digest_json([finding.code, finding.file, finding.member, finding.text])
