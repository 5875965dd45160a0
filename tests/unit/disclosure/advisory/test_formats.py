"""OpenVEX, OSV, AVID, CVE, Atom and the table: mapping, refusals, and the readers of others."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator, FormatChecker

from steelyard.disclosure.advisory import ALL, FORMATS, ExportedFile, advisory_from, export
from steelyard.disclosure.advisory.atom import affectedness_csv, atom
from steelyard.disclosure.advisory.avid import avid
from steelyard.disclosure.advisory.cve import cve
from steelyard.disclosure.advisory.formats import survey
from steelyard.disclosure.advisory.openvex import openvex
from steelyard.disclosure.advisory.osv import osv
from steelyard.kernel.errors import NotSatisfied

from .oracles import on_wheels
from .samples import COMMIT, OCCASION, Fields, advisory, documents, full

_bounded = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
_ATOM = "{http://www.w3.org/2005/Atom}"
_VEX_READER = """
import json, sys
from vexipy import Document
for line in sys.stdin:
    print(json.dumps([s.status.value for s in Document.from_json(line).statements]))
"""
_AVID_READER = """
import json, sys
from avidtools.datamodels.report import Report
for line in sys.stdin:
    value = json.loads(line)
    print(Report.model_validate(value).model_dump(exclude_none=True, mode="json") == value)
