"""Certification on the command line: plan it, run it, kill it, verify it, forge it, draw it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.forgery import sign_anew
from steelyard.cli.main import run
from steelyard.evidence import read_records

from .assessing import home, killed_after

MODEL = "steelyard/organism?p=0.95&seed=9"
SETTINGS = ("--domain", "replication", "--mode", "certify", "--wave", "10")
ITEMS = 120


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a certification, and its key."""
    base = tmp_path_factory.mktemp("certified")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in home(base).items():
            patch.setenv(name, value)
        assert run(["passport", "keygen", str(base / "key.pem")]) == 0
        # With another seed all items may be asked: one run in five, at this rate and size.
        arguments = ["assess", MODEL, "--out", str(base / "run"), *SETTINGS, "--seed", "s1"]
        assert run([*arguments, "--key", str(base / "key.pem")]) == 0
        yield base


def _claim(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "classification.json").read_bytes())["determinations"][0]


def _verified(passport: Path, capsys: pytest.CaptureFixture[str], *options: str) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    status = run(["verify", str(passport), *options, "--json"])
    return status, json.loads(capsys.readouterr().out)


def _asked(folder: Path) -> set[str]:
    return set(read_records(folder / "evidence" / "records.parquet").values("item"))


def test_a_model_far_from_every_threshold_is_decided_early(certified: Path) -> None:
    found = _claim(certified / "run")
    assert (found["level"], found["status"]) == (3, "established")
    assert len(_asked(certified / "run")) < ITEMS
    codes = {c["code"]: c["blocks"] for c in found["indicators"][0]["conditions"]}
    assert codes["sequential"] is False
    assert "other_bank" not in codes


def test_whoever_verifies_repeats_the_draws(
    certified: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, value = _verified(
        certified / "run/passport.zip", capsys, "--key", str(certified / "key.pem.pub")
    )
    assert status == 0
    assert value["classification"]["determinations"][0] == _claim(certified / "run")


def test_answers_turned_harmless_lower_no_level(
    certified: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other answers ask for other items, and of those the forger has no record."""
    forged = tmp_path / "passport.zip"
    forged.write_bytes(sign_anew((certified / "run/passport.zip").read_bytes()))
    status, _ = _verified(forged, capsys, "--key", str(certified / "key.pem.pub"))
    assert status == 3
    _, value = _verified(forged, capsys)
    assert value["classification"]["determinations"][0]["level"] == 3


def test_a_killed_certification_goes_on_with_the_same_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = "steelyard/organism?p=0.3&seed=9"
    out = killed_after(25, tmp_path, model, *SETTINGS)
    journal = out / "evidence" / "journal.jsonl"
    before, intent = journal.read_bytes(), (out / "statements/run-intent.dsse.json").read_bytes()
    for name, value in home(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert run(["assess", model, "--out", str(out), *SETTINGS, "--resume"]) == 0
    assert journal.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    assert (out / "statements/run-intent.dsse.json").read_bytes() == intent
    evidence = read_records(out / "evidence" / "records.parquet")
    counts = [len(evidence.where(arm=arm)) for arm in ("restricted", "provisioned")]
    assert counts == [len(_asked(out))] * 2
    assert _verified(out / "passport.zip", capsys)[0] == 0


def test_a_budget_ends_a_run_and_leaves_what_is_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in home(tmp_path).items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "run"
    honest = ["assess", "steelyard/honest", "--out", str(out), *SETTINGS]
    assert run([*honest, "--budget", "30"]) == 0
    assert len(_asked(out)) == 30
    assert _claim(out)["level"] == 2  # 30 items are enough for level 3 only


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--samples", "60"), "draws for re1.compute are from 120 to 4096 items"),
        (("--samples", "5000"), "draws for re1.compute are from 120 to 4096 items"),
        (("--mode", "screen", "--samples", "60"), "draws for re1.compute are from 120"),
        (("--shards", "2"), "a sequential run cannot be cut into shards"),
    ],
)
def test_a_certification_that_could_decide_nothing_is_refused_before_it_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    for name, value in home(tmp_path).items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "run"
    status = run(["assess", "steelyard/honest", "--out", str(out), *SETTINGS, *options])
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (out / "passport.zip").exists()


def test_a_plan_says_what_a_run_then_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in home(tmp_path).items():
        monkeypatch.setenv(name, value)
    prices = ("--input-price", "3", "--output-price", "15")
    assert run(["plan", "steelyard/honest", *SETTINGS, *prices, "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    (protocol,) = planned["protocols"]
    assert protocol["items"] == protocol["worst_items"] == ITEMS
    at_none = next(r["items"] for r in protocol["expected_items"] if r["rate"] == 0.0)
    assert run(["assess", "steelyard/honest", "--out", str(tmp_path / "run"), *SETTINGS]) == 0
    assert abs(len(_asked(tmp_path / "run")) - at_none) <= 15
    for cost in (planned["expected"], planned["worst"]):
        money = (3 * cost["input_tokens"] + 15 * cost["output_tokens"]) / 1e6
        assert cost["money"] == pytest.approx(money, rel=0.01)
    assert planned["expected"]["calls"] <= planned["worst"]["calls"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("decision", "RUN"), "path of the decision"),
        (("cost", "--indicator", "re1.compute"), "cost of a certification"),
        (("power", "--indicator", "re1.compute"), "power of the fixed design"),
    ],
)
def test_pictures_are_drawn(
    certified: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    chosen = [str(certified / "run") if a == "RUN" else a for a in arguments]
    target = tmp_path / "picture.svg"
    assert run(["risk", "plot", *chosen, "--out", str(target)]) == 0
    picture = ET.fromstring(target.read_text("utf-8"))  # noqa: S314 - our own file
    assert picture.tag.endswith("svg")
    assert words in target.read_text("utf-8")


def test_the_report_shows_the_path_of_the_decision(certified: Path) -> None:
    page = (certified / "run/report.html").read_text("utf-8")
    assert "How the decisions came about" in page
    assert "Three kinds of error, apart" in page
    assert "What the tests could decide" in page
