"""`steelyard disclose states` and `skill`: what they print and refuse, and their statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.cli.main import run
from steelyard.disclosure.states import load_tables
from steelyard.disclosure.states.diagrams import mermaid
from steelyard.standard import check_schema


def test_one_machine_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["disclose", "states", "VFD"]) == 0
    seen = capsys.readouterr()
    assert seen.out == (
        "VFD  Case state, fix path, one for each participant; begins vfd\n"
        "  vfd            vfd  vendor unaware\n"
        "    V                  -> Vfd, sends CV\n"
        "  Vfd            Vfd  vendor aware, no fix\n"
        "    F                  -> VFd, sends CF\n"
        "  VFd            VFd  fix ready\n"
        "    D                  -> VFD, sends CD\n"
        "  VFD            VFD  fix deployed\n"
    )
    assert seen.err.endswith(f"digest {load_tables().digest}\n")


def test_all_machines_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["disclose", "states"]) == 0
    out = capsys.readouterr().out
    for machine in load_tables().machines.values():
        assert f"{machine.id}  {machine.title}, one for each {machine.scope}" in out


def test_tables_are_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["disclose", "states", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    check_schema(whole, "disclosure-machines", where="states")
    assert whole == load_tables().content
    assert run(["disclose", "states", "EM", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    check_schema(one, "disclosure-machines", where="states")
    assert [machine["id"] for machine in one["machines"]] == ["EM"]


def test_a_diagram_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["disclose", "states", "HM", "--diagram"]) == 0
    assert capsys.readouterr().out == mermaid(load_tables().machine("HM")) + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["states", "ZZ"],
            "error: no state machine 'ZZ'\nhint: known: RM, EM, PEC, VFD, PXA, AM, HM\n",
        ),
        (
            ["states", "--diagram"],
            "error: a diagram is of one machine\nhint: steelyard disclose states RM\n",
        ),
        (["skill"], "error: no history was given\nhint: steelyard disclose skill VFDPXA VFPDAX\n"),
        (["skill", "V", "--alpha", "0"], "error: alpha is 0.0, need more than 0 and at most 0.5\n"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["disclose", *arguments]) == 2
    assert capsys.readouterr().err == message


def test_an_impossible_history_cannot_be_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["disclose", "skill", "VFDPXA", "FV"]) == 3
    assert capsys.readouterr().err.startswith("error: 'FV' cannot have happened: F needs V")


def test_skill_is_told_with_its_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["disclose", "skill", *["VFDPXA"] * 10, "VF"]) == 0
    seen = capsys.readouterr()
    rows = {line[:5]: line.split()[3:] for line in seen.out.splitlines()[1:]}
    assert len(rows) == 12
    assert rows["P < X"][:2] == ["10", "10"]
    assert rows["D < P"][-2:] == ["above", "chance"]
    assert "11 closed cases, error 0.05 for all twelve orders together\n" in seen.err
    assert "orders are undecided in some cases; those cases do not count there\n" in seen.err
    assert "too few cases" not in seen.err
    assert run(["disclose", "skill", "VFDPXA"]) == 0
    seen = capsys.readouterr()
    assert "too few cases\n" in seen.out
    assert seen.err.endswith(
        "too few cases: even if the order had held in all of them, chance could explain it\n"
    )


def test_skill_is_printed_as_json_and_read_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "histories.txt"
    source.write_text("VFDPXA\n\n  VFPDAX\n", "utf-8")
    assert run(["disclose", "skill", "V{FP}D", "--from", str(source), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    check_schema(found, "disclosure-skill", where="skill")
    assert found["cases"] == 3
    rows = {row["first"] + row["second"]: row for row in found["desiderata"]}
    assert (rows["FP"]["decided"], rows["FP"]["held"], rows["FP"]["undecided"]) == (2, 2, 1)
