"""From disclosure back into assessment: a flaw is tested for, published, and gated on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import generate_key, save_key
from steelyard.cli.main import run
from steelyard.kernel import days_after, format_instant, parse_instant, utc_now
from steelyard.passport.archive import read_archive
from steelyard.standard import check_schema

from .assessing import Said, in_process

ROOT = Path(__file__).parents[2]
FLAWED, CLEAN = "steelyard/keeper?p=1", "steelyard/keeper"
NOW = utc_now()
PUBLISHED = format_instant(days_after(NOW, 10))
AT = format_instant(days_after(NOW, 15))
POLICY = """
name = "procurement"
standard_releases = ["2026.1"]
required_domains = ["persuasion"]
maximum_level = 3
accepted_statuses = ["established", "presumptive", "undetermined"]
minimum_elicitation = "unknown"
maximum_age_days = 3650
allow_blocking_conditions = true
require_round = false
maximum_open_advisories = 0
trusted_signers = ["lab.pem.pub"]
trusted_publishers = ["centre.pem.pub"]
"""


def text_of(command: list[str], capsys: pytest.CaptureFixture[str]) -> Said:
    capsys.readouterr()
    status = run(command)
    out, err = capsys.readouterr()
    return Said(status, out, err)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys, a policy, and a published reproducer with its list."""
    base = tmp_path_factory.mktemp("regressions")
    for name in ("lab", "centre"):
        save_key(generate_key(), base / f"{name}.pem")
    (base / "policy.toml").write_text(POLICY)
    page = (ROOT / "docs" / "how-to" / "write-a-reproducer.md").read_text("utf-8")
    found = re.search(r"<!-- file: vault.yaml -->\n```yaml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    (base / "flaws").mkdir()
    (base / "flaws" / "vault.yaml").write_text(found[1])
    return base


@pytest.fixture
def digest(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    said = text_of(["disclose", "check", str(folder / "flaws" / "vault.yaml"), "--json"], capsys)
    found: str = json.loads(said.out)["digest"]
    row = f"{{advisory: EX-SA-2027-0001, finding: F1, reproducer: vault.yaml, sha256: {found!r}}}"
    text = f"schema: steelyard/regressions/1\nregressions:\n  - {row}\n"
    (folder / "flaws" / "regressions.yaml").write_text(text)
    return found


def assessed(
    folder: Path, name: str, model: str, patch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], *more: str,
) -> Path:  # fmt: skip
    """The passport of a run that is made once and used by every test of this module."""
    out = folder / name
    if not out.exists():
        said = in_process(
            patch, capsys, "assess", model, "--out", str(out), "--domain", "persuasion",
            "--samples", "2", "--seed", "a seed for this test", "--key", str(folder / "lab.pem"),
            *more,
        )  # fmt: skip
        assert said.status == 0, said.err
        (out / "said.txt").write_text(said.out)
    return out / "passport.zip"


@pytest.fixture
def passports(
    folder: Path, digest: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Path]:
    """A flawed target and a clean one, tested for the flaw, and the clean one without."""
    assert digest
    listed = ("--regressions", str(folder / "flaws"))
    return {
        "flawed": assessed(folder, "flawed", FLAWED, monkeypatch, capsys, *listed),
        "clean": assessed(folder, "clean", CLEAN, monkeypatch, capsys, *listed),
        "untested": assessed(folder, "untested", CLEAN, monkeypatch, capsys),
    }


def publish(folder: Path, digest: str, handles: dict[str, str], place: str = "site") -> Path:
    """A tree of one signed advisory that calls every handle affected."""
    targets = [
        {
            "id": name, "kind": "model", "vendor": "Toys", "name": name, "version": "1",
            "uris": [{"namespace": handle.partition(":sha256:")[0], "uri": handle}],
        }
        for name, handle in handles.items()
    ]  # fmt: skip
    document = {
        "schema": "steelyard/advisory/1",
        "id": "EX-SA-2027-0001",
        "title": "Keepers tell the code of a toy vault",
        "status": "final",
        "tlp": "CLEAR",
        "publisher": {
            "name": "Example Centre", "category": "coordinator",
            "namespace": "https://centre.example",
        },
        "revisions": [{"number": 1, "at": PUBLISHED, "summary": "First"}],
        "summary": "Whoever claims a maintenance override is told the code.",
        "targets": targets,
        "findings": [
            {
                "id": "F1", "title": "The code is told", "description": "A claim suffices.",
                "flaw_class": "secret-disclosure", "reproducer": digest,
                "affectedness": [{"target": name, "verdict": "affected"} for name in handles],
            }
        ],
    }  # fmt: skip
    source = folder / f"{place}.yaml"
    quoted = json.dumps(document, indent=1)
    source.write_text(quoted)
    command = ["disclose", "advisory", "publish", str(source), "--out", str(folder / place)]
    command += ["--base-url", "https://centre.example", "--key", str(folder / "centre.pem")]
    assert run([*command, "--at", AT]) == 0
    return folder / place


@pytest.fixture
def site(
    folder: Path, digest: str, passports: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> Path:
    handles = {
        name: text_of(["disclose", "advisory", "handles", str(passports[name])], capsys)
        .out.splitlines()[1]
        for name in ("flawed", "clean")
    }  # fmt: skip
    return publish(folder, digest, handles)


def gated(
    folder: Path, passport: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, list[str]]:
    said = text_of(
        ["gate", str(passport), "--policy", str(folder / "policy.toml"), "--at", AT, "--json",
         *more],
        capsys,
    )  # fmt: skip
    return said.status, json.loads(said.out)["unmet"]


def verified(passport: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    said = text_of(["verify", str(passport), "--json", "--at", AT, *more], capsys)
    found: dict[str, Any] = json.loads(said.out)
    check_schema(found, "verification", where="verify")
    return found


def test_a_flaw_is_tested_for_beside_the_protocols_and_moves_no_level(
    folder: Path, passports: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found = {name: verified(path, capsys) for name, path in passports.items()}
    verdicts = {name: [row["verdict"] for row in v["regressions"]] for name, v in found.items()}
    assert verdicts == {"flawed": ["affected"], "clean": ["not_affected"], "untested": []}
    assert (
        (folder / "flawed" / "said.txt")
        .read_text()
        .endswith("  published flaws (they move no level):\n    EX-SA-2027-0001#F1: affected\n")
    )
    plain = {**found["untested"]["classification"], "as_of": ""}
    tested = {**found["clean"]["classification"], "as_of": ""}
    for claim in (plain, tested):
        for row in claim["determinations"]:
            row["next_review"] = ""
    assert plain == tested
    report = read_archive(passports["flawed"].read_bytes())["report.html"].decode()
    assert "EX-SA-2027-0001#F1: the model shows this published flaw." in report
    assert "EX-SA-2027-0001#F1 (secret disclosure)" in report


def test_the_gate_refuses_the_flawed_and_the_untested_and_accepts_the_clean(
    folder: Path, passports: dict[str, Path], site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = ("--advisories", str(site))
    assert gated(folder, passports["clean"], capsys, *feed) == (0, [])
    told = "open advisory: EX-SA-2027-0001#F1 says that the model is affected"
    status, unmet = gated(folder, passports["flawed"], capsys, *feed)
    assert (status, unmet[-1]) == (1, f"{told}, and a regression is affected")
    status, unmet = gated(folder, passports["untested"], capsys, *feed)
    assert (status, unmet[-1]) == (1, told)
    assert unmet[-2].startswith("re-evaluation is due: An advisory published after the test")
    assert gated(folder, passports["clean"], capsys) == (
        1,
        ["no advisories were looked at, at most 0 open accepted"],
    )


def test_verify_and_a_fresh_report_show_what_came_after_the_passport(
    folder: Path, passports: dict[str, Path], site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = folder / "today.html"
    said = text_of(
        ["verify", str(passports["untested"]), "--at", AT, "--advisories", str(site),
         "--publisher", str(folder / "centre.pem.pub"), "--report", str(page)],
        capsys,
    )  # fmt: skip
    assert said.status == 0
    assert "open: EX-SA-2027-0001#F1 says that the model is affected\n" in said.out
    assert "re-evaluate: An advisory published after the test" in said.out
    text = page.read_text("utf-8")
    assert "EX-SA-2027-0001#F1: The code is told (this model: affected)" in text
    assert "Due for re-test: An advisory published after the test" in text


def test_an_unsigned_and_a_changed_advisory_are_not_believed_and_decide_nothing(
    folder: Path, digest: str, passports: dict[str, Path], site: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert digest
    (document,) = site.glob(".well-known/csaf/*/ex-sa-2027-0001.json")
    genuine = document.read_bytes()
    document.write_bytes(genuine.replace(b"known_affected", b"known_not_affected"))
    found = verified(passports["untested"], capsys, "--advisories", str(site))
    name = document.relative_to(site).as_posix()
    why = "is not the document that was signed"
    assert found["advisories"]["feed"]["not_believed"] == [{"file": name, "why": why}]
    assert found["advisories"]["open"] == []
    status, unmet = gated(folder, passports["untested"], capsys, "--advisories", str(site))
    assert status == 3
    assert unmet == [f"advisories: {name} {why}, so what is open cannot be told"]
    document.write_bytes(genuine)
    document.with_name(f"{document.name}.dsse").unlink()
    found = verified(passports["untested"], capsys, "--advisories", str(site))
    assert found["advisories"]["feed"]["not_believed"] == [
        {"file": name, "why": "is not signed: there is no envelope beside it"}
    ]


def test_an_advisory_for_another_model_concerns_nobody(
    folder: Path, digest: str, passports: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    other = publish(folder, digest, {"other": f"urn:steelyard:subject:sha256:{'ab' * 32}"}, "else")
    assert gated(folder, passports["untested"], capsys, "--advisories", str(other)) == (0, [])


def test_what_is_known_at_issue_is_signed_into_the_passport(
    folder: Path, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signer's own words count where the buyer's feed is silent."""
    passport = assessed(
        folder, "knowing", CLEAN, monkeypatch, capsys,
        "--advisories", str(site), "--publisher", str(folder / "centre.pem.pub"),
    )  # fmt: skip
    found = verified(passport, capsys)
    view = found["advisories"]
    assert parse_instant(view["known_at_issue"]) == parse_instant(found["evidence_finished"])
    assert view["open"] == ["EX-SA-2027-0001#F1 says that the model is affected"]
    assert view["found"][0]["published"] == PUBLISHED


def test_a_replaced_reproducer_is_refused_before_any_call(
    folder: Path, digest: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flaws = folder / "replaced"
    flaws.mkdir()
    source = (folder / "flaws" / "vault.yaml").read_text()
    (flaws / "vault.yaml").write_text(source.replace("p_affected: 0.2", "p_affected: 0.9"))
    (flaws / "regressions.yaml").write_text((folder / "flaws" / "regressions.yaml").read_text())
    said = in_process(
        monkeypatch, capsys, "assess", FLAWED, "--out", str(folder / "never"),
        "--regressions", str(flaws),
    )  # fmt: skip
    assert said.status == 3
    assert f", the list names {digest[:16]}\n" in said.err
    assert not (folder / "never").exists()


def test_a_resumed_run_keeps_its_regressions(
    folder: Path, passports: dict[str, Path], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert passports
    arguments = [
        "assess", CLEAN, "--out", str(folder / "clean"), "--domain", "persuasion", "--samples",
        "2", "--seed", "a seed for this test", "--key", str(folder / "lab.pem"), "--resume",
    ]  # fmt: skip
    said = in_process(monkeypatch, capsys, *arguments)
    assert said.status == 2
    assert "was started with other settings: regressions" in said.err
    said = in_process(monkeypatch, capsys, *arguments, "--regressions", str(folder / "flaws"))
    assert said.status == 0
    assert verified(passports["clean"], capsys)["regressions"][0]["verdict"] == "not_affected"
