"""Where plaintext is: in memory that no dump shows, and nowhere on the disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from steelyard.attest import generate_key
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import StorageError
from steelyard.weights.sealed import Sealing, seal_model
from steelyard.weights.sealed.memory import secret_memory

from .conftest import NOW

MARKER = b"plaintext-of-a-weight-that-nobody-else-has-7f3a"
CONTROL = b"an-ordinary-string-of-this-process-that-dumps-show-91c2"
OPENER = textwrap.dedent("""
    import os, pathlib, resource, sys
    from steelyard.attest import load_public_key
    from steelyard.attest.recipients import load_identity
    from steelyard.weights.sealed import Expect, TensorReader, harden_process
    folder, signer, identity, hardened = sys.argv[1:5]
    if hardened == "yes":
        harden_process()
    control = bytearray(sys.argv[5][::-1].encode())[::-1]
    expect = Expect(load_public_key(pathlib.Path(signer)))
    opener = load_identity(pathlib.Path(identity))
    reader = TensorReader(pathlib.Path(folder), opener, expect=expect)
    data = reader.read("weights.bin")
    assert bytes(data[:9]) == b"plaintext"
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hardened == "no":
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    print("opened", flush=True)
    sys.stdin.read()
    os.abort()
""")


@pytest.fixture
def sealed(tmp_path: Path) -> list[str]:
    """Arguments of the opener for a model whose every page holds the marker."""
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "weights.bin").write_bytes((MARKER + b"\n") * 60_000)
    key, identity = generate_key(), generate_identity(hybrid=False)
    seal_model(plain, tmp_path / "sealed", Sealing("m", 1, [identity.recipient]), key, NOW)
    (tmp_path / "signer.pub").write_bytes(key.public_key.pem)
    (tmp_path / "identity").write_bytes(identity.pem(None))
    (plain / "weights.bin").unlink()
    plain.rmdir()
    return [str(tmp_path / name) for name in ("sealed", "signer.pub", "identity")]


def opened_and_aborted(sealed: list[str], place: Path, *, hardened: bool) -> list[Path]:
    """Files that are there after a process with plaintext in memory has crashed."""
    place.mkdir()
    arguments = [
        sys.executable,
        "-c",
        OPENER,
        *sealed,
        "yes" if hardened else "no",
        CONTROL.decode(),
    ]

    with subprocess.Popen(
        arguments, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"opened\n"
        child.stdin.close()
        child.wait(timeout=60)
    assert child.returncode == -signal.SIGABRT
    return [path for path in place.parent.rglob("*") if path.is_file()]


def core_files_land_here() -> bool:
    pattern = Path("/proc/sys/kernel/core_pattern")
    allowed = resource.getrlimit(resource.RLIMIT_CORE)[1] != 0
    return allowed and pattern.exists() and pattern.read_text().strip() in {"core", "core.%p"}


def holding(files: list[Path], text: bytes) -> list[str]:
    return [path.name for path in files if text in path.read_bytes()]


def test_a_core_dump_shows_the_process_but_not_the_weights(
    sealed: list[str], tmp_path: Path
) -> None:
    if not core_files_land_here():
        pytest.skip("this kernel writes core dumps elsewhere, or none")
    files = opened_and_aborted(sealed, tmp_path / "work", hardened=False)
    assert [name for name in holding(files, CONTROL) if name.startswith("core")]
    assert holding(files, MARKER) == []


def test_a_hardened_process_leaves_no_core_dump(sealed: list[str], tmp_path: Path) -> None:
    files = opened_and_aborted(sealed, tmp_path / "work", hardened=True)
    assert [path for path in files if path.name.startswith("core")] == []
    assert holding(files, MARKER) == []


def test_neither_sealed_nor_opened_weights_leave_plaintext_on_the_disk(
    sealed: list[str], tmp_path: Path
) -> None:
    """Every file below the folder in which everything happened, and what the process has open."""
    arguments = [sys.executable, "-c", OPENER, *sealed, "no", CONTROL.decode()]
    environment = os.environ | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=environment,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        open_files = {str(link.readlink()) for link in Path(f"/proc/{child.pid}/fd").iterdir()}
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        child.kill()
    assert holding(files, MARKER) == []
    assert not [path for path in open_files if path.startswith(str(tmp_path)) or "deleted" in path]
    assert holding(files, b"steelyard/sealed-weights/1") == []
    assert len(files) >= 6


def test_memory_is_zeroed_whole_and_aligned() -> None:
    for size in (0, 1, 4096, 5 * 2**20 + 7):
        region = secret_memory(size)
        assert len(region) == size
        assert not any(region[:: max(1, size // 97)])
        if size:
            region[-1] = 7
            assert region[size - 1] == 7


def test_too_much_memory_is_refused() -> None:
    with pytest.raises(StorageError) as caught:
        secret_memory(2**62)
    assert caught.value.message.startswith(f"cannot have {2**62} bytes of memory")
    assert caught.value.hint == "read single tensors, or rows of them"


def test_a_hardened_process_cannot_be_read_by_others() -> None:
    """PR_GET_DUMPABLE is 3 (prctl(2)); 0 keeps debuggers of the same user out as well."""
    code = (
        "import ctypes\n"
        "from steelyard.weights.sealed.memory import harden_process\n"
        "library = ctypes.CDLL(None)\n"
        "before = library.prctl(3, 0, 0, 0, 0)\n"
        "harden_process()\n"
        "print(before, library.prctl(3, 0, 0, 0, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 0\n"
