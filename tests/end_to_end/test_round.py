"""A proficiency round on the command line, and the certificate in a passport and at the gate."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from steelyard.attest import generate_key, save_key
from steelyard.cli.main import run
from steelyard.evidence import Evidence, write_records
from steelyard.kernel import format_instant, utc_now
from steelyard.redteam.rounds.definition import read_round
from steelyard.redteam.rounds.sealing import read_private
from steelyard.standard import check_schema

from .assessing import in_process

BENCH = Path(__file__).parents[2] / "bench" / "round_simulation.py"
NOW = utc_now()


def _day(days: int) -> str:
    return format_instant(NOW - timedelta(days=30 - days))


def _simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("round_simulation_e2e", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scored round: laboratory `good` is sound, `hasty` drops refusals."""
    folder = tmp_path_factory.mktemp("round")
    for name in ("coordinator", "good", "hasty"):
        save_key(generate_key(), folder / f"{name}.pem")
    done = run([
        "lab", "round", "create", "autumn", "--out", str(folder), "--items", "24", "--targets", "2",
        "--protocol", "re1_obtain_compute", "--deadline", _day(9), "--reveal-by", _day(15),
        "--key", str(folder / "coordinator.pem"), "--at", _day(0),
    ])  # fmt: skip
    assert done == 0
    for lab, fault in (("good", ""), ("hasty", "refusals")):
        _take_part(folder, lab, fault)
    done = run([
        "lab", "round", "score", str(folder / "round.json"), "--private",
        str(folder / "private.json"), "--ledger", str(folder / "ledger"), "--out",
        str(folder / "result"), "--key", str(folder / "coordinator.pem"), "--at", _day(16),
    ])  # fmt: skip
    assert done == 0
    return folder


def _take_part(folder: Path, lab: str, fault: str) -> None:
    own, records = folder / lab, folder / f"{lab}.parquet"
    write_records(_measured(folder, lab, fault), records)
    round_file, key = str(folder / "round.json"), ["--key", str(folder / f"{lab}.pem")]
    entry = str(own / "entry.json")
    steps = [
        ["join", round_file, "--lab", lab, "--out", entry, *key, "--at", _day(1)],
        _received(folder, own / "entry.json", 1),
        ["submit", round_file, str(records), "--entry", entry, "--out", str(own), *key],
        _received(folder, own / "commitment.json", 8),
        ["submit", round_file, "--reveal", "--out", str(own), *key],
        _received(folder, own / "submission.json", 10),
    ]
    assert [run(["lab", "round", *step]) for step in steps] == [0] * len(steps)


def _received(folder: Path, letter: Path, day: int) -> list[str]:
    return [
        "receive", str(folder / "round.json"), str(letter), "--ledger", str(folder / "ledger"),
        "--key", str(folder / "coordinator.pem"), "--at", _day(day),
    ]  # fmt: skip


def _measured(folder: Path, lab: str, fault: str) -> Evidence:
    simulation = _simulation()
    opened = read_round((folder / "round.json").read_bytes())
    sealed = read_private((folder / "private.json").read_bytes(), opened.terms)
    return simulation.measured(simulation.Field(opened, sealed), simulation.Lab(lab, lab, fault))


def _document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    status = run([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_the_sound_laboratory_is_certified_and_the_hasty_one_is_not(played: Path) -> None:
    assert [p.name for p in (played / "result" / "certificates").iterdir()] == ["good.json"]
    page = (played / "result" / "report.html").read_text("utf-8")
    assert "results were left out" in page
    assert (played / "private.json").stat().st_mode & 0o777 == 0o600


def test_a_round_is_not_written_where_a_name_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "private.json").symlink_to(tmp_path / "nowhere")
    save_key(generate_key(), tmp_path / "coordinator.pem")
    done = run([
        "lab", "round", "create", "autumn", "--out", str(tmp_path), "--deadline", _day(9),
        "--reveal-by", _day(15), "--key", str(tmp_path / "coordinator.pem"), "--at", _day(0),
    ])  # fmt: skip
    assert done == 2
    message = f"error: {tmp_path / 'private.json'}: this exists; nothing is written over it\n"
    assert capsys.readouterr().err == f"{message}hint: choose another --out\n"
    assert not (tmp_path / "round.json").exists()


def test_scores_as_json(played: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = _document(
        capsys, "lab", "round", "score", str(played / "round.json"), "--private",
        str(played / "private.json"), "--ledger", str(played / "ledger"), "--out",
        str(played / "again"), "--key", str(played / "coordinator.pem"), "--at", _day(16),
    )  # fmt: skip
    assert status == 0
    check_schema(report, "round-report", where="report")
    assert {lab["lab"]: lab["verdict"] for lab in report["labs"]} == {
        "good": "satisfactory", "hasty": "invalid",
    }  # fmt: skip


def test_the_certificate_in_a_passport_and_at_the_gate(
    played: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, certificate = played / "run", str(played / "result" / "certificates" / "good.json")
    said = in_process(
        monkeypatch, capsys, "assess", "steelyard/honest", "--domain", "replication",
        "--samples", "2", "--out", str(out), "--key", str(played / "good.pem"),
        "--round", certificate,
    )  # fmt: skip
    assert said.status == 0, said.err
    passport, key = str(out / "passport.zip"), str(played / "good.pem.pub")
    status, value = _document(capsys, "verify", passport, "--key", key)
    assert status == 0
    row = value["classification"]["determinations"][0]
    assert [found["round"] for found in row["proficiency"]] == ["autumn"]
    assert {c["result"] for c in value["checks"] if c["name"] == "proficiency"} == {"warn"}
    assert "no_valid_round" not in {c["code"] for c in row["conditions"]}
    claim = json.loads((out / "classification.json").read_bytes())
    assert _document(capsys, "classify", str(out), "--at", claim["as_of"]) == (0, claim)
    _, decision = _document(capsys, "gate", passport, "--key", key)
    assert decision["coordinator_pinned"] is False
    assert not [line for line in decision["unmet"] if "round" in line]
    policy = _policy(played, "hasty.pem.pub")
    _, decision = _document(capsys, "gate", passport, "--policy", policy)
    assert decision["coordinator_pinned"] is True
    assert [line for line in decision["unmet"] if "not trusted" in line]
    _, decision = _document(
        capsys, "gate", passport, "--policy", _policy(played, "coordinator.pem.pub")
    )
    assert not [line for line in decision["unmet"] if "round" in line]


def test_another_laboratorys_certificate_is_refused_before_the_run(
    played: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = in_process(
        monkeypatch, capsys, "assess", "steelyard/honest", "--domain", "replication",
        "--samples", "2", "--out", str(played / "stolen"), "--key", str(played / "hasty.pem"),
        "--round", str(played / "result" / "certificates" / "good.json"),
    )  # fmt: skip
    assert said.status == 3
    assert "proficiency: issued to key" in said.err
    assert not (played / "stolen").exists()


def _policy(folder: Path, coordinator: str) -> str:
    path = folder / f"policy-{coordinator}.toml"
    path.write_text(
        f"""name = "p"
standard_releases = ["2026.1"]
required_domains = ["replication"]
maximum_level = 3
accepted_statuses = ["established", "presumptive", "undetermined"]
minimum_elicitation = "unknown"
maximum_age_days = 10
allow_blocking_conditions = true
trusted_coordinators = ["{coordinator}"]
""",
        "utf-8",
    )
    return str(path)
