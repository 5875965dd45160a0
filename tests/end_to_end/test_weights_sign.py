"""`weights sign`, `verify`, `signing-key`: the commands, and both ways with model_signing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from safetensors.numpy import save_file

from steelyard.cli.main import run
from steelyard.standard import check_schema
from steelyard.weights.signing import TrustedKeys, load_model_key, load_verified

from .real_model import unpack_real_model

# model_signing imports pyOpenSSL without asking for it; without it nothing of it runs.
reference = pytest.mark.skipif(
    find_spec("model_signing") is None or find_spec("OpenSSL") is None,
    reason="model_signing or pyOpenSSL, which it needs, is not installed",
)
CURVES = ("p256", "p384", "p521")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "scale-1"
    (folder / "a-b").mkdir(parents=True)
    (folder / "a").mkdir()
    draw = np.random.default_rng(3)
    save_file({"w": draw.normal(size=(64, 8)).astype(np.float32)}, folder / "model.safetensors")
    for name in ("a/x.txt", "a-b/y.txt", "config.json"):
        (folder / name).write_text(f"{name}\n", "utf-8")
    return folder


def keygen(folder: Path, kind: str) -> tuple[Path, Path]:
    path = folder / f"{kind}.pem"
    assert run(["weights", "signing-key", str(path), "--kind", kind]) == 0
    return path, path.with_name(f"{kind}.pem.pub")


def theirs(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("model_signing")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env=dict(os.environ)
    )


@reference
@pytest.mark.parametrize("kind", CURVES)
def test_the_model_signing_command_verifies_ours(model: Path, tmp_path: Path, kind: str) -> None:
    key, public = keygen(tmp_path, kind)
    assert run(["weights", "sign", str(model), "--key", str(key)]) == 0
    arguments = ("verify", "key", model, "--signature", model / "model.sig")
    done = theirs(*arguments, "--public_key", public)
    assert (done.returncode, done.stdout) == (0, "Verification succeeded\n")
    (model / "config.json").write_text("changed", "utf-8")
    assert theirs(*arguments, "--public_key", public).returncode == 1


@reference
@pytest.mark.parametrize("kind", CURVES)
def test_we_verify_what_the_model_signing_command_signs(
    model: Path, tmp_path: Path, kind: str
) -> None:
    key, public = keygen(tmp_path, kind)
    signature = model / "model.sig"
    done = theirs("sign", "key", model, "--private_key", key, "--signature", signature)
    assert (done.returncode, done.stdout) == (0, "Signing succeeded\n")
    verify = ["weights", "verify", str(model), "--key", str(public)]
    assert run(verify) == 0
    (model / "config.json").write_text("changed", "utf-8")
    assert run(verify) == 3


@reference
@pytest.mark.parametrize(
    ("ours", "hash_name", "shard_bytes", "verifies"),
    [
        ("sha256", "sha256", 0, True),
        ("blake3", "blake3", 0, True),
        ("blake2b", "blake2", 0, False),
        ("sha256", "sha256", 700, False),
    ],
)
def test_the_library_of_model_signing_both_ways(
    model: Path, tmp_path: Path, ours: str, hash_name: str, shard_bytes: int, *, verifies: bool
) -> None:
    names = ("hashing", "signing", "verifying")
    hashing, signing, verifying = (pytest.importorskip(f"model_signing.{name}") for name in names)
    key, public = keygen(tmp_path, "p256")
    signature = model / "model.sig"
    how = hashing.Config()
    if shard_bytes:
        how.use_shard_serialization(hashing_algorithm=hash_name, shard_size=shard_bytes)
    else:
        how.use_file_serialization(hashing_algorithm=hash_name)
    how.set_ignored_paths(paths=["model.sig"])
    config = signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(how)
    config.sign(model, signature)
    assert run(["weights", "verify", str(model), "--key", str(public)]) == 0
    signed = ["weights", "sign", str(model), "--key", str(key), "--hash", ours]
    assert run([*signed, "--shard-bytes", str(shard_bytes)]) == 0
    verifier = verifying.Config().use_elliptic_key_verifier(public_key=public)
    if verifies:
        verifier.verify(model, signature)
    else:
        with pytest.raises(ValueError, match=r"Unsupported hashing|Signature mismatch"):
            verifier.verify(model, signature)


@reference
def test_what_the_reference_does_with_ed25519_and_with_a_single_file(
    model: Path, tmp_path: Path
) -> None:
    key, public = keygen(tmp_path, "ed25519")
    assert run(["weights", "sign", str(model), "--key", str(key)]) == 0
    arguments = ("verify", "key", model, "--signature", model / "model.sig")
    done = theirs(*arguments, "--public_key", public)
    assert (done.returncode, "has no attribute 'curve'" in done.stderr) == (1, True)
    assert run(["weights", "verify", str(model), "--key", str(public)]) == 0
    key, public = keygen(tmp_path, "p256")
    file, place = model / "model.safetensors", tmp_path / "file.sig"
    theirs("sign", "key", file, "--private_key", key, "--signature", place)
    verify = ["weights", "verify", str(file), "--key", str(public), "--signature", str(place)]
    assert run(verify) == 0
    assert run(["weights", "sign", str(file), "--key", str(key), "--signature", str(place)]) == 0
    assert run(verify) == 0
    done = theirs("verify", "key", file, "--signature", place, "--public_key", public)
    assert done.returncode == 1


def test_both_documents_follow_their_schemas(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, public = keygen(tmp_path, "p256")
    (model / "README.md").write_text("prose", "utf-8")
    capsys.readouterr()
    sign = ["weights", "sign", str(model), "--key", str(key), "--ignore", "README.md", "--json"]
    assert run([*sign, "--hash", "blake3", "--shard-bytes", "512"]) == 0
    signed = json.loads(capsys.readouterr().out)
    check_schema(signed, "model-signature", where="sign")
    assert run(["weights", "verify", str(model), "--key", str(public), "--json"]) == 0
    seen = capsys.readouterr()
    found = json.loads(seen.out)
    check_schema(found, "model-verification", where="verify")
    assert {key: found[key] for key in ("root", "files", "bytes", "hash", "shard_bytes")} == {
        "root": signed["root"],
        "files": 4,
        "bytes": signed["bytes"],
        "hash": "blake3",
        "shard_bytes": 512,
    }
    assert seen.err == "note: not covered (ignored): README.md\n"


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ("changed", 3, "error: MODEL: 1 files are not as signed: 'config.json'"),
        ("missing", 3, "error: MODEL: 1 signed files are missing: 'config.json'"),
        ("unsigned", 3, "error: MODEL: 1 files are not signed: 'late.py'"),
        ("other key", 3, "error: MODEL/model.sig: signed by key "),
        ("no trust", 2, "error: say whom you trust: --key for a public key, or --root for"),
        ("no signature", 3, "error: MODEL/model.sig: cannot read: No such file or directory"),
        ("no bundle", 3, "error: MODEL/model.sig: not strict JSON: "),
    ],
)
def test_exit_statuses_tell_what_was_found(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: str,
    status: int,
    message: str,
) -> None:
    key, public = keygen(tmp_path, "p256")
    assert run(["weights", "sign", str(model), "--key", str(key)]) == 0
    trust = ["--key", str(public)]
    if change == "changed":
        (model / "config.json").write_text("{}", "utf-8")
    elif change == "missing":
        (model / "config.json").unlink()
    elif change == "unsigned":
        (model / "late.py").touch()
    elif change == "other key":
        trust = ["--key", str(keygen(tmp_path, "p384")[1])]
    elif change == "no trust":
        trust = []
    elif change == "no signature":
        (model / "model.sig").unlink()
    else:
        (model / "model.sig").write_text("half", "utf-8")
    capsys.readouterr()
    assert run(["weights", "verify", str(model), *trust]) == status
    error = capsys.readouterr().err.replace(str(model), "MODEL")
    assert error.startswith(message)


def test_a_signature_replaces_only_a_signature(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, _ = keygen(tmp_path, "p256")
    before = key.read_bytes()
    sign = ["weights", "sign", str(model), "--key", str(key)]
    assert run([*sign, "--signature", str(key)]) == 2
    assert "a file that is no signature has this name" in capsys.readouterr().err
    assert key.read_bytes() == before
    assert run(sign) == 0
    assert run(sign) == 0


def test_a_link_is_refused_and_leaves_no_signature(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, public = keygen(tmp_path, "p256")
    (tmp_path / "outside.bin").write_bytes(b"outside")
    (model / "linked.bin").symlink_to(tmp_path / "outside.bin")
    sign = ["weights", "sign", str(model), "--key", str(key)]
    assert run(sign) == 3
    assert not (model / "model.sig").exists()
    capsys.readouterr()
    assert run([*sign, "--follow-links"]) == 0
    assert "warning: link linked.bin leads out of the model\n" in capsys.readouterr().err
    assert run(["weights", "verify", str(model), "--key", str(public)]) == 3
    assert run(["weights", "verify", str(model), "--key", str(public), "--follow-links"]) == 0


def test_a_passphrase_comes_from_a_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("correct horse\n", "utf-8")
    (tmp_path / "wrong").write_text("wrong\n", "utf-8")
    key = tmp_path / "locked.pem"
    secret = ["--passphrase-file", str(tmp_path / "pass")]
    assert run(["weights", "signing-key", str(key), *secret]) == 0
    sign = ["weights", "sign", str(model), "--key", str(key)]
    assert run([*sign, *secret]) == 0
    assert run(sign) == 2
    assert run([*sign, "--passphrase-file", str(tmp_path / "wrong")]) == 2


def test_a_real_model_is_signed_verified_and_loaded(tmp_path: Path) -> None:
    weights = unpack_real_model(tmp_path / "model") / "model.safetensors"
    key, public = keygen(tmp_path, "p256")
    sign = ["weights", "sign", str(weights.parent), "--key", str(key), "--hash", "blake3"]
    assert run([*sign, "--shard-bytes", str(16 << 20)]) == 0
    assert run(["weights", "verify", str(weights.parent), "--key", str(public)]) == 0
    trust = TrustedKeys((load_model_key(public),))
    tensors = load_verified(weights.parent, weights.parent / "model.sig", trust)
    assert sum(array.nbytes for array in tensors.values()) > 80_000_000
    with weights.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x55")
    assert run(["weights", "verify", str(weights.parent), "--key", str(public)]) == 3


@pytest.mark.parametrize("command", ["signing-key", "keygen"])
def test_a_passphrase_is_the_first_line_of_its_file_for_every_kind_of_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"correct horse\r\nnotes\n")
    key = tmp_path / "key.pem"
    assert run(["weights", command, str(key), "--passphrase-file", str(secret)]) == 0
    assert load_pem_private_key(key.read_bytes(), b"correct horse") is not None
    capsys.readouterr()
    secret.write_bytes(b"\nsecond line\n")
    other = ["weights", command, str(tmp_path / "other.pem"), "--passphrase-file", str(secret)]
    assert run(other) == 2
    assert capsys.readouterr().err == f"error: {secret}: the first line is empty\n"


def test_what_cannot_be_ignored_or_named_is_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, _ = keygen(tmp_path, "p256")
    capsys.readouterr()
    sign = ["weights", "sign", str(model), "--key", str(key)]
    assert run([*sign, "--ignore", "../x"]) == 2
    assert capsys.readouterr().err.startswith("error: ignored path: '../x' is no name of a file")
    odd = model.rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    sign[2] = str(odd)
    assert run([*sign, "--signature", str(tmp_path / "s.sig")]) == 3
    assert "is no printable label" in capsys.readouterr().err
