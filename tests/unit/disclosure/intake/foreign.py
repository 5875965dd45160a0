"""Reports as other tools send them, of invented organizations, each in its own format."""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

CSAF: Fields = {
    "document": {
        "category": "csaf_vulnerability_report",
        "csaf_version": "2.1",
        "title": "Assistant follows text in pictures",
        "publisher": {
            "category": "discoverer",
            "name": "Example Red Team",
            "namespace": "https://redteam.example",
            "contact": {"email": "team@redteam.example"},
        },
        "distribution": {"tlp": {"label": "AMBER"}},
        "tracking": {
            "id": "RT-7",
            "initial_release_date": "2026-05-01T10:00:00Z",
            "current_release_date": "2026-05-02T10:00:00Z",
        },
        "notes": [{"category": "summary", "text": "Text in a picture is obeyed."}],
        "references": [
            {"url": "https://redteam.example/7", "summary": "x"},
            {"url": "javascript:alert(1)", "summary": "x"},
        ],
        "acknowledgments": [{"names": ["B. Finder"], "organization": "Example Red Team"}],
    },
    "product_tree": {
        "branches": [
            {
                "category": "vendor",
                "name": "Harbour AI",
                "branches": [
                    {
                        "category": "product_name",
                        "name": "Lantern",
                        "branches": [
                            {
                                "category": "product_version",
                                "name": "4",
                                "product": {
                                    "name": "Harbour AI Lantern 4",
                                    "product_id": "A",
                                    "product_identification_helper": {
                                        "purls": ["pkg:generic/lantern@4"],
                                        "hashes": [
                                            {
                                                "filename": "w",
                                                "file_hashes": [
                                                    {"algorithm": "sha256", "value": "ab" * 32}
                                                ],
                                            }
                                        ],
                                    },
                                },
                            }
                        ],
                    }
                ],
            }
        ],
        "full_product_names": [{"name": "Lantern 5", "product_id": "B"}],
    },
    "vulnerabilities": [
        {
            "title": "Pictures steer the assistant",
            "ids": [{"system_name": "RT", "text": "RT-7.1"}],
            "cwes": [{"id": "CWE-1427", "name": "x", "version": "4.17"}],
            "notes": [{"category": "description", "text": "White text on white is read."}],
            "threats": [{"category": "impact", "details": "Mail is sent."}],
            "remediations": [{"category": "workaround", "details": "Turn pictures off."}],
            "product_status": {
                "known_affected": ["A"],
                "under_investigation": ["B"],
                "fixed": ["C"],
            },
            "discovery_date": "2026-04-01",
        }
    ],
}

OSV: Fields = {
    "schema_version": "1.6.0",
    "id": "OSV-2026-17",
    "modified": "2026-10-08T09:00:00Z",
    "published": "2026-10-01T09:00:00Z",
    "aliases": ["CVE-2026-12345"],
    "summary": "tern-agent runs what a document names",
    "details": "The tool loop does not ask.",
    "affected": [
        {
            "package": {
                "ecosystem": "PyPI",
                "name": "tern-agent",
                "purl": "pkg:pypi/tern-agent",
            },
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.9.2"}]}],
        }
    ],
    "references": [{"type": "WEB", "url": "https://tern.example/1"}],
    "credits": [{"name": "B. Finder"}],
    "database_specific": {"cwe_ids": ["CWE-77"]},
}

GITHUB: Fields = {
    "ghsa_id": "GHSA-aaaa-bbbb-cccc",
    "cve_id": None,
    "summary": "tern-agent runs what a document names",
    "description": "The tool loop does not ask.",
    "cwes": [{"cwe_id": "CWE-77", "name": "x"}],
    "vulnerabilities": [
        {
            "package": {"ecosystem": "pip", "name": "tern-agent"},
            "vulnerable_version_range": "< 0.9.2",
        }
    ],
    "references": ["https://tern.example/1"],
    "credits": [{"user": {"login": "b-finder"}}],
    "published_at": "2026-10-01T09:00:00Z",
}

AVID: Fields = {
    "data_type": "AVID",
    "data_version": "0.3",
    "metadata": {"report_id": "AVID-2026-R0001"},
    "affects": {
        "developer": ["Harbour AI"],
        "deployer": [],
        "artifacts": [{"type": "Model", "name": "Lantern 4"}],
    },
    "problemtype": {
        "classof": "LLM Evaluation",
        "type": "Detection",
        "description": {"lang": "eng", "value": "Pictures steer the assistant"},
    },
    "metrics": [{"name": "rate", "results": {"rate": 0.7}}],
    "references": [{"label": "x", "url": "https://redteam.example/7"}],
    "description": {"lang": "eng", "value": "White text on white is read."},
    "impact": {"cwe": [{"cweId": "CWE-1427"}]},
    "credit": [{"lang": "eng", "value": "B. Finder"}],
    "reported_date": "2026-05-01",
}

FLARE: Fields = {
    "metadata": {"reportType": "flaw", "createdAt": "2026-05-01T10:00:00Z"},
    "reporterDetails": {
        "reporter": {"email": "team@redteam.example"},
        "system": {"platform": "Desk", "models": ["Lantern 4", "Lantern 5"]},
    },
    "incidentDescription": {
        "issueDescription": "Pictures steer the assistant. White text on white is read.",
        "policyViolation": {"reason": "It sends mail without asking."},
    },
    "classifyReport": {"malicious_use": True},
    "impactAssessment": {
        "severityOfHarm": "high",
        "harmTypes": ["privacy", "security"],
        "documentedHarmCwe": "CWE-1427",
    },
    "securityDetails": {"attackerResources": "A picture."},
    "evidence": {"stepsToReproduce": "Show it a picture."},
    "disclosurePlan": {
        "publicDisclosureIntent": "yes",
        "disclosureDatepicker": "2026-09-01",
        "embargoDetails": "90 days",
    },
    "somethingNew": {"x": 1},
}

VINCE: Fields = {
    "contact_name": "B. Finder",
    "contact_org": "Example Red Team",
    "contact_email": "team@redteam.example",
    "credit_release": True,
    "vendor_name": "Harbour AI",
    "multiplevendors": True,
    "other_vendors": "Northwind Models\r\nTern Open Weights",
    "product_name": "Lantern",
    "product_version": "4",
    "ai_ml_system": True,
    "vul_description": "Pictures steer the assistant. White text on white is read.",
    "vul_exploit": "Show it a picture.",
    "vul_impact": "Mail is sent.",
    "vul_discovery": "By chance.",
    "vul_public": False,
    "public_references": "https://redteam.example/7 not-an-address",
    "disclosure_plans": "After 90 days.",
    "tracking": "RT-7",
    "user_file": "picture.png",
    "unknown_field": "x",
}

PLAIN: Fields = {
    "title": "Pictures steer the assistant",
    "description": "White text on white is read.",
    "targets": [{"name": "Lantern", "vendor": "Harbour AI", "version": "4"}],
    "references": ["https://redteam.example/7"],
    "credits": ["B. Finder"],
    "contact": "team@redteam.example",
    "weaknesses": ["CWE-1427"],
    "sharing": "AMBER",
}

ALL: dict[str, Fields] = {
    "csaf 2.1": CSAF,
    "osv": OSV,
    "github": GITHUB,
    "avid": AVID,
    "ai-flaw-report": FLARE,
    "vince": VINCE,
    "plain": PLAIN,
}
