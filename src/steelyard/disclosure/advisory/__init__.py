"""Advisories: what leaves when an embargo ends, in the formats that security teams read.

Decides spec/disclosure-advisory.md. Who may publish, and when, is decided by the case.
"""

from steelyard.disclosure.advisory.export import Export, ExportedFile, Occasion
from steelyard.disclosure.advisory.formats import ALL, FORMATS, export, lint_files
from steelyard.disclosure.advisory.linter import Payload, Tier, find_overlaps, require_clean
from steelyard.disclosure.advisory.model import Advisory, Verdict
from steelyard.disclosure.advisory.payloads import payloads_in
from steelyard.disclosure.advisory.provider import OpenPgp, Site, publish
from steelyard.disclosure.advisory.reading import advisory_from, read_advisory

__all__ = [
    "ALL",
    "FORMATS",
    "Advisory",
    "Export",
    "ExportedFile",
    "Occasion",
    "OpenPgp",
    "Payload",
    "Site",
    "Tier",
    "Verdict",
    "advisory_from",
    "export",
    "find_overlaps",
    "lint_files",
    "payloads_in",
    "publish",
    "read_advisory",
    "require_clean",
]
