"""`evidence check` and `risk calibrate`: what they print, write, refuse, and their statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.cli.main import run
from steelyard.risk.banks.item_bank import read_bank
from steelyard.standard import check_schema

ITEMS = 40


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twelve models on forty items, in the order of their abilities."""
    draw = np.random.default_rng(4)
    lines = ["model,item,score,public"]
    for model in range(12):
        for item in range(ITEMS):
            chance = 1 / (1 + np.exp(-(model / 3 - 2 + (item - ITEMS / 2) / 10)))
            lines.append(f"m{model:02},i{item:02},{int(draw.random() < chance)},{item % 2}")
    path = tmp_path / "responses.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_a_bank_is_made_of_a_table_and_checks_it(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = table.with_name("bank.json")
    made = ["risk", "calibrate", str(table), "--out", str(out)]
    assert run([*made, "--source", "Drawn", "--licence", "CC0-1.0", "--json"]) == 0
    seen = capsys.readouterr()
    summary = json.loads(seen.out)
    check_schema(summary, "bank-summary", where="summary")
    bank = read_bank(out, digest=summary["digest"])
    assert (bank.origin.id, summary["models"], summary["items"]) == ("responses", 12, ITEMS)
    assert (summary["public"], summary["honest"], summary["out"]) == (20, 12, str(out))
    assert seen.err == f"wrote {out}\n"
    check = ["evidence", "check", str(table), "--bank", str(out), "--bank-digest", bank.digest]
    assert run([*check, "--json"]) == 0
    seen = capsys.readouterr()
    document: dict[str, Any] = json.loads(seen.out)
    check_schema(document, "evidence-check", where="check")
    assert (document["satisfied"], document["records"], document["bank"]) == (
        True, 12 * ITEMS, bank.digest,
    )  # fmt: skip
    assert document["unchecked"] == [
        "meters that stand still and copied logs: no wall time",
        "reused transcripts: no commitment",
        "headline: give --headline",
        "reordered and renamed logs: give --against",
    ]
    assert run([*check[:-1], "0" * 64]) == 3


def test_findings_are_lines_and_a_blocking_one_is_status_1(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evidence", "check", str(table), "--headline", "m00=0.999"]) == 1
    seen = capsys.readouterr()
    lines = seen.out.splitlines()
    assert (
        lines[0]
        == "blocking  headline_impossible  m00: No count of 40 items gives the headline 0.999."
    )
    assert lines[1].startswith("blocking  headline_mismatch  m00: The headline is 0.999, the mean")
    assert seen.err.splitlines()[-1] == "480 records: 2 findings, 2 blocking"


def test_the_same_file_twice_is_a_finding(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = table.with_name("again.csv")
    again.write_bytes(table.read_bytes())
    assert run(["evidence", "check", str(table), str(again)]) == 1
    assert "again.csv holds 480 samples of an earlier file, all of them equal." in (
        capsys.readouterr().out
    )
    text = table.read_text("utf-8").splitlines()
    model, item, score, public = text[1].split(",")
    text[1] = f"{model},{item},{1 - int(score)},{public}"
    again.write_text("\n".join(text) + "\n", "utf-8")
    assert run(["evidence", "check", str(table), str(again)]) == 1
    assert "blocking  samples_contradict" in capsys.readouterr().out


def test_earlier_records_and_steps(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evidence", "check", str(table), "--against", str(table), "--steps", "1"]) == 0
    assert "warning  log_repeated  m05: The same samples as before" in capsys.readouterr().out
    halves = table.with_name("halves.csv")
    halves.write_text(table.read_text("utf-8").replace("m05,i05,1,", "m05,i05,0.7,"), "utf-8")
    halves.write_text(halves.read_text("utf-8").replace("m05,i05,0,", "m05,i05,0.7,"), "utf-8")
    assert run(["evidence", "check", str(halves), "--steps", "10"]) == 0
    assert run(["evidence", "check", str(halves), "--steps", "4"]) == 1
    assert (
        "blocking  impossible_score  m05: 1 scores are no multiple of 1/4, the step of"
        " imported@unknown."
    ) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["evidence", "check", "TABLE", "--items", "3"],
            "--items belongs to a headline", "add --headline X",
        ),
        (
            ["evidence", "check", "TABLE", "--bank-digest", "0"],
            "--bank-digest belongs to a bank", "add --bank FILE",
        ),
        (
            ["risk", "calibrate"],
            "a bank is calibrated on a table or on a protocol, one of them",
            "steelyard risk calibrate TABLE, or --protocol ID",
        ),
        (
            ["risk", "calibrate", "TABLE", "--out", "x"],
            "a bank says whose responses it rests on, and under which licence",
            "add --source TEXT --licence TEXT --out BANK",
        ),
        (
            ["risk", "calibrate", "TABLE", "--out", "x", "--source", "s", "--licence", "l",
             "--items", "3"],
            "a table brings its own items", "leave out --items",
        ),
    ],
)  # fmt: skip
def test_what_the_commands_refuse(
    table: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
    hint: str,
) -> None:
    assert run([str(table) if a == "TABLE" else a for a in arguments]) == 2
    assert capsys.readouterr().err == f"error: {message}\nhint: {hint}\n"


def test_a_protocol_is_calibrated_by_reference_targets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("steelyard.redteam.kit")
    out = tmp_path / "pe1.json"
    arguments = ["risk", "calibrate", "--protocol", "pe1_evidence_cards", "--items", "24"]
    assert run([*arguments, "--out", str(out)]) == 0
    note = (
        "Responses of reference targets, whose rates are set; "
        "no real model has calibrated this bank."
    )
    assert capsys.readouterr().err == f"note: {note}\nwrote {out}\n"
    bank = read_bank(out)
    assert (bank.origin.status, bank.origin.note) == ("presumptive", note)
    assert (bank.models, len(bank.items), bank.measured.arm) == (16, 24, "opposed")
    assert all(item.public for item in bank.items)
    assert run([*arguments, "--out", str(out.with_name("again.json"))]) == 0
    assert out.read_bytes() == out.with_name("again.json").read_bytes()
