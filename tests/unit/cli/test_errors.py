"""The boundary of the command line: messages, hints and exit statuses, exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.cli.main import run
from steelyard.cli.output import write


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = run(list(arguments))
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


def test_unknown_domain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, text = failure(
        capsys, "assess", "steelyard/honest", "--out", str(tmp_path / "r"), "--domain", "magic"
    )
    assert status == 2
    assert text == (
        "error: no domain 'magic'\n"
        "hint: domains: persuasion, deception, replication, cyber, cbrn, ai_rnd\n"
    )


def test_unknown_option_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = failure(capsys, "verify", "x.zip", "--polcy", "p")
    assert status == 2
    assert text.startswith("error: No such option: --polcy")
    assert text.endswith("hint: steelyard verify --help\n")


def test_choice_outside_the_list(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, text = failure(
        capsys, "assess", "steelyard/honest", "--out", str(tmp_path / "r"), "--split", "secret"
    )
    assert (status, text) == (2, "error: --split 'secret' is none of: public, private\n")


def test_absent_passport_cannot_be_verified(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "none.zip"
    status, text = failure(capsys, "verify", str(path))
    assert (status, text) == (3, f"error: {path}: cannot read: No such file or directory\n")


def test_bad_date(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(b"PK")
    status, text = failure(capsys, "verify", str(path), "--at", "tomorrow")
    assert status == 2
    assert text == (
        "error: --at: 'tomorrow' is no date\nhint: write 2026-01-31 or 2026-01-31T12:00:00Z\n"
    )


def test_unknown_reference_target(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = failure(capsys, "lab", "targets", "angelic")
    assert status == 2
    assert text.startswith("error: no reference target 'angelic'\nhint: targets: organism, honest")


def test_configuration_with_unknown_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "steelyard.toml"
    path.write_text("[assess]\nsample = 3\n")
    status, text = failure(capsys, "--config", str(path), "lab", "targets")
    assert status == 2
    assert text.startswith(f"error: {path} [assess]: unknown key 'sample'\nhint: known: ")


def test_configuration_gives_defaults(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "steelyard.toml"
    path.write_text('[standard.show]\nsection = "policy"\n')
    assert run(["--config", str(path), "standard", "show"]) == 0
    assert "required_domains" in capsys.readouterr().out


def test_internal_errors_are_told_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steelyard.standard.releases", lambda: 1 / 0)
    status, text = failure(capsys, "standard", "check")
    assert status == 5
    assert text == (
        "internal error: ZeroDivisionError: division by zero\n"
        "hint: set STEELYARD_DEBUG=1 for the traceback, and report this\n"
    )


def test_keys_are_never_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    assert run(["passport", "keygen", str(path)]) == 0
    key_id = capsys.readouterr().out.strip()
    assert len(key_id) == 64
    before = path.read_bytes()
    status, text = failure(capsys, "passport", "keygen", str(path))
    assert status == 2
    assert str(path) in text
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "address",
    ["https://user:secret@host.example/v1#m", "http://127.0.0.1:1/v1?token=secret#m"],
)
def test_addresses_that_would_publish_a_key_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, address: str
) -> None:
    status, text = failure(capsys, "assess", address, "--out", str(tmp_path / "run"))
    assert status == 2
    assert "secret" not in text
    assert text.endswith(
        "error: a MODEL address must carry no user, password or query: it is published\n"
        "hint: put the key in STEELYARD_API_KEY\n"
    )


def test_reference_targets_have_no_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, text = failure(
        capsys, "assess", "steelyard/honest", "--out", str(tmp_path / "r"),
        "--weights", str(tmp_path),
    )  # fmt: skip
    expected = "error: a reference target has no weights\nhint: leave --weights out\n"
    assert (status, text) == (2, expected)


def test_private_items_need_a_secret_seed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, text = failure(
        capsys, "assess", "steelyard/honest", "--out", str(tmp_path / "r"),
        "--split", "private", "--seed", "short",
    )  # fmt: skip
    assert status == 2
    assert text == (
        "error: a private split needs a seed of at least 16 characters\n"
        "hint: leave --seed out for a random one\n"
    )


def test_names_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    write("model \x1b[2J\u202eVERIFIED\nnext\u2028line")
    assert capsys.readouterr().out == "model \\x1b[2J\\u202eVERIFIED\nnext\\u2028line\n"


def test_a_key_that_is_none_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(b"PK")
    status, text = failure(capsys, "gate", str(path), "--key", "5b073987")
    assert (status, text) == (
        2,
        (
            "error: --key 5b073987: cannot read: No such file or directory\n"
            "hint: give a PEM file, or a key id of 64 hex digits\n"
        ),
    )
