"""Reports, rules and SARIF: what is written about findings."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from steelyard.kernel import canonical_json
from steelyard.standard import check_schema
from steelyard.weights.scan import (
    RULES,
    Finding,
    Report,
    Severity,
    scan_model,
    to_sarif,
)

from .assembling import HARMLESS, checkpoint, text, zipped

# What SARIF 2.1.0 (sections 3.13 to 3.58) requires of the objects that are written here.
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "pattern": r"^[^\s\\]+$"}},
                },
                "region": {
                    "required": ["byteOffset"],
                    "properties": {
                        "byteOffset": {"type": "integer", "minimum": 0},
                        "byteLength": {"type": "integer", "minimum": 0},
                    },
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        },
        "logicalLocations": {
            "type": "array",
            "items": {
                "required": ["fullyQualifiedName"],
                "properties": {
                    "fullyQualifiedName": {"type": "string"},
                    "kind": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
MESSAGE = {
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = {
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "pattern": "^https://.*sarif-schema-2.1.0.json$"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "semanticVersion": {"type": "string"},
                                    "rules": {
                                        "uniqueItems": True,
                                        "items": {
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": MESSAGE,
                                                "help": MESSAGE,
                                                "defaultConfiguration": {
                                                    "properties": {"level": LEVEL},
                                                    "additionalProperties": False,
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "items": {
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": LEVEL,
                                "message": MESSAGE,
                                "locations": {"items": LOCATION},
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                            },
                        }
                    },
                    "invocations": {
                        "items": {
                            "required": ["executionSuccessful"],
                            "additionalProperties": False,
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {
                                    "items": {
                                        "required": ["message"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "descriptor": {"required": ["id"]},
                                            "level": LEVEL,
                                            "message": MESSAGE,
                                            "locations": {"items": LOCATION},
                                        },
                                    }
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}


def test_sarif_has_what_its_standard_requires(spoiled: Path) -> None:
    document: Any = json.loads(json.dumps(to_sarif(scan_model(spoiled), "1.2.3")))
    Draft202012Validator.check_schema(SARIF)
    assert list(Draft202012Validator(SARIF).iter_errors(document)) == []
    (run,) = document["runs"]
    assert run["tool"]["driver"]["semanticVersion"] == "1.2.3"
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == RULES[result["ruleId"]].severity.value
    assert [result["locations"][0] for result in run["results"]] == [
        {"physicalLocation": {"artifactLocation": {"uri": "m.7z"}}},
        {
            "physicalLocation": {"artifactLocation": {"uri": "m.pt"}},
            "logicalLocations": [{"fullyQualifiedName": "m.pt!archive/data.pkl", "kind": "member"}],
        },
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "odd%20name.bin"},
                "region": {"byteOffset": 0, "byteLength": 1},
            }
        },
    ]
    (invocation,) = run["invocations"]
    assert [n["descriptor"]["id"] for n in invocation["toolExecutionNotifications"]] == [
        "archive-unknown"
    ]


def test_a_fingerprint_outlives_the_bytes_around_a_fault(tmp_path: Path) -> None:
    def fingerprints(data: bytes) -> list[str]:
        (tmp_path / "m.bin").write_bytes(data)
        (run,) = to_sarif(scan_model(tmp_path), "1")["runs"]
        return [result["partialFingerprints"]["steelyard/1"] for result in run["results"]]

    first = fingerprints(HARMLESS + b".")
    assert fingerprints(b"N0" + HARMLESS + b".") == first
    assert fingerprints(b"(cos\ngetpid\no.") != first


def test_a_clean_scan_is_a_run_without_results(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(checkpoint())
    (run,) = to_sarif(scan_model(tmp_path), "1")["runs"]
    assert (run["results"], run["invocations"][0]["executionSuccessful"]) == ([], True)


def test_a_report_follows_its_schema(spoiled: Path) -> None:
    report = scan_model(spoiled)
    document = report.to_json()
    check_schema(document, "weights-scan", where="report")
    assert (document["verdict"], document["files"]) == ("blocked", ["m.7z", "m.pt", "odd name.bin"])
    assert document["findings"][1] == {
        "code": "pickle-global",
        "severity": "error",
        "unscanned": False,
        "file": "m.pt",
        "member": "archive/data.pkl",
        "offset": 0,
        "text": "imports os.getenv, which is not on the allowlist",
        "hint": "convert the tensors to safetensors where the file may be trusted to run",
    }
    assert [finding.place for finding in report.findings] == [
        "m.7z", "m.pt!archive/data.pkl at 0", "odd name.bin at 0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        ((), "clean"),
        (("link", "base-remote"), "clean"),
        (("link", "unknown-format"), "unknown"),
        (("unknown-format", "polyglot"), "blocked"),
    ],
)
def test_a_verdict_has_three_values(codes: tuple[str, ...], verdict: str) -> None:
    findings = tuple(Finding(code, "f", "", None, "t") for code in codes)
    assert Report(("f",), findings, ()).verdict == verdict


def test_every_rule_is_documented_as_it_is(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "scan-findings.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.+?) \| (.*?) ?\|$", page, re.MULTILINE)
    assert rows == [
        (r.code, "unknown" if r.unscanned else r.severity.value, r.meaning, r.hint)
        for r in RULES.values()
    ]
    assert all(r.severity is Severity.WARNING for r in RULES.values() if r.unscanned)


def test_every_code_is_given_by_some_line_and_no_other(repository: Path) -> None:
    sources = (repository / "src" / "steelyard" / "weights" / "scan").rglob("*.py")
    trees = [ast.parse(path.read_text("utf-8")) for path in sources]
    given = {code for tree in trees for node in ast.walk(tree) for code in _codes(node)}
    assert given == RULES.keys()


def _codes(node: ast.AST) -> set[str]:
    """Codes that one node of a source gives to a finding."""
    match node:
        case ast.Call(func=ast.Name("Finding" | "Fault"), args=[first, *_]):
            return _texts(first)
        case ast.Call(func=ast.Attribute(attr="finding" | "_fault"), args=[first, *_]):
            return _texts(first)
        case ast.Assign(targets=[ast.Name("code")], value=value):
            return _texts(value)
        case ast.Yield(value=ast.Tuple(elts=[first, *_])):
            return _texts(first)
        case ast.AnnAssign(target=ast.Name("_VERDICTS"), value=ast.Dict(values=values)):
            return {code for pair in values if isinstance(pair, ast.Tuple)
                    for code in _texts(pair.elts[0])}  # fmt: skip
        case _:
            return set()


def _texts(node: ast.expr) -> set[str]:
    """The text that an expression is, or the texts of both its cases."""
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_a_name_cannot_write_lines_of_its_own(tmp_path: Path) -> None:
    name = "os\nclean\x1b[2J"
    data = b"\x80\x04" + text(name) + b"\x8c\x03\xed\xa0\x80" + b"\x93."
    (tmp_path / "m.zip").write_bytes(zipped({"a\rb.pkl": data}))
    report = scan_model(tmp_path)
    assert [finding.text for finding in report.findings] == [
        r"'a\rb.pkl' has control characters",
        r"imports os\nclean\x1b[2J.\ud800, which is not on the allowlist",
    ]
    assert report.findings[1].member == r"a\rb.pkl"
    assert canonical_json(to_sarif(report, "1"))
    check_schema(json.loads(canonical_json(report.to_json())), "weights-scan", where="report")


def test_a_reference_can_be_written_whatever_it_holds(tmp_path: Path) -> None:
    config = b'{"base_model_name_or_path": "\\ud800\\n' + b"x" * 9000 + b'"}'
    (tmp_path / "adapter_config.json").write_bytes(config)
    document = json.loads(canonical_json(scan_model(tmp_path).to_json()))
    check_schema(document, "weights-scan", where="report")
    assert document["references"][0]["target"].startswith(r"\ud800\nxxx")


@pytest.mark.parametrize(
    ("key", "written", "said"),
    [
        ("\ud800_name_or_path", r"\ud800_name_or_path", r"\ud800_name_or_path"),
        ("\n" * 9000 + "_name_or_path", r"\n" * 512, r"\n" * 80),
    ],
)
def test_a_key_can_be_written_whatever_it_holds(
    tmp_path: Path, key: str, written: str, said: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({key: "acme/base"}), "utf-8")
    report = scan_model(tmp_path)
    document = json.loads(canonical_json(report.to_json()))
    check_schema(document, "weights-scan", where="report")
    assert document["references"][0]["key"] == written
    assert document["findings"][0]["text"] == f"{said} refers to 'acme/base', not pinned"
    assert canonical_json(to_sarif(report, "1"))


def test_a_key_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"": ["os", "system"]}', "utf-8")
    report = scan_model(tmp_path)
    check_schema(json.loads(canonical_json(report.to_json())), "weights-scan", where="report")
    assert [finding.text for finding in report.findings] == [
        "the empty key refers to '/os.py', which is not there"
    ]


def test_members_in_archives_have_their_path(tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(zipped({"a.zip": zipped({"b.pkl": HARMLESS + b"."})}))
    (finding,) = scan_model(tmp_path).findings
    assert (finding.member, finding.place) == ("a.zip!b.pkl", "m.zip!a.zip!b.pkl at 0")


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"nu\xffm.bin")
    path.write_bytes(b"x")
    report = scan_model(path)
    assert report.verdict == "unknown"
    assert [(f.code, f.file) for f in report.findings] == [("unreadable", r"nu\udcffm.bin")]
    document: Any = json.loads(canonical_json(to_sarif(report, "1")))
    (result,) = document["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "nu%5Cudcffm.bin"
    }
    check_schema(json.loads(canonical_json(report.to_json())), "weights-scan", where="report")
