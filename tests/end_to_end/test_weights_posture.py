"""`steelyard weights posture` from looking to verifying, and its reference page."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import manifest_root
from steelyard.cli.main import run
from steelyard.passport.archive import read_archive, write_archive
from steelyard.standard import check_schema
from steelyard.weights.posture import Catalogue, load_catalogue

from .posture_page import page

NO_MOAT = (
    "error: no control 'moat' in catalogue weights-posture 1.0\n"
    "hint: steelyard weights posture controls\n"
)
VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "passport"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "posture-controls.md"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    header = b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + bytes(16)
    )
    return tmp_path


def steelyard(*arguments: str) -> int:
    return run(["weights", "posture", *arguments])


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401 - any JSON
    capsys.readouterr()
    assert steelyard(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def attest(control: str, role: str, key: str, *more: str) -> str:
    out = f"{control}.json"
    arguments = [
        "attest", control, "--role", role, "--statement", "It is so.", "--evidence", "report 7",
        "--out", out, "--key", key, *more,
    ]  # fmt: skip
    assert steelyard(*arguments) == 0
    return out


def test_every_document_follows_its_schema(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = printed(capsys, "collect", "model", "--out", "seen.json")
    check_schema(seen, "posture-collection", where="collect")
    facts = json.loads((base / "seen.json.facts").read_text("utf-8"))
    check_schema(facts, "posture-facts", where="facts")
    assert (base / "seen.json.facts").stat().st_mode & 0o777 == 0o600
    assert len(facts["facts"]) == len(seen["observations"])
    assert printed(capsys, "facts", "seen.json", "seen.json.facts") == facts
    report = printed(capsys, "report", "seen.json", "--out", "posture")
    check_schema(report, "posture-report", where="report")
    assert printed(capsys, "verify", "posture") == report
    check_schema(printed(capsys, "controls"), "posture-controls", where="controls")


def test_no_path_and_no_account_is_in_what_is_handed_on(base: Path) -> None:
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    assert steelyard("report", "seen.json", "--out", "posture") == 0
    for name in ("seen.json", "posture/posture-report.json"):
        assert str(base) not in (base / name).read_text("utf-8")


def test_details_are_shown_only_as_they_were_signed_for(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    capsys.readouterr()
    assert steelyard("facts", "seen.json", "seen.json.facts") == 0
    assert str(base) in capsys.readouterr().out
    path = base / "seen.json.facts"
    path.write_text(path.read_text("utf-8").replace(str(base), "/elsewhere"), "utf-8")
    assert steelyard("facts", "seen.json", "seen.json.facts") == 3
    assert "the facts are not those that were signed for" in capsys.readouterr().err


def test_the_level_comes_last_and_every_vector_before_it(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    capsys.readouterr()
    assert steelyard("report", "seen.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("level: ")
    assert lines[-2].startswith("cap rand 3: Levels above SL3 rest on confidential computing")
    for vector in load_catalogue().vectors:
        assert any(line.startswith(f"{vector.id} ") for line in lines[:-2])
    assert (base / "seen.json").exists()


def test_a_level_that_is_asked_for_and_not_reached_is_not_satisfied(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    assert steelyard("report", "seen.json", "--require", "3", "--out", "posture") == 1
    assert capsys.readouterr().err.endswith("not satisfied: level none, 3 required\n")
    assert steelyard("verify", "posture", "--require", "1") == 1
    assert base.exists()


@pytest.mark.parametrize("key_of", ["stranger", "lead"])
def test_attestations_count_by_the_key_of_their_role(
    base: Path, capsys: pytest.CaptureFixture[str], key_of: str
) -> None:
    for name in ("lead", "stranger"):
        assert run(["passport", "keygen", f"{name}.pem"]) == 0
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    word = attest("zero-trust", "security-lead", f"{key_of}.pem")
    report = printed(
        capsys, "report", "seen.json", "--attestation", word,
        "--attester", "security-lead=lead.pem.pub",
    )  # fmt: skip
    state = next(row for row in report["controls"] if row["id"] == "zero-trust")
    expected = ("satisfied", 0) if key_of == "lead" else ("unassessed", 1)
    assert (state["status"], len(report["refused"])) == expected
    assert base.exists()


def test_a_report_expires_and_a_clock_before_it_cannot_verify(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    assert steelyard("report", "seen.json", "--out", "posture") == 0
    assert steelyard("verify", "posture", "--at", "2020-01-01") == 3
    assert "after the date asked about" in capsys.readouterr().err
    assert steelyard("verify", "posture", "--at", "2099-01-01") == 4
    assert "expired at" in capsys.readouterr().err
    assert base.exists()


def test_a_changed_report_is_refused(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    assert steelyard("report", "seen.json", "--out", "posture") == 0
    assert steelyard("verify", "posture", "--key", "0" * 64) == 3
    path = base / "posture" / "posture-report.json"
    whole = json.loads(path.read_text("utf-8"))
    whole["envelope"]["payload"] = whole["envelope"]["payload"][:-4] + "AAA="
    path.write_text(json.dumps(whole), "utf-8")
    capsys.readouterr()
    assert steelyard("verify", "posture") == 3
    assert "the signature does not verify" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("collect", "gone", "--out", "x.json"), "error: gone: expected a folder with weights\n"),
        (
            ("collect", "model", "--out", "x.json", "--model-root", "12"),
            "error: --name, --model-root: '12' is no SHA-256 digest of 64 lower-case hex digits\n",
        ),
        (
            ("report", "gone.json", "--attester", "lead"),
            "error: gone.json: cannot read: No such file or directory\n",
        ),
        (
            ("attest", "moat", "--role", "r", "--statement", "s", "--evidence", "e", "--out", "x"),
            NO_MOAT,
        ),
        (
            ("attest", "clock", "--role", "r", "--statement", "s", "--evidence", "e", "--out", "x"),
            "error: --subject: clock is about a host\nhint: --subject host:NAME\n",
        ),
    ],
)
def test_wrong_arguments_are_told(
    base: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert steelyard(*arguments) == (3 if arguments[0] == "report" else 2)
    assert capsys.readouterr().err == message
    assert sorted(path.name for path in base.iterdir()) == ["model"]


def test_sealed_weights_need_the_root_of_the_model(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (base / "sealed").mkdir()
    (base / "sealed" / "sealed.json").write_text("{}", "utf-8")
    assert steelyard("collect", "sealed", "--out", "x.json") == 2
    assert capsys.readouterr().err.endswith(
        "error: sealed: sealed weights do not show the manifest root of the model\n"
        "hint: --model-root HEX, as the model's passport names its subject\n"
    )
    root = "ab" * 32
    seen = printed(capsys, "collect", "sealed", "--out", "x.json", "--model-root", root)
    assert seen["model"] == {"name": "sealed", "sha256": root}
    outcomes = {row["control"]: row["outcome"] for row in seen["observations"]}
    assert "safe-serialization" not in outcomes
    assert outcomes["sealed-weights"] == "unknown"


def test_a_statement_goes_into_a_passport_about_the_same_weights(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft: Any = runpy.run_path(str(VECTORS / "build.py"))["Draft"]
    same = write_archive(draft(weights=manifest_root(base / "model")).members())
    (base / "passport.zip").write_bytes(same)
    (base / "other.zip").write_bytes(write_archive(draft(weights="ab" * 32).members()))
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    assert steelyard("report", "seen.json", "--out", "posture") == 0
    capsys.readouterr()
    assert run(["passport", "attach", "passport.zip", "posture", "--out", "whole.zip"]) == 0
    assert capsys.readouterr().out == "no level\n"
    whole = read_archive((base / "whole.zip").read_bytes())
    assert {"statements/weights-security.dsse.json"} < whole.keys() - read_archive(same).keys()
    assert run(["passport", "attach", "other.zip", "posture", "--out", "no.zip"]) == 2
    assert "tested was abababababababab" in capsys.readouterr().err
    assert not (base / "no.zip").exists()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def test_the_reference_page_is_the_catalogue(catalogue: Catalogue) -> None:
    assert PAGE.read_text("utf-8") == page(catalogue)


@pytest.mark.parametrize("option", ["--repository", "--sealed", "--copies", "--access-log"])
def test_a_name_that_leads_to_itself_is_no_crash(
    base: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    (base / "loop").symlink_to("loop")
    status = steelyard("collect", "model", "--out", "seen.json", option, "loop")
    assert status in (0, 2)
    if status:
        assert capsys.readouterr().err == "error: loop: its links cannot be followed\n"


def test_two_documents_of_one_host_do_not_fill_each_others_gaps(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first.json", "second.json"):
        assert steelyard("collect", "model", "--out", name) == 0
    assert steelyard("collect", "model", "--out", "other.json", "--host", "other") == 0
    capsys.readouterr()
    assert steelyard("report", "first.json", "second.json") == 3
    assert capsys.readouterr().err.endswith(
        "two documents are about host:main\n"
        "hint: give the newest one; name hosts apart with --host, and a repository once\n"
    )
    assert steelyard("report", "first.json", "first.json", "other.json") == 0
    assert base.exists()


def test_a_failing_control_of_the_level_is_among_what_is_missing(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["passport", "keygen", "lead.pem"]) == 0
    assert steelyard("collect", "model", "--out", "seen.json") == 0
    word = attest("security-updates", "security-lead", "lead.pem", "--not-satisfied")
    capsys.readouterr()
    trust = ("--attestation", word, "--attester", "security-lead=lead.pem.pub")
    assert steelyard("report", "seen.json", *trust) == 0
    assert "  security-updates (not satisfied): Security updates" in capsys.readouterr().out
    assert base.exists()
