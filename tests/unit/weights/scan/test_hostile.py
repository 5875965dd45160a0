"""Every hostile construction, each written to disk and scanned as a model: none is clean."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

from steelyard.weights.scan import Report, scan_model

from .assembling import HARMLESS, called
from .hostile_archives import ARCHIVES
from .hostile_formats import FORMATS
from .hostile_pickles import ADVISED, PICKLES
from .hostile_readings import READINGS
from .hostile_texts import JSONS, TEMPLATES, UNREAD_YAMLS, YAMLS, template_in_config


def scanned(folder: Path, name: str, data: bytes) -> Report:
    (folder / name).write_bytes(data)
    return scan_model(folder)


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


# Prose could read so too, and an unpickler fails at it.
HARMLESS_AS_TEXT = {"carriage return in a name", "persistent id of text"}


@pytest.mark.parametrize("trick", PICKLES)
def test_a_hostile_pickle_is_found(tmp_path: Path, trick: str) -> None:
    data, code = PICKLES[trick]
    report = scanned(tmp_path, "pytorch_model.bin", data)
    assert report.verdict == "blocked"
    assert code in codes(report)


@pytest.mark.parametrize("trick", sorted(PICKLES.keys() - HARMLESS_AS_TEXT))
def test_a_hostile_pickle_is_found_under_any_name(tmp_path: Path, trick: str) -> None:
    data, code = PICKLES[trick]
    report = scanned(tmp_path, "notes", data)
    assert report.verdict == "blocked"
    # Without PROTO and without an ending, a file is told to be a pickle in disguise.
    assert codes(report) & {code, "polyglot"}


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("notes.txt", "polyglot", "read as a pickle, it has"),
        ("iris.data", "pickle-global", "it breaks off:"),
        ("tokenizer.model", "pickle-global", "it breaks off:"),
    ],
)
def test_opcodes_that_do_nothing_do_not_hide_a_call(
    tmp_path: Path, name: str, code: str, said: str
) -> None:
    assert codes(scanned(tmp_path, name, b"N0" * 50_000 + HARMLESS + b".")) == {code}
    report = scanned(tmp_path, name, b"N0" * 2_100_000 + HARMLESS + b".")
    assert [(finding.code, finding.text) for finding in report.findings] == [
        ("pickle-broken", f"{said} more than 4000000 opcodes")
    ]
    assert report.verdict == "unknown"


@pytest.mark.parametrize("advised", ADVISED)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_name_of_an_advisory_is_found(tmp_path: Path, advised: str, protocol: int) -> None:
    module, name = advised.split(" ")
    report = scanned(tmp_path, "model.pkl", called(module, name, "X", protocol=protocol))
    assert [(f.code, f.text) for f in report.findings] == [
        ("pickle-global", f"imports {module}.{name}, which is not on the allowlist")
    ]


@pytest.mark.parametrize("trick", ARCHIVES)
def test_a_hostile_archive_is_found(tmp_path: Path, trick: str) -> None:
    name, data, code = ARCHIVES[trick]
    report = scanned(tmp_path, name, data)
    assert report.verdict != "clean"
    assert code in codes(report)


@pytest.mark.parametrize("trick", FORMATS)
def test_a_hostile_file_of_another_format_is_found(tmp_path: Path, trick: str) -> None:
    name, data, code = FORMATS[trick]
    report = scanned(tmp_path, name, data)
    assert report.verdict != "clean"
    assert code in codes(report)


@pytest.mark.parametrize("trick", READINGS)
def test_a_file_that_two_readers_read_differently_is_found(tmp_path: Path, trick: str) -> None:
    name, data, code = READINGS[trick]
    report = scanned(tmp_path, name, data)
    assert report.verdict != "clean"
    assert code in codes(report)


@pytest.mark.parametrize("name", ["model_config.yaml", "hparams.yml", "MLmodel"])
@pytest.mark.parametrize("trick", YAMLS)
def test_yaml_that_hides_a_target_blocks(tmp_path: Path, trick: str, name: str) -> None:
    report = scanned(tmp_path, name, YAMLS[trick])
    assert report.verdict == "blocked"
    assert codes(report) <= {"config-code", "config-malformed"}


@pytest.mark.parametrize("trick", UNREAD_YAMLS)
def test_yaml_that_cannot_be_read_is_unknown(tmp_path: Path, trick: str) -> None:
    report = scanned(tmp_path, "c.yaml", UNREAD_YAMLS[trick])
    assert (report.verdict, codes(report)) == ("unknown", {"config-unread"})


@pytest.mark.parametrize("trick", JSONS)
def test_a_configuration_that_reaches_out_blocks(tmp_path: Path, trick: str) -> None:
    name, value = JSONS[trick]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    report = scanned(tmp_path, name, json.dumps(value).encode())
    assert report.verdict == "blocked"
    assert codes(report) <= {"config-code", "config-path", "code-at-load", "code-remote"}


@pytest.mark.parametrize("trick", TEMPLATES)
def test_a_template_that_computes_names_blocks(tmp_path: Path, trick: str) -> None:
    report = scanned(tmp_path, "tokenizer_config.json", template_in_config(TEMPLATES[trick]))
    assert (report.verdict, codes(report)) == ("blocked", {"template-code"})


def test_the_constructions_are_as_many_as_documented(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "scan-findings.md").read_text("utf-8")
    texts = len(YAMLS) + len(UNREAD_YAMLS) + len(JSONS) + len(TEMPLATES)
    counts = (len(PICKLES), len(ADVISED), len(ARCHIVES), len(FORMATS), len(READINGS), texts)
    nouns = r"(\d+) (?:tricks|names|archives|files|constructions|configurations)\b"
    assert re.findall(nouns, page) == list(map(str, counts))


def test_the_call_in_these_files_is_harmless_and_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD", "weighed")
    assert pickle.loads(PICKLES["protocol 0"][0]) == "weighed"  # noqa: S301 - made here
    assert pickle.loads(PICKLES["name with escapes of STRING"][0]) is None  # noqa: S301
