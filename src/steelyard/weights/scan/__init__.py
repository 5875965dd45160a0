"""Scanning a model before anything loads it: what it would run, pull in, or hide.

Reads bytes and follows pickles without executing any. Against an allowlist, not a list of
known evils; what cannot be scanned is told as such. Findings: `spec/scan-findings.md`.
"""

from steelyard.weights.scan.files import scan_source
from steelyard.weights.scan.finding import Finding
from steelyard.weights.scan.references import Reference
from steelyard.weights.scan.report import Report, scan_model, with_opinions
from steelyard.weights.scan.rules import RULES, Rule, Severity
from steelyard.weights.scan.sarif import to_sarif
from steelyard.weights.scan.second_opinion import Opinion, ask_fickling

__all__ = [
    "RULES",
    "Finding",
    "Opinion",
    "Reference",
    "Report",
    "Rule",
    "Severity",
    "ask_fickling",
    "scan_model",
    "scan_source",
    "to_sarif",
    "with_opinions",
]
