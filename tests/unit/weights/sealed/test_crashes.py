"""Killed, out of space, or raced: the old state or the new one, and nothing half."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import PrivateKey
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import StorageError, UsageError
from steelyard.weights.sealed import Expect, Rewrapping, Sealing, open_sealed, seal_model
from steelyard.weights.sealed.stream_writer import StreamWriter

from .conftest import NOW, Scene, make_model

# Dies at the n-th call that changes the disk, for n = 1, 2, ... until a child gets through.
DYING = textwrap.dedent("""
    import json, os, pathlib, shutil, sys
    from datetime import UTC, datetime
    from steelyard.attest import PrivateKey
    from steelyard.attest.recipients import load_identity
    from steelyard.weights.recorded_opening import Record, rewrap_recorded
    from steelyard.weights.sealed import Expect, Rewrapping, Sealing, TensorReader, seal_model

    what, plain, out, identity_file = sys.argv[1:5]
    key = PrivateKey.from_seed(bytes(32))
    identity = load_identity(pathlib.Path(identity_file))
    now = datetime(2026, 5, 4, tzinfo=UTC)
    out = pathlib.Path(out)
    expect = Expect(key.public_key)

    def act():
        if what == "seal":
            sealing = Sealing("m", 1, [identity.recipient], threads=1)
            seal_model(pathlib.Path(plain), out, sealing, key, now)
        else:
            twice = [identity.recipient, identity.recipient]
            change, record = Rewrapping(twice, None, key), Record(out.with_name("log"), now)
            rewrap_recorded(out, identity, expect, change, out.with_name("marks"), record)

    def dying(function, left):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
            return function(*arguments, **options)
        return call

    def state():
        if not out.exists():
            return "absent"
        reader = TensorReader(out, identity, expect=expect)
        for file in reader.index.files:
            assert bytes(reader.read(file.path)) == (pathlib.Path(plain) / file.path).read_bytes()
        return f"whole, {len(reader.header.recipients)}"

    if what == "rewrap":
        seal_model(pathlib.Path(plain), out, Sealing("m", 1, [identity.recipient]), key, now)
    states = []
    for point in range(1, 400):
        child = os.fork()
        if child == 0:
            left = [point]
            for name in ("pwrite", "fsync", "ftruncate", "rename", "replace", "mkdir", "open"):
                setattr(os, name, dying(getattr(os, name), left))
            act()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        states.append(state())
        if os.waitstatus_to_exitcode(status) == 0:
            break
        assert os.waitstatus_to_exitcode(status) == 9, status
        if what == "seal" and out.exists():
            shutil.rmtree(out)
    print(json.dumps(states))
