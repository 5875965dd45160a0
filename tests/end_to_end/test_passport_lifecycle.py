"""A passport's life on the command line: issue, verify, gate, tamper, expire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.forgery import change_record, sign_anew
from steelyard.cli.main import run
from steelyard.evidence import read_records, write_records
from steelyard.evidence.table import Evidence


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished run on the deception domain, and its key."""
    base = tmp_path_factory.mktemp("issued")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(base / "state"))
        assert run(["passport", "keygen", str(base / "key.pem")]) == 0
        arguments = [
            "assess", "steelyard/organism?p=0.5", "--out", str(base / "run"),
            "--domain", "deception", "--samples", "20", "--seed", "life",
            "--key", str(base / "key.pem"),
        ]  # fmt: skip
        assert run(arguments) == 0
        yield base


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = run([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def results(value: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["result"] for check in value["checks"]}


def test_run_leaves_its_files(issued: Path) -> None:
    left = {p.relative_to(issued / "run").as_posix() for p in (issued / "run").rglob("*")}
    assert {
        "evidence/records.parquet", "classification.json", "passport.zip", "report.html",
        "logs", "statements/run-intent.dsse.json", "private/run.json",
    } <= left  # fmt: skip


def test_genuine_passport_verifies(issued: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, value = document(
        capsys, "verify", str(issued / "run/passport.zip"), "--key", str(issued / "key.pem.pub")
    )
    assert status == 0
    assert set(results(value).values()) == {"pass", "skipped"}
    claim = json.loads((issued / "run/classification.json").read_bytes())
    assert value["classification"] == claim


def test_undersized_evidence_keeps_the_highest_level(issued: Path) -> None:
    claim = json.loads((issued / "run/classification.json").read_bytes())
    deception = claim["determinations"][0]
    assert (deception["level"], deception["status"]) == (3, "presumptive")
    assert deception["indicators"][0]["n_planned"] == 280
    assert deception["indicators"][0]["n"] == 20


def test_gate_is_not_satisfied(issued: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, value = document(capsys, "gate", str(issued / "run/passport.zip"))
    assert status == 1
    assert "deception: level 3, at most 1 accepted" in value["unmet"]


@pytest.mark.parametrize(
    ("forge", "failed"), [(change_record, "statements"), (sign_anew, "signer")]
)
def test_forgeries_cannot_be_verified(
    issued: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    forge: Callable[[bytes], bytes],
    failed: str,
) -> None:
    path = tmp_path / "forged.zip"
    path.write_bytes(forge((issued / "run/passport.zip").read_bytes()))
    status, value = document(capsys, "verify", str(path), "--key", str(issued / "key.pem.pub"))
    assert status == 3
    assert [name for name, result in results(value).items() if result == "fail"] == [failed]


def test_signing_anew_passes_only_without_a_pinned_key(
    issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "forged.zip"
    path.write_bytes(sign_anew((issued / "run/passport.zip").read_bytes()))
    status, value = document(capsys, "verify", str(path))
    assert status == 0
    assert results(value)["signer"] == "warn"


def test_expired_passport(issued: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, value = document(
        capsys, "verify", str(issued / "run/passport.zip"), "--at", "2099-01-01"
    )
    assert status == 4
    assert results(value)["expiry"] == "fail"


def test_passport_from_the_future(issued: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, value = document(
        capsys, "verify", str(issued / "run/passport.zip"), "--at", "2020-01-01"
    )
    assert status == 3
    assert results(value)["time_order"] == "fail"


def test_run_folder_classifies_to_its_own_claim(
    issued: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = json.loads((issued / "run/classification.json").read_bytes())
    status, value = document(capsys, "classify", str(issued / "run"), "--at", claim["as_of"])
    assert status == 0
    assert value == claim


def test_records_without_their_plan_are_presumptive(
    issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: Evidence = read_records(issued / "run/evidence/records.parquet")
    path = tmp_path / "records.jsonl"
    write_records(kept.where(arm="neutral"), path)
    status, value = document(capsys, "classify", str(path), "--domain", "deception")
    assert status == 0
    row = value["determinations"][0]
    assert (row["level"], row["status"]) == (3, "presumptive")
    assert "no_plan" in [c["code"] for c in row["conditions"]]
