"""`steelyard disclose deadlines`: what it prints, writes and refuses, and its statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.main import run
from steelyard.disclosure.deadlines.record import read_record
from steelyard.standard import check_schema

HEAD = "schema: steelyard/disclosure-facts/1\nsubject: case-1\n"
SENT = 'submissions:\n  - {rules: [cra-14-2-a], at: "2026-09-14T12:00:00Z"}\n'


@pytest.fixture
def path(tmp_path: Path, cra: str) -> Path:
    file = tmp_path / "facts.yaml"
    file.write_text(HEAD + cra + SENT, "utf-8")
    return file


def ask(path: Path, at: str, *more: str) -> int:
    return run(["disclose", "deadlines", str(path), "--at", at, *more])


def test_deadlines_are_printed_with_both_instants(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(path, "2026-09-15T12:00:00Z") == 0
    seen = capsys.readouterr()
    assert seen.out.startswith(
        "case-1 at 2026-09-15T12:00:00Z\n"
        "CRA early warning, exploited vulnerability: met\n"
        "  act by   2026-09-15T08:20:00Z  Tue 2026-09-15 10:20:00 CEST Europe/Berlin\n"
        "  expires  2026-09-15T09:00:00Z  Tue 2026-09-15 11:00:00 CEST Europe/Berlin\n"
        "  sent     2026-09-14T12:00:00Z  Mon 2026-09-14 14:00:00 CEST Europe/Berlin\n"
        "  early warning notification to CSIRT designated as coordinator and ENISA, "
        "through the single reporting platform\n"
        "  24 hours; Regulation (EU) 2024/2847, Article 14(2)(a) (cra-14-2-a)\n"
    )
    assert "note: no public holidays were declared" in seen.err
    assert "UNCONFIRMED" not in seen.out + seen.err
    assert seen.err.endswith("1 open, 4 waiting, 1 met\n")


def test_rules_that_were_set_aside_are_printed_with_the_reason(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(path, "2026-09-15T12:00:00Z") == 0
    assert (
        "AI Act death of a person: set aside\n"
        "  nothing has started it, and nobody stated: eu-high-risk-provider, death (ai-act-73-4)\n"
    ) in capsys.readouterr().out


def test_what_was_missed_ends_with_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(path, "2026-09-17T09:00:00Z") == 1
    assert capsys.readouterr().err.endswith("not satisfied: 1 missed or late\n")


def test_the_document_follows_its_schema(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(path, "2026-09-17T09:00:00Z", "--json") == 1
    found: Any = json.loads(capsys.readouterr().out)
    check_schema(found, "disclosure-deadlines", where="deadlines")
    assert [row["status"] for row in found["deadlines"][:2]] == ["met", "missed"]


def test_the_record_outlives_a_clock_set_back(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.json"
    assert ask(path, "2026-09-17T09:00:00Z", "--record", str(record)) == 1
    assert list(read_record(record.read_bytes(), where="r").missed) == ["cra-14-2-b@1#1"]
    kept = record.read_bytes()
    assert ask(path, "2026-09-15T00:00:00Z", "--record", str(record)) == 1
    assert record.read_bytes() == kept
    assert (
        "warning: the record was asked about 2026-09-17T09:00:00Z already, "
        "later than 2026-09-15T00:00:00Z\n" in capsys.readouterr().err
    )


def test_a_calendar_file_is_written(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "deadlines.ics"
    assert ask(path, "2026-09-15T12:00:00Z", "--ics", str(target)) == 0
    data = target.read_bytes()
    assert data.startswith(b"BEGIN:VCALENDAR\r\n")
    assert data.count(b"BEGIN:VEVENT") == 2


def test_unconfirmed_rules_are_marked_and_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "facts.yaml"
    event = '  - {event: critical-incident-discovered, at: "2026-09-14T12:00:00-07:00"}\n'
    file.write_text(f"{HEAD}events:\n{event}", "utf-8")
    assert ask(file, "2027-09-15T12:00:00Z") == 0
    seen = capsys.readouterr()
    assert "[UNCONFIRMED] [APPLIES ONLY IF] SB 53 critical safety incident: missed\n" in seen.out
    assert "  applies only if: california-frontier-developer\n" in seen.out
    assert "note: [UNCONFIRMED] was not read in the act itself" in seen.err
    assert seen.err.endswith("1 that apply only if something holds\n")


def test_without_an_instant_the_clock_is_asked(path: Path) -> None:
    # Every period of 2026 is over by now or still open: either way it is decided.
    assert run(["disclose", "deadlines", str(path)]) in (0, 1)


@pytest.mark.parametrize(
    ("content", "at", "status", "message"),
    [
        (b"\xff", "2026-09-15", 2, "facts.yaml: not UTF-8"),
        (b"a: [", "2026-09-15", 2, "facts.yaml: not YAML"),
        (b"subject: x\n", "2026-09-15", 2, "facts.yaml: top level: "),
        (None, "soon", 2, "error: --at: 'soon' is no date"),
    ],
)
def test_bad_input_is_refused(
    path: Path,
    content: bytes | None,
    at: str,
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        path.write_bytes(content)
    assert ask(path, at) == status
    assert message in capsys.readouterr().err


def test_a_record_that_is_none_is_not_overwritten(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.json"
    record.write_bytes(b"{}")
    assert ask(path, "2026-09-15T12:00:00Z", "--record", str(record)) == 3
    assert record.read_bytes() == b"{}"
    assert "record.json" in capsys.readouterr().err
