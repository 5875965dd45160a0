"""Key files as tools write them, and checkouts that git itself makes."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.collectors.keys import protection
from steelyard.weights.posture.machine import Machine, Output

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, said

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
LOCK = BestAvailableEncryption(b"correct horse")
MARK = "-----BEGIN {}PRIVATE" + " KEY-----"


def written(kind: PrivateFormat, *, locked: bool) -> str:
    return KEY.private_bytes(Encoding.PEM, kind, LOCK if locked else NoEncryption()).decode()


def test_a_passphrase_is_told_from_none() -> None:
    assert protection(written(PrivateFormat.PKCS8, locked=True)) == "passphrase"
    assert protection(written(PrivateFormat.PKCS8, locked=False)) == "plain"
    assert protection(written(PrivateFormat.OpenSSH, locked=False)) == "plain"


def test_keys_of_ssh_keygen(tmp_path: Path) -> None:
    program = shutil.which("ssh-keygen")
    if program is None:
        pytest.skip("ssh-keygen is not installed")
    for words, expected in (("correct horse", "passphrase"), ("", "plain")):
        path = tmp_path / expected
        command = [program, "-q", "-t", "ed25519", "-N", words, "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        assert protection(path.read_text("utf-8")) == expected


def test_the_cipher_that_openssh_names_decides() -> None:
    for cipher, expected in ((b"aes256-ctr", "passphrase"), (b"none", "plain")):
        data = b"openssh-key-v1\0" + len(cipher).to_bytes(4, "big") + cipher + b"\0" * 8
        body = base64.b64encode(data).decode()
        assert protection(MARK.format("OPENSSH ") + f"\n{body}\n-----END") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MARK.format("RSA ") + "\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n", "passphrase"),
        (MARK.format("RSA ") + "\nMIIB\n", "plain"),
        ("# created\nAGE-SECRET-" + "KEY-1QQ\n", "plain"),
        ("age-encryption.org/v1\n-> scrypt x 18\n", "passphrase"),
        ("-----BEGIN PUBLIC KEY-----\n", "unknown"),
        ("", "unknown"),
    ],
)
def test_other_forms_of_keys(text: str, expected: str) -> None:
    assert protection(text) == expected


@given(st.text(max_size=200))
def test_any_text_behind_the_mark_of_openssh_is_survived(text: str) -> None:
    assert protection(MARK.format("OPENSSH ") + f"\n{text}\n-----END") in (
        "plain", "passphrase", "unknown",
    )  # fmt: skip


@pytest.fixture
def key(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    path = folder / "publisher.pem"
    path.write_text(written(PrivateFormat.PKCS8, locked=False), "utf-8")
    path.chmod(0o600)
    written_at = (AT - timedelta(days=40)).timestamp()
    os.utime(path, (written_at, written_at))
    return path


def seen(name: str, *keys: Path, **parameters: int) -> tuple[str, str]:
    return said(look(name, Machine(), Scope(at=AT, keys=keys), **parameters))


def test_a_key_for_its_owner_alone(key: Path) -> None:
    assert seen("key-files", key) == ("satisfied", "1 private key: the owner alone")
    assert seen("key-passphrases", key) == (
        "not_satisfied",
        "1 of 1 private key without passphrase",
    )
    told = "the oldest key was last written 40 days ago, at most {} accepted"
    assert seen("key-age", key) == ("satisfied", told.format(365))
    assert seen("key-age", key, age_maximum_days=39) == ("not_satisfied", told.format(39))


@pytest.mark.parametrize(("own", "folder"), [(0o640, 0o700), (0o600, 0o770), (0o604, 0o700)])
def test_a_key_that_others_reach_or_exchange(key: Path, own: int, folder: int) -> None:
    key.chmod(own)
    key.parent.chmod(folder)
    assert seen("key-files", key) == (
        "not_satisfied",
        "1 of 1 private key open to others",
    )


def test_no_keys_and_keys_from_tomorrow_are_unknown(key: Path) -> None:
    for name in ("key-files", "key-passphrases", "key-age"):
        assert seen(name) == ("unknown", "no files of private keys were named")
    later = (AT + timedelta(days=2)).timestamp()
    os.utime(key, (later, later))
    assert seen("key-age", key) == ("unknown", "a key was written after the clock of this host")


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def run(*arguments: str) -> str:
        who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        command = ["git", "-C", str(tmp_path / "serving"), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    (tmp_path / "serving").mkdir()
    run("init", "-q")
    (tmp_path / "serving" / "serve.txt").write_text("serve\n", "utf-8")
    run("add", ".")
    run("commit", "-q", "-m", "First")
    return run


def looked(name: str, tmp_path: Path) -> tuple[str, str]:
    return said(look(name, Machine(), Scope(at=AT, repository=tmp_path / "serving")))


def test_a_checkout_without_secrets(git: Callable[..., str], tmp_path: Path) -> None:
    assert git("status", "--porcelain") == ""
    assert looked("tracked-secrets", tmp_path) == (
        "satisfied",
        "no key or credential in 1 tracked file",
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deploy.txt", "x\n" + MARK.format("") + "\n"),
        ("old.txt", MARK.format("OPENSSH ") + "\n"),
        ("identity", "AGE-SECRET-" + "KEY-1" + "Q" * 30 + "\n"),
        ("store.p12", "binary"),
        ("ops/id_ed25519", "any"),
    ],
)
def test_a_tracked_key_is_found(
    git: Callable[..., str], tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / "serving" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, "utf-8")
    assert looked("tracked-secrets", tmp_path)[0] == "satisfied", "not tracked yet"
    git("add", ".")
    assert looked("tracked-secrets", tmp_path) == (
        "not_satisfied",
        "1 of 2 tracked files with keys or credentials",
    )


def test_unsigned_commits_are_told(git: Callable[..., str], tmp_path: Path) -> None:
    assert git("log", "--oneline").count("First") == 1
    assert looked("signed-commits", tmp_path) == (
        "not_satisfied",
        "of the last 1 commit, 0 signed and 0 verified here",
    )


def test_a_checkout_cannot_make_the_collector_run_a_program(
    git: Callable[..., str], tmp_path: Path
) -> None:
    trap, mark = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {mark}\n", "utf-8")
    trap.chmod(0o755)
    for setting in ("gpg.program", "gpg.ssh.program", "core.fsmonitor", "core.sshCommand"):
        git("config", setting, str(trap))
    head = git("cat-file", "commit", "HEAD")
    first, rest = head.split("\n\n", 1)
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
    (tmp_path / "forged").write_text(f"{first}\n{signature}\n\n{rest}", "utf-8")
    forged = git("hash-object", "-t", "commit", "-w", str(tmp_path / "forged")).strip()
    git("update-ref", "HEAD", forged)
    # Without the collector's care, git does run what the checkout names.
    git("log", "--format=%G?")
    assert mark.exists()
    mark.unlink(missing_ok=True)
    found = looked("signed-commits", tmp_path)
    looked("tracked-secrets", tmp_path)
    assert found[0] != "satisfied"
    assert not mark.exists()


@pytest.mark.parametrize(
    ("letters", "signatures", "expected"),
    [
        ("G\nG\n", 2, "satisfied"),
        ("G\nU\n", 2, "unknown"),
        ("G\nX\n", 2, "unknown"),
        ("G\nY\n", 2, "unknown"),
        ("G\nN\n", 2, "unknown"),
        ("G\nE\n", 2, "unknown"),
        ("G\nN\n", 1, "not_satisfied"),
        ("G\nB\n", 2, "not_satisfied"),
        ("G\nR\n", 2, "not_satisfied"),
    ],
)
def test_signatures_that_git_judged(
    tmp_path: Path, letters: str, signatures: int, expected: str
) -> None:
    raw = "commit x\ngpgsig -----BEGIN\n" * signatures
    outputs = {
        "--format=%G?": letters, "--format=raw": raw, "--show-prefix": "\n",
        "--is-shallow-repository": "false\n", "info/grafts": ".git/info/grafts\n",
    }  # fmt: skip
    where = Machine(tmp_path, lambda command: Output(0, outputs[command[-1]]))
    found = look("signed-commits", where, Scope(at=AT, repository=Path("/serving")))
    assert found.outcome == expected


def test_no_repository_is_unknown() -> None:
    assert said(look("tracked-secrets", Machine())) == ("unknown", "no repository was named")
    assert said(look("signed-commits", Machine())) == ("unknown", "no repository was named")