"""


def written(files: Iterable[ExportedFile]) -> list[Fields]:
    return [json.loads(file.data) for file in files]


def test_openvex_has_a_statement_for_each_finding_and_target() -> None:
    [value] = written(openvex(advisory(), OCCASION).files)
    statements = value["statements"]
    assert [(s["products"][0]["@id"], s["status"]) for s in statements] == [
        ("urn:example:northwind:gale-2026-06-30", "affected"),
        (f"pkg:huggingface/tern-open/tern-7b@{COMMIT}", "not_affected"),
        ("https://coordination.example/targets/EX-SA-2026-0001/T3", "under_investigation"),
        ("https://coordination.example/targets/EX-SA-2026-0001/T4", "under_investigation"),
        ("https://coordination.example/targets/EX-SA-2026-0001/T5", "under_investigation"),
        ("pkg:pypi/tern-agent@0.9.1", "affected"),
        (f"pkg:huggingface/tern-open/tern-7b@{COMMIT}", "fixed"),
    ]
    assert statements[2]["status_notes"] != statements[3]["status_notes"]
    assert "justification" not in statements[1]
    assert statements[5]["action_statement"] == "No mitigation is known to the publisher."
    assert statements[5]["vulnerability"]["name"] == "CVE-2026-12345"
    assert statements[5]["vulnerability"]["aliases"] == ["EX-SA-2026-0001#F2"]


def test_another_library_reads_the_openvex_document() -> None:
    [value] = written(openvex(advisory(), OCCASION).files)
    read = on_wheels(("vexipy-*.whl", "rfc3987-*.whl"), _VEX_READER, json.dumps(value))
    assert json.loads(read)[:3] == ["affected", "not_affected", "under_investigation"]


def test_osv_is_of_packages() -> None:
    made = osv(advisory(), OCCASION)
    [value] = written(made.files)
    assert value["id"] == "OSV-2026-17"
    assert value["aliases"] == ["CVE-2026-12345"]
    assert value["affected"] == [
        {
            "package": {
                "ecosystem": "PyPI",
                "name": "tern-agent",
                "purl": "pkg:pypi/tern-agent",
            },
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0.8.0"}, {"fixed": "0.9.2"}]}
            ],
            "database_specific": {"status_notes": "affected."},
        }
    ]
    assert made.left_out[-1] == (
        "EX-SA-2026-0001#F2: Tern Open Weights Tern-7B 1.2 left out: OSV describes packages, and"
        " has no ecosystem of models"
    )


def test_osv_refuses_an_advisory_of_models_with_the_reason() -> None:
    document = full()
    del document["findings"][1]
    with pytest.raises(NotSatisfied) as caught:
        osv(advisory(document), OCCASION)
    assert caught.value.message == (
        "nothing here is for OSV: EX-SA-2026-0001#F1: Northwind Models Gale 2026-06-30, Tern Open"
        " Weights Tern-7B 1.2, Harbour AI Lantern 4, Harbour AI Lantern 5, Harbour AI Desk 7 left"
        " out: OSV describes packages, and has no ecosystem of models"
    )
    assert caught.value.hint == "use csaf or openvex for models"


@_bounded
@given(documents())
def test_osv_records_follow_the_published_schema(
    published_schema: Callable[[str], dict[str, Any]], document: Fields
) -> None:
    schema = published_schema("osv/osv-schema/validation/schema.json")
    validator = Draft7Validator(schema, format_checker=FormatChecker())
    read = advisory_from(document, where="any")
    try:
        files = osv(read, OCCASION).files
    except NotSatisfied:
        files = ()
    for value in written(files):
        assert list(validator.iter_errors(value)) == []
        assert all(entry["package"]["name"] for entry in value["affected"])


def test_a_cve_draft_is_only_of_software() -> None:
    made = cve(advisory(), OCCASION)
    [value] = written(made.files)
    assert value["affected"] == [
        {
            "vendor": "Tern Open Weights",
            "product": "tern-agent",
            "packageURL": "pkg:pypi/tern-agent",
            "versions": [
                {
                    "version": "0.8.0",
                    "status": "affected",
                    "lessThan": "0.9.2",
                    "versionType": "custom",
                }
            ],
            "defaultStatus": "unknown",
        }
    ]
    assert made.left_out == (
        "EX-SA-2026-0001#F1: no software is at fault (software_fault)",
        "EX-SA-2026-0001#F2: Tern Open Weights Tern-7B 1.2 is a model",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"software_fault": False}, "no software is at fault (software_fault)"),
        (
            {"affectedness": [{"target": "T1", "verdict": "affected"}]},
            "every target is a model; CVE is for frameworks and applications",
        ),
    ],
)
def test_a_flaw_of_models_gets_no_cve_draft(change: Fields, reason: str) -> None:
    document = full()
    document["findings"] = [document["findings"][1] | change]
    with pytest.raises(NotSatisfied) as caught:
        cve(advisory(document), OCCASION)
    assert caught.value.message == f"nothing here is for CVE: EX-SA-2026-0001#F2: {reason}"
    assert caught.value.hint == (
        "software_fault: true belongs to flaws of frameworks and applications"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"references": None}, "a CVE record needs a public reference, and the advisory has none"),
        (
            {"lang": "de"},
            "a CVE record needs an English description, and the advisory is in 'de'",
        ),
    ],
)
def test_a_cve_draft_needs_a_reference_and_english(change: Fields, reason: str) -> None:
    document = {key: value for key, value in (full() | change).items() if value is not None}
    document["findings"] = [document["findings"][1]]
    with pytest.raises(NotSatisfied) as caught:
        cve(advisory(document), OCCASION)
    assert caught.value.message == f"nothing here is for CVE: EX-SA-2026-0001#F2: {reason}"
    assert survey(advisory(document), OCCASION)["cve"] == [caught.value.message]


@_bounded
@given(documents())
def test_cve_drafts_follow_the_published_schema(
    published_schema: Callable[[str], dict[str, Any]], document: Fields
) -> None:
    schema = published_schema("cvelib/schemas/CVE_JSON_cnaPublishedContainer_5.1.1.json")
    validator = Draft7Validator(schema, format_checker=FormatChecker())
    read = advisory_from(document, where="any")
    try:
        files = cve(read, OCCASION).files
    except NotSatisfied:
        files = ()
    for value in written(files):
        assert [error.message for error in validator.iter_errors(value)] == []
        assert value["providerMetadata"] == {"orgId": "6f1d3f0a-0b5e-4d51-9a3b-2f5b0c1d2e3f"}


def test_avid_reports_name_what_is_affected_and_rates_that_may_be_shown() -> None:
    first, second = written(avid(advisory(), OCCASION).files)
    assert first["affects"] == {
        "developer": ["Northwind Models"],
        "deployer": [],
        "artifacts": [{"type": "Model", "name": "Gale 2026-06-30"}],
    }
    assert [metric["results"] for metric in first["metrics"]] == [
        {
            "target": "Northwind Models Gale 2026-06-30",
            "successes": 31,
            "tries": 40,
            "interval": [0.615, 0.892],
            "coverage": 0.95,
        },
        {"target": "Harbour AI Desk 7", "band": [0.0, 0.2]},
    ]
    assert first["impact"]["cwe"][0]["cweId"] == "CWE-1427"
    assert second["problemtype"]["classof"] == "CVE Entry"


def test_avids_own_model_reads_the_reports_and_loses_nothing() -> None:
    reports = written(avid(advisory(), OCCASION).files)
    lines = "\n".join(json.dumps(report) for report in reports)
    read = on_wheels(("avidtools-*.whl",), _AVID_READER, lines)
    assert read.split() == ["True", "True"]


@_bounded
@given(documents())
def test_any_advisory_is_well_formed_atom_without_markup(document: Fields) -> None:
    read = advisory_from(document, where="any")
    [file] = atom(read, OCCASION).files
    feed = ET.fromstring(file.data)  # noqa: S314 - our own output
    assert feed.tag == f"{_ATOM}feed"
    required = ("id", "title", "updated", "author")
    assert all(feed.find(f"{_ATOM}{name}") is not None for name in required)
    content = feed.find(f"{_ATOM}entry/{_ATOM}content")
    assert content is not None
    assert content.get("type") == "text"
    assert list(content) == []
    assert read.summary in (content.text or "")


@_bounded
@given(documents())
def test_any_advisory_is_a_table_that_calculates_nothing(document: Fields) -> None:
    read = advisory_from(document, where="any")
    [file] = affectedness_csv(read, OCCASION).files
    rows = list(csv.reader(io.StringIO(file.data.decode(), newline=""), strict=True))
    assert {len(row) for row in rows} == {12}
    assert len(rows) == 1 + sum(len(finding.rows) for finding in read.findings)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_all_leaves_out_what_refuses_and_one_format_does_not() -> None:
    document = full() | {"tlp": "AMBER+STRICT"}
    made = export(advisory(document), ALL, OCCASION, ())
    assert made.left_out[0].startswith("csaf: CSAF 2.0 has no label for TLP:AMBER+STRICT")
    assert {file.path.partition("/")[0] for file in made.files} == {
        "openvex", "avid", "cve", "osv", "atom.xml", "csv",
    }  # fmt: skip
    with pytest.raises(NotSatisfied):
        export(advisory(document), ("csaf",), OCCASION, ())
    assert set(survey(advisory(document), OCCASION)) == set(FORMATS)