""")


def die_everywhere(what: str, tmp_path: Path) -> list[str]:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "weights.bin").write_bytes(os.urandom(3 * 2**20))
    (plain / "config.json").write_text("{}")
    identity = tmp_path / "identity"
    identity.write_bytes(generate_identity(hybrid=False).pem(None))
    script = [sys.executable, "-c", DYING, what, str(plain), str(tmp_path / "out"), str(identity)]
    done = subprocess.run(script, check=True, capture_output=True, text=True, timeout=120)
    states: list[str] = json.loads(done.stdout)
    return states


def test_killed_at_every_step_of_sealing(tmp_path: Path) -> None:
    states = die_everywhere("seal", tmp_path)
    assert len(states) > 20
    first_whole = states.index("whole, 1")
    assert set(states[:first_whole]) == {"absent"}
    assert set(states[first_whole:]) == {"whole, 1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["identity", "out", "plain"]


def test_killed_at_every_step_of_rewrapping(tmp_path: Path) -> None:
    states = die_everywhere("rewrap", tmp_path)
    assert len(states) > 3
    first_new = states.index("whole, 2")
    assert set(states[:first_new]) == {"whole, 1"}
    assert set(states[first_new:]) == {"whole, 2"}


def test_killed_from_outside_while_sealing(original: Scene, tmp_path: Path) -> None:
    """Whenever the signal comes, what carries the name of the model is whole."""
    script = textwrap.dedent("""
        import pathlib, sys
        from datetime import UTC, datetime
        from steelyard.attest import PrivateKey
        from steelyard.attest.recipients import load_recipient
        from steelyard.weights.sealed import Sealing, seal_model
        plain, out, recipient = map(pathlib.Path, sys.argv[1:4])
        sealing = Sealing("m", 1, [load_recipient(recipient)])
        key = PrivateKey.from_seed(bytes(32))
        print("begun", flush=True)
        seal_model(plain, out, sealing, key, datetime(2026, 5, 4, tzinfo=UTC))
    """)
    recipient = tmp_path / "recipient"
    recipient.write_bytes(original.identity.recipient.pem)
    plain = make_model(tmp_path / "plain")
    for delay in (0.0, 0.005, 0.01, 0.02, 0.04):
        arguments = [
            sys.executable,
            "-c",
            script,
            str(plain),
            str(tmp_path / "out"),
            str(recipient),
        ]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                child.wait(timeout=delay)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
        if (tmp_path / "out").exists():
            expect = Expect(PrivateKey.from_seed(bytes(32)).public_key)
            assert len(open_sealed(tmp_path / "out", original.identity, expect=expect)) == 5
            shutil.rmtree(tmp_path / "out")


def test_a_full_disk_leaves_nothing(
    original: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.pwrite, 0

    def full(descriptor: int, data: memoryview, at: int) -> int:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", full)
    sealing = Sealing("mini", 1, [original.identity.recipient])
    before = (original.plain / "model.safetensors").read_bytes()
    with pytest.raises(StorageError, match="cannot write: No space left on device"):
        seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    assert list(tmp_path.iterdir()) == []
    assert (original.plain / "model.safetensors").read_bytes() == before


def test_a_limit_on_file_size_is_a_full_disk(original: Scene, tmp_path: Path) -> None:
    """The kernel itself refuses, no patch."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, old[1]))
    sealing = Sealing("mini", 1, [original.identity.recipient])
    try:
        with pytest.raises(StorageError, match="cannot write: File too large"):
            seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_said_before_anything_is_read(
    original: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs

    def small(path: Path) -> os.statvfs_result:
        found = list(real(path))
        found[4] = 10
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", small)
    sealing = Sealing("mini", 1, [original.identity.recipient])
    with pytest.raises(StorageError, match=r"\d+ bytes are free, sealing needs \d+"):
        seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_not_sealed_over_something(original: Scene, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    sealing = Sealing("mini", 1, [original.identity.recipient])
    with pytest.raises(UsageError, match="this exists; nothing is written over it"):
        seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)


def leftover(place: Path, name: str, *, mode: int = 0o700, mark: bool = True) -> Path:
    folder = place / name
    folder.mkdir()
    (folder / "000000.floe").write_text("of an attempt that was killed")
    if mark:
        (folder / ".being-written").touch()
    folder.chmod(mode)
    return folder


def test_what_a_killed_attempt_left_is_removed_and_nothing_else(
    original: Scene, tmp_path: Path
) -> None:
    """A user's own folder, somebody else's, one that is being written, and a link to one stay."""
    abandoned = leftover(tmp_path, ".s.0a1b.part")
    (tmp_path / ".s.empty.part").mkdir(mode=0o700)
    kept = [
        leftover(tmp_path, ".s.mine.part", mark=False),
        leftover(tmp_path, ".s.open.part", mode=0o777),
        leftover(tmp_path, ".other.0a1b.part"),
        leftover(tmp_path, ".s.part", mark=False),
        leftover(tmp_path, ".s.held.part"),
    ]
    (tmp_path / "precious").mkdir(mode=0o700)
    (tmp_path / "precious" / "thesis.txt").write_text("of years")
    (tmp_path / ".s.link.part").symlink_to(tmp_path / "precious")
    holder = os.open(kept[-1], os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    sealing = Sealing("mini", 1, [original.identity.recipient])
    seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    os.close(holder)
    assert not abandoned.exists()
    assert not (tmp_path / ".s.empty.part").exists()
    assert all((folder / "000000.floe").exists() for folder in kept[:4])
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "of years"
    assert not (tmp_path / "s").is_symlink()
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
    assert not (tmp_path / "s" / ".being-written").exists()


def test_a_name_that_is_taken_meanwhile_is_not_written_over(
    original: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = StreamWriter.finish

    def late(writer: StreamWriter, *arguments: Any) -> object:  # noqa: ANN401 - passed on
        (tmp_path / "s").mkdir()
        (tmp_path / "s" / "theirs").touch()
        return real(writer, *arguments)

    monkeypatch.setattr(StreamWriter, "finish", late)
    sealing = Sealing("mini", 1, [original.identity.recipient])
    with pytest.raises(UsageError, match="this exists; nothing is written over it"):
        seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_everything_is_on_the_disk_before_it_has_its_name(
    original: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the calls: no file is renamed into place that was not flushed before."""
    flushed: list[str] = []
    real_sync, real_rename = os.fsync, os.rename

    def sync(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real_sync(descriptor)

    def rename(source: Any, target: Any) -> None:  # noqa: ANN401 - passed on
        flushed.append(f"renamed to {Path(target).name}")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", rename)
    sealing = Sealing("mini", 1, [original.identity.recipient])
    seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    renamed = flushed.index("renamed to s")
    part = flushed[renamed - 1]
    assert part.startswith(".s.")
    names = {path.name for path in (tmp_path / "s").iterdir()}
    assert names <= set(flushed[:renamed])
    assert flushed[-1] == tmp_path.name


def test_a_refused_rewrap_keeps_the_old_header(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (scene.sealed / "sealed.json").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    change = Rewrapping([scene.identity.recipient], None, scene.key)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        scene.rewrap(change)
    assert (scene.sealed / "sealed.json").read_bytes() == before
    assert not [path for path in scene.sealed.iterdir() if path.name.startswith(".")]
