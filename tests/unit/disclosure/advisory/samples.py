"""Advisories of invented organizations: one that uses everything, and arbitrary ones."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from steelyard.disclosure.advisory import Advisory, Occasion, advisory_from
from steelyard.kernel import format_instant

Fields = dict[str, Any]
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
OCCASION = Occasion(AT)
COMMIT = "9c1d2f7b0a3e4d5f6a7b8c9d0e1f2a3b4c5d6e7f"
DIGEST = "0f3a1c5d7e9b2a4c6e8f0a1b3c5d7e9f0a2b4c6d8e0f1a3b5c7d9e0f2a4b6c8d"
REPRODUCER = "11" * 32

_FULL: Fields = {
    "schema": "steelyard/advisory/1",
    "id": "EX-SA-2026-0001",
    "title": "Text in documents steers three assistants",
    "status": "final",
    "tlp": "CLEAR",
    "lang": "en",
    "publisher": {
        "name": "Example Coordination Centre",
        "category": "coordinator",
        "namespace": "https://coordination.example",
        "contact": "psirt@coordination.example",
        "authority": "Named by its members to coordinate.",
        "cna_org_id": "6f1d3f0a-0b5e-4d51-9a3b-2f5b0c1d2e3f",
    },
    "revisions": [
        {"number": 1, "at": "2026-10-01T09:00:00Z", "summary": "First publication."},
        {"number": 2, "at": "2026-10-08T09:00:00Z", "summary": "A mitigation is known."},
    ],
    "timeline": [{"at": "2026-07-01", "event": "reported", "text": "Reported to the centre."}],
    "summary": "Text in a shared document is followed as if the user had written it.",
    "details": "Found while a mail assistant was tested.",
    "impact": "A document can make the assistant send it to others.",
    "legal": "Given as it is.",
    "targets": [
        {
            "id": "T1",
            "kind": "model",
            "vendor": "Northwind Models",
            "name": "Gale",
            "version": "2026-06-30",
            "uris": [
                {
                    "namespace": "https://northwind.example/models",
                    "uri": "urn:example:northwind:gale-2026-06-30",
                }
            ],
        },
        {
            "id": "T2",
            "kind": "model",
            "vendor": "Tern Open Weights",
            "name": "Tern-7B",
            "version": "1.2",
            "purl": f"pkg:huggingface/tern-open/tern-7b@{COMMIT}",
            "weights": [{"file": "model.safetensors", "sha256": DIGEST}],
        },
        {"id": "T3", "kind": "model", "vendor": "Harbour AI", "name": "Lantern", "version": "4"},
        {"id": "T4", "kind": "model", "vendor": "Harbour AI", "name": "Lantern", "version": "5"},
        {"id": "T5", "kind": "system", "vendor": "Harbour AI", "name": "Desk", "version": "7"},
        {
            "id": "P1",
            "kind": "package",
            "vendor": "Tern Open Weights",
            "name": "tern-agent",
            "version": "0.9.1",
            "purl": "pkg:pypi/tern-agent@0.9.1",
            "package": {
                "ecosystem": "PyPI",
                "name": "tern-agent",
                "introduced": "0.8.0",
                "fixed": "0.9.2",
            },
        },
    ],
    "findings": [
        {
            "id": "F1",
            "title": "Instructions in documents are followed",
            "description": "The model treats quoted text as the user's own words.",
            "flaw_class": "indirect prompt injection",
            "cwe": [
                {
                    "id": "CWE-1427",
                    "name": "Improper Neutralization of Input Used for LLM Prompting",
                }
            ],
            "discovered": "2026-06-20",
            "reproducer": REPRODUCER,
            "affectedness": [
                {
                    "target": "T1",
                    "verdict": "affected",
                    "publish": "counts",
                    "rate": {
                        "successes": 31,
                        "tries": 40,
                        "low": 0.615,
                        "high": 0.892,
                        "coverage": 0.95,
                    },
                    "band": [0.5, 1.0],
                },
                {"target": "T2", "verdict": "not_affected", "why": "No try succeeded."},
                {"target": "T3", "verdict": "silent", "asked_at": "2026-07-02"},
                {"target": "T4", "verdict": "not_checked"},
                {"target": "T5", "verdict": "undetermined", "publish": "band", "band": [0.0, 0.2]},
            ],
            "unnamed": {"affected": 4, "not_affected": 2, "silent": 3},
            "mitigations": [
                {
                    "category": "mitigation",
                    "details": "Mark quoted text, and ask before sending.",
                    "targets": ["T1"],
                    "at": "2026-10-07",
                    "url": "https://northwind.example/notes/7",
                    "verification": "At most 3 % of 60 sealed variants at 95 %.",
                }
            ],
            "avid": {
                "risk_domain": ["Security"],
                "sep_view": ["S0400: Model Bypass"],
                "lifecycle_view": ["L06: Deployment"],
                "taxonomy_version": "0.2",
            },
        },
        {
            "id": "F2",
            "title": "tern-agent runs what a document names",
            "description": "The tool loop runs a command without asking.",
            "software_fault": True,
            "cve": "CVE-2026-12345",
            "osv_id": "OSV-2026-17",
            "cwe": [
                {
                    "id": "CWE-77",
                    "name": "Improper Neutralization of Special Elements used in a Command"
                    " ('Command Injection')",
                }
            ],
            "affectedness": [
                {"target": "P1", "verdict": "affected"},
                {"target": "T2", "verdict": "fixed"},
            ],
        },
    ],
    "references": [{"summary": "Report", "url": "https://coordination.example/reports/1"}],
    "credits": [
        {"names": ["A. Finder"], "organization": "Example Red Team", "summary": "found it"}
    ],
}


def full() -> Fields:
    """A document that uses every field; a copy that a test may change."""
    return copy.deepcopy(_FULL)


def advisory(document: Fields | None = None) -> Advisory:
    """The advisory of a document; of the full one by default."""
    return advisory_from(full() if document is None else document, where="a.yaml")


# Letters with and without Latin shape, marks of every kind of carrier, and unseen characters.
_ALPHABET = "abzÀé漢字\u0430\u0431\u03b2 0189.,:;-_'\"<>&=+@#%\\/\u202e\u200b\x1b\t\n\r\u2028"
_words = st.text(_ALPHABET, max_size=40).map(lambda text: f"x{text}y")
_lines = _words.map(lambda text: " ".join(text.split()).replace("\x1b", ""))
_versions = st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3}){0,2}(-rc[0-9])?", fullmatch=True)
_shares = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
_CWES = (
    ("CWE-1427", "Improper Neutralization of Input Used for LLM Prompting"),
    ("CWE-200", "Exposure of Sensitive Information to an Unauthorized Actor"),
    ("CWE-863", "Incorrect Authorization"),
)


@st.composite
def _rates(draw: st.DrawFn) -> Fields:
    tries = draw(st.integers(1, 500))
    successes = draw(st.integers(0, tries))
    share = successes / tries
    low = share * draw(_shares)
    high = share + (1 - share) * draw(_shares)
    coverage = draw(st.sampled_from([0.9, 0.95, 0.99]))
    return {
        "successes": successes,
        "tries": tries,
        "low": low,
        "high": high,
        "coverage": coverage,
    }


@st.composite
def _rows(draw: st.DrawFn, target: str) -> Fields:
    verdict = draw(
        st.sampled_from(
            ["affected", "not_affected", "fixed", "undetermined", "not_checked", "silent"]
        )
    )
    row: Fields = {"target": target, "verdict": verdict}
    if verdict == "silent":
        row["asked_at"] = "2026-07-02"
    elif verdict != "not_checked":
        if draw(st.booleans()):
            row["rate"] = draw(_rates())
            row["band"] = [0.0, 0.5]
            row["publish"] = draw(st.sampled_from(["verdict", "band", "counts"]))
        if draw(st.booleans()):
            row["why"] = draw(_words)
    if verdict == "not_affected" and draw(st.booleans()):
        row["justification"] = draw(
            st.sampled_from(["component_not_present", "inline_mitigations_already_exist"])
        )
    return row


@st.composite
def _mitigations(draw: st.DrawFn, rows: list[Fields]) -> list[Fields]:
    found: list[Fields] = []
    for row in rows:
        if row["verdict"] in {"affected", "undetermined", "silent", "not_checked"}:
            kinds = st.sampled_from(
                [(), ("mitigation",), ("workaround", "vendor_fix"), ("no_fix_planned",)]
            )
            found += [
                {"category": kind, "details": draw(_words), "targets": [row["target"]]}
                for kind in draw(kinds)
            ]
    return found


@st.composite
def _targets(draw: st.DrawFn, number: int) -> Fields:
    kind = draw(st.sampled_from(["model", "system", "package"]))
    target: Fields = {
        "id": f"T{number}",
        "kind": kind,
        "vendor": draw(_lines),
        "name": f"{draw(_lines)} {number}",
        "version": draw(_versions),
    }
    if kind == "package":
        target["package"] = {"ecosystem": "npm", "name": f"pack-{number}"}
        target["purl"] = f"pkg:npm/pack-{number}@{target['version']}"
    elif draw(st.booleans()):
        target["weights"] = [
            {"file": f"part-{part}.safetensors", "sha256": DIGEST}
            for part in range(draw(st.integers(1, 3)))
        ]
    return target


@st.composite
def _findings(draw: st.DrawFn, number: int, targets: list[Fields]) -> Fields:
    chosen = draw(st.lists(st.sampled_from([t["id"] for t in targets]), min_size=1, unique=True))
    rows = [draw(_rows(target)) for target in chosen]
    finding: Fields = {
        "id": f"F{number}",
        "title": draw(_lines),
        "description": draw(_words),
        "affectedness": rows,
        "software_fault": draw(st.booleans()),
        "osv_id": f"OSV-2026-{number}",
        "unnamed": {"affected": draw(st.integers(0, 5)), "silent": draw(st.integers(0, 5))},
    }
    cwes = draw(st.lists(st.sampled_from(_CWES), max_size=3, unique=True))
    if cwes:
        finding["cwe"] = [{"id": cwe, "name": name} for cwe, name in cwes]
    if draw(st.booleans()):
        finding["cve"] = f"CVE-2026-{1000 + number}"
    if mitigations := draw(_mitigations(rows)):
        finding["mitigations"] = mitigations
    return finding


@st.composite
def documents(draw: st.DrawFn) -> Fields:
    """Arbitrary documents of the schema that keep the rules."""
    document = full()
    for name in ("timeline", "details", "impact", "legal", "references", "credits"):
        if draw(st.booleans()):
            del document[name]
    status = draw(st.sampled_from(["draft", "interim", "final"]))
    document |= {"status": status, "title": draw(_lines), "summary": draw(_words)}
    document["tlp"] = draw(st.sampled_from(["CLEAR", "GREEN", "AMBER", "RED"]))
    document["lang"] = draw(st.sampled_from(["en", "de", "ja", "en-GB"]))
    count = 1 if status == "draft" else draw(st.integers(1, 4))
    first = 0 if status == "draft" else 1
    document["revisions"] = [
        {
            "number": first + number,
            "at": format_instant(AT - timedelta(days=90 - number)),
            "summary": draw(_lines),
        }
        for number in range(count)
    ]
    targets = [draw(_targets(number)) for number in range(draw(st.integers(1, 5)))]
    document["targets"] = targets
    document["findings"] = [
        draw(_findings(number, targets)) for number in range(draw(st.integers(1, 3)))
    ]
    return document
