"""Sealing a real model by the commands: 2 of 3 custodians open it, and it embeds as before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyrage
import pytest
from safetensors.numpy import load_file

from steelyard.attest import generate_key, load_public_key, manifest_root, save_key
from steelyard.attest.recipients import load_identity
from steelyard.cli.main import run
from steelyard.standard import check_schema
from steelyard.weights.sealed import Expect, Opening, TensorReader

from .real_model import unpack_real_model

PEOPLE = {"ada": "Aster", "ben": "Birch", "cyd": "Cedar"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, a publisher, three custodians and the user's own keys."""
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    save_key(generate_key(), tmp_path / "publisher")
    lines = ["threshold: 2", "custodians:"]
    for name, organization in PEOPLE.items():
        save_key(generate_key(), tmp_path / f"{name}.sign")
        assert run(["weights", "keygen", f"{name}.key"]) == 0
        lines += [
            f"  - name: {name}",
            f"    organization: {organization}",
            f"    signing_key: {name}.sign.pub",
            f"    recipient: {name}.key.pub",
        ]
    (tmp_path / "quorum.yaml").write_text("\n".join(lines) + "\n")
    (tmp_path / "pass").write_text("open sesame\n")
    assert run(["weights", "keygen", "mine", "--passphrase-file", "pass"]) == 0
    return tmp_path


def steelyard(*arguments: str) -> int:
    return run(["weights", *arguments])


