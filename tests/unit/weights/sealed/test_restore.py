"""Plain files on request: kept to their owner, and gone when the writing is stopped."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from steelyard.attest import generate_key, manifest_root
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import BrokenSeal, UsageError
from steelyard.weights.sealed import Sealing, TensorReader, seal_model
from steelyard.weights.sealed.restore import restore

from .conftest import NOW, Scene


def test_files_come_back_and_only_their_owner_reads_them(original: Scene, tmp_path: Path) -> None:
    reader = TensorReader(original.sealed, original.identity, expect=original.expect)
    seen: list[tuple[int, int]] = []
    assert restore(reader, tmp_path / "out", lambda done, total: seen.append((done, total))) == 4
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for path in (tmp_path / "out").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600)
        if path.is_file():
            plain = original.plain / path.relative_to(tmp_path / "out")
            assert path.read_bytes() == plain.read_bytes()
    with pytest.raises(UsageError, match="this exists; nothing is written over it"):
        restore(reader, tmp_path / "out", lambda _done, _total: None)


@pytest.mark.parametrize("honest", [True, False])
def test_files_are_held_against_their_manifest_root(
    original: Scene, tmp_path: Path, *, honest: bool
) -> None:
    root = manifest_root(original.plain) if honest else "ab" * 32
    sealing = Sealing("mini", 1, [original.identity.recipient], manifest_root=root)
    seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    reader = TensorReader(tmp_path / "s", original.identity, expect=original.expect)
    if honest:
        assert restore(reader, tmp_path / "out", lambda _done, _total: None) == 4
        assert manifest_root(tmp_path / "out") == root
        return
    with pytest.raises(BrokenSeal, match="the files are not those of the manifest root"):
        restore(reader, tmp_path / "out", lambda _done, _total: None)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_leaves_no_plaintext(tmp_path: Path, number: signal.Signals) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for part in range(3):
        (plain / f"{part}.bin").write_bytes(bytes(1000))
    key, identity = generate_key(), generate_identity(hybrid=False)
    seal_model(plain, tmp_path / "sealed", Sealing("m", 1, [identity.recipient]), key, NOW)
    (tmp_path / "signer").write_bytes(key.public_key.pem)
    (tmp_path / "identity").write_bytes(identity.pem(None))
    code = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from steelyard.attest import load_public_key
        from steelyard.attest.recipients import load_identity
        from steelyard.weights.sealed import Expect, TensorReader
        from steelyard.weights.sealed.restore import restore
        expect = Expect(load_public_key(Path("signer")))
        reader = TensorReader(Path("sealed"), load_identity(Path("identity")), expect=expect)
        def slow(done, total):
            print("wrote", flush=True)
            time.sleep(60)
        restore(reader, Path("out"), slow)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"wrote\n"
        child.send_signal(number)
        child.communicate(timeout=30)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["identity", "plain", "sealed", "signer"]