def small_model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "weights.bin").write_bytes(os.urandom(3_000_000))
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def read_json(capsys: pytest.CaptureFixture[str]) -> Callable[[str], dict[str, Any]]:
    """The document that the last command printed, which follows a schema."""

    def read(schema: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        check_schema(document, schema, where=schema)
        return document

    return read


def ask(*who: str) -> list[str]:
    """Ask, have custodians approve, and return what `open` needs for it."""
    arguments = ["sealed", "--signer", "publisher.pub"]
    purpose = ["--purpose", "run the benchmark"]
    for name in ("ask", *(f"{name}.ok" for name in who)):
        Path(name).unlink(missing_ok=True)
    assert steelyard("request", *arguments, *purpose, "--identity", "mine.pub", "--out", "ask") == 0
    own = Path(os.environ["HOME"]) / ".config/steelyard/signing-key.pem.pub"
    for name in who:
        keys = ["--key", f"{name}.sign", "--identity", f"{name}.key"]
        request = ["--request", "ask", "--requester", str(own)]
        assert steelyard("approve", *arguments, *request, *keys, "--out", f"{name}.ok") == 0
    approvals = [part for name in who for part in ("--approval", f"{name}.ok")]
    mine = ["--identity", "mine", "--passphrase-file", "pass"]
    return [*arguments, "--request", "ask", *approvals, *mine]


EMBED = textwrap.dedent("""
    import os, sys
    os.environ["HF_HUB_OFFLINE"] = "1"
    import numpy, torch
    from pathlib import Path
    from transformers import AutoConfig, AutoTokenizer, BertModel
    from steelyard.attest import load_public_key
    from steelyard.attest.recipients import load_identity
    from steelyard.weights.sealed import Expect
    from steelyard.weights.sealed.loading import iterate, load_state_dict

    plain, sealed, signer, identity, out = map(Path, sys.argv[1:6])
    expect = Expect(load_public_key(signer), "mini")
    config, opener = AutoConfig.from_pretrained(plain), load_identity(identity)
    text = ["Weights are heavy.", "A balance weighs them.", "Rivals keep common measures."]
    tokens = AutoTokenizer.from_pretrained(plain)(text, padding=True, return_tensors="pt")

    def embed(model):
        with torch.no_grad():
            return model.eval()(**tokens).last_hidden_state.mean(dim=1).numpy()

    before = embed(BertModel.from_pretrained(plain))
    state = load_state_dict(sealed, opener, expect=expect)
    after = embed(BertModel.from_pretrained(None, config=config, state_dict=state))
    streamed = BertModel(config)
    streamed.load_state_dict(dict(iterate(sealed, opener, expect=expect)), strict=False)
    numpy.savez(out, before=before, after=after, streamed=embed(streamed))
""")


def test_a_real_model_is_opened_by_two_of_three_and_embeds_bit_for_bit(home: Path) -> None:
    plain = unpack_real_model(home / "model")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    who = ["--quorum", "quorum.yaml", "--to", "mine.pub", "--key", "publisher", "--manifest"]
    assert steelyard(*seal, *who, "--json") == 0
    opening = ask("ada", "cyd")
    assert steelyard("open", *opening, "--model", "mini") == 0
    mine = load_identity(home / "mine", b"open sesame")
    expect = Expect(load_public_key(home / "publisher.pub"), "mini")
    reader = TensorReader(home / "sealed", mine, expect=expect, how=Opening(publisher=True))
    assert reader.index.manifest_root == manifest_root(plain)
    original = load_file(plain / "model.safetensors")
    assert reader.tensors.keys() == original.keys()
    opened = reader.all("model.safetensors")
    assert all(np.array_equal(opened[name], original[name]) for name in original)
    (home / "open-key").write_bytes(mine.pem(None))
    pytest.importorskip("torch", reason="torch is not installed")
    arguments = ["model", "sealed", "publisher.pub", "open-key", "embeddings.npz"]
    subprocess.run([sys.executable, "-c", EMBED, *arguments], check=True, timeout=300)
    with np.load(home / "embeddings.npz") as found:
        assert found["before"].shape == (3, 384)
        assert found["after"].tobytes() == found["before"].tobytes()
        assert found["streamed"].tobytes() == found["before"].tobytes()


def test_the_commands_tell_their_story(
    home: Path, read_json: Callable[[str], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    small_model(home / "model")
    capsys.readouterr()
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--quorum", "quorum.yaml", "--key", "publisher", "--json") == 0
    summary = read_json("sealed-summary")
    assert (summary["custodians"], summary["threshold"]) == (["ada", "ben", "cyd"], 2)
    assert (summary["files"], summary["recipients"]) == (2, [])
    one = ask("ada")
    capsys.readouterr()
    assert steelyard("open", *one) == 1
    assert capsys.readouterr().err == "error: 1 of 2 approvals count: no more were given\n"
    two = ask("ada", "ben")
    capsys.readouterr()
    assert steelyard("open", *two, "--json") == 0
    opened = read_json("sealed-opening")
    assert opened["artifact"] == summary["artifact"]
    assert (opened["content"], len(opened["files"])) == ("publisher", 2)
    assert steelyard("open", *two) == 1
    assert "this request opened the weights before" in capsys.readouterr().err
    assert steelyard("log", "--json", "--write-checkpoint", "head") == 0
    names = [entry["event"] for entry in read_json("access-log")["entries"]]
    assert names == ["approved", "refused", "approved", "approved", "opened", "refused"]


def test_restoring_is_asked_for_and_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_model(home / "model")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--to", "ada.key.pub", "--key", "publisher") == 0
    ada = ["--signer", "publisher.pub", "--identity", "ada.key"]
    before = {path.name for path in home.iterdir()}
    assert steelyard("open", "sealed", *ada) == 0
    assert {path.name for path in home.iterdir()} == before
    capsys.readouterr()
    assert steelyard("open", "sealed", *ada, "--out", "clear") == 0
    assert capsys.readouterr().err == "wrote clear: the model lies there in clear\n"
    assert (home / "clear/weights.bin").read_bytes() == (home / "model/weights.bin").read_bytes()
    assert steelyard("open", "sealed", *ada, "--out", "clear") == 2


def test_rewrap_and_rekey(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_model(home / "model")
    age = pyrage.x25519.Identity.generate()
    (home / "age.txt").write_text(f"# created by hand\n{age}\n")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--to", "ada.key.pub", "--key", "publisher") == 0
    ada = ["--signer", "publisher.pub", "--identity", "ada.key"]
    wrap = ["--to-age", str(age.to_public()), "--key", "publisher"]
    assert steelyard("rewrap", "sealed", *ada, *wrap) == 0
    assert steelyard("open", "sealed", *ada) == 1
    by_age = ["--signer", "publisher.pub", "--age-identity", "age.txt"]
    assert steelyard("open", "sealed", *by_age) == 0
    new = ["--out", "new", "--release", "2", "--to", "ben.key.pub", "--key", "publisher"]
    assert steelyard("rekey", "sealed", *by_age, *new) == 0
    ben = ["--signer", "publisher.pub", "--identity", "ben.key"]
    assert steelyard("open", "new", *ben, "--out", "clear") == 0
    assert (home / "clear/weights.bin").read_bytes() == (home / "model/weights.bin").read_bytes()
    capsys.readouterr()
    assert steelyard("open", "sealed", *by_age) == 3
    assert (
        "release 1, edition 2 of mini; release 2, edition 1 was opened before"
        in capsys.readouterr().err
    )
    older = ["--out", "older", "--release", "2", "--to", "ben.key.pub", "--key", "publisher"]
    assert steelyard("rekey", "new", *ben, *older) == 2
    assert capsys.readouterr().err.endswith("hint: give --release 3\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["open", "sealed", "--signer", "publisher.pub"], 2, "give one of --identity"),
        (["open", "model", "--signer", "publisher.pub", "--identity", "ada.key"], 3,
         "expected sealed weights, found something else"),
        (["open", "sealed", "--signer", "ada.sign.pub", "--identity", "ada.key"], 3,
         "which is not among the keys given"),
        (["open", "sealed", "--signer", "publisher.pub", "--identity", "mine"], 2,
         "the key is encrypted"),
        (["open", "sealed", "--signer", "publisher.pub", "--identity", "absent"], 3,
         "No such file or directory"),
        (["open", "sealed", "--signer", "publisher.pub", "--identity", "ada.key", "--model", "x"],
         3, "the model is 'mini', expected 'x'"),
        (["seal", "model", "--out", "again", "--name", "mini", "--release", "1"], 2,
         "nobody could open"),
        (["seal", "absent", "--out", "again", "--name", "m", "--release", "1", "--to",
          "ada.key.pub"], 3, "No such file or directory"),
        (["request", "sealed", "--signer", "publisher.pub", "--purpose", "x", "--identity",
          "mine.pub", "--out", "ask"], 1, "these weights are in nobody's custody"),
        (["log", "absent"], 3, "No such file or directory"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_in_one_line(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    small_model(home / "model")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--to", "ada.key.pub", "--key", "publisher") == 0
    capsys.readouterr()
    assert steelyard(*arguments) == status
    error = capsys.readouterr().err
    assert error.removeprefix("made a signing key: ").count("error: ") == 1
    assert message in error
    assert not (home / "again").exists()


def test_a_wrong_passphrase_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_model(home / "model")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--to", "mine.pub", "--key", "publisher") == 0
    (home / "wrong").write_text("guess\n")
    arguments = ["--signer", "publisher.pub", "--identity", "mine", "--passphrase-file"]
    capsys.readouterr()
    assert steelyard("open", "sealed", *arguments, "wrong") == 2
    assert "wrong passphrase, or a damaged key" in capsys.readouterr().err
    assert steelyard("open", "sealed", *arguments, "pass") == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["seal", "model", "--out", "x", "--name", "m", "--release", "1", "--quorum", "latin"], 2,
         "latin: not UTF-8 text"),
        (["open", "sealed", "--signer", "publisher.pub", "--age-identity", "latin"], 2,
         "latin: not UTF-8 text"),
        (["seal", "model", "--out", "x", "--name", "m", "--release", "1", "--to-age", "age1\udcff"],
         2, "is no age recipient"),
        (["open", "sealed", "--signer", "publisher.pub", "--identity", "ada.key", "--purpose",
          "x" * 4097], 2, "a purpose is printable text of at most 4096 characters"),
        (["seal", "odd", "--out", "x", "--name", "m", "--release", "1", "--to", "ada.key.pub",
          "--manifest"], 3, "is no portable file name"),
        (["open", "x" * 300, "--signer", "publisher.pub", "--identity", "ada.key"], 3,
         "File name too long"),
        (["seal", "model", "--out", "x", "--name", "", "--release", "1", "--to", "ada.key.pub"], 2,
         "name of the model"),
        (["rewrap", "sealed", "--signer", "publisher.pub", "--identity", "ada.key", "--to",
          "ben.key.pub"], 2, "the header must stay signed by"),
        (["request", "sealed/absent.json", "--signer", "publisher.pub", "--purpose", "x",
          "--identity", "mine.pub", "--out", "ask"], 3, "expected sealed weights"),
    ],
)  # fmt: skip
def test_odd_input_is_told_and_never_an_internal_error(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    small_model(home / "model")
    (home / "latin").write_bytes(b"caf\xe9\n")
    (home / "odd").mkdir()
    (home / "odd" / os.fsdecode(b"caf\xe9.bin")).write_bytes(b"weights")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--to", "ada.key.pub", "--key", "publisher") == 0
    capsys.readouterr()
    assert steelyard(*arguments) == status
    assert message in capsys.readouterr().err


def test_a_mistyped_out_costs_no_key(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_model(home / "model")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--quorum", "quorum.yaml", "--key", "publisher") == 0
    before = (home / "mine").read_bytes()
    ask_into = ["request", "sealed", "--signer", "publisher.pub", "--purpose", "x"]
    capsys.readouterr()
    assert steelyard(*ask_into, "--identity", "mine.pub", "--out", "mine") == 2
    assert "mine: this exists; nothing is written over it" in capsys.readouterr().err
    assert (home / "mine").read_bytes() == before


def test_a_custodian_looks_before_approving(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_model(home / "model")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--quorum", "quorum.yaml", "--key", "publisher") == 0
    ask()
    own = Path(os.environ["HOME"]) / ".config/steelyard/signing-key.pem.pub"
    look = ["approve", "sealed", "--signer", "publisher.pub", "--request", "ask"]
    capsys.readouterr()
    assert steelyard(*look, "--requester", str(own)) == 0
    seen = capsys.readouterr()
    assert seen.out.startswith("mini release 1: run the benchmark\n  for ")
    assert seen.err == "nothing was approved: that takes --key, --identity and --out\n"
    assert steelyard(*look, "--requester", str(own), "--key", "ada.sign") == 2


def test_custodians_are_not_asked_about_an_older_header(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_model(home / "model")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    both = ["--quorum", "quorum.yaml", "--to", "ada.key.pub", "--key", "publisher"]
    assert steelyard(*seal, *both) == 0
    old = (home / "sealed/sealed.json").read_bytes()
    ask()
    ada = ["sealed", "--signer", "publisher.pub", "--identity", "ada.key"]
    assert steelyard("rewrap", *ada, *both) == 0
    (home / "sealed/sealed.json").write_bytes(old)
    ask_anew = ["request", "sealed", "--signer", "publisher.pub", "--purpose", "x"]
    capsys.readouterr()
    assert steelyard(*ask_anew, "--identity", "mine.pub", "--out", "anew") == 3
    told = "release 1, edition 1 of mini; release 1, edition 2 was opened before"
    assert told in capsys.readouterr().err
    assert steelyard("rewrap", *ada, *both) == 3
    assert told in capsys.readouterr().err
    assert steelyard("log") == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in shown] == ["rewrapped", "refused"]


def test_a_broker_releases_its_half_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_model(home / "model")
    assert steelyard("keygen", "broker.key") == 0
    with (home / "quorum.yaml").open("a") as stream:
        stream.write("broker: broker.key.pub\n")
    seal = ["seal", "model", "--out", "sealed", "--name", "mini", "--release", "1"]
    assert steelyard(*seal, "--quorum", "quorum.yaml", "--key", "publisher") == 0
    opening = ask("ada", "ben")
    capsys.readouterr()
    assert steelyard("open", *opening) == 1
    assert "this model needs the broker's half as well" in capsys.readouterr().err
    own = Path(os.environ["HOME"]) / ".config/steelyard/signing-key.pem.pub"
    release = ["release", "sealed", "--signer", "publisher.pub", "--request", "ask"]
    release += ["--requester", str(own), "--approval", "ada.ok", "--approval", "ben.ok"]
    release += ["--identity", "broker.key", "--log", "broker.jsonl"]
    assert steelyard(*release, "--out", "mine") == 2
    assert steelyard(*release, "--out", "half") == 0
    assert steelyard("open", *opening, "--half", "half") == 0
    assert steelyard(*release, "--out", "again") == 1
    assert "this request released the weights before, entry 0" in capsys.readouterr().err
    assert not (home / "again").exists()
