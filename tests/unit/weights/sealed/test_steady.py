"""Beside somebody who writes: the truth, or a refusal, and never a mixture."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import generate_key
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import MalformedEvidence, StorageError
from steelyard.weights.sealed import Expect, Sealing, TensorReader, seal_model
from steelyard.weights.sealed.stream_writer import StreamWriter
from steelyard.weights.steady import steady_bytes

from .conftest import NOW, Scene


def test_a_writer_that_is_there_already_means_a_copy(scene: Scene) -> None:
    path = scene.sealed / "000004.floe"
    with path.open("r+b"), steady_bytes(path) as source:
        assert type(source).__name__ == "_Copied"
        scratch = memoryview(bytearray(16))
        assert source.take(0, 16, scratch).obj is scratch.obj
    with steady_bytes(path) as source:
        assert type(source).__name__ == "_Mapped"


def test_a_writer_waits_until_the_reading_is_over(scene: Scene) -> None:
    path = scene.sealed / "000004.floe"
    code = "import sys; open(sys.argv[1], 'r+b').write(b'xx'); print('wrote')"
    scratch = memoryview(bytearray(16))
    with pytest.raises(StorageError) as caught, steady_bytes(path) as source:  # noqa: PT012
        before = bytes(source.take(0, 16, scratch))
        child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=1)
        assert bytes(source.take(0, 16, scratch)) == before
    assert caught.value.message == "the file was opened for writing while it was read"
    assert child.communicate(timeout=30)[0] == b"wrote\n"
    assert path.read_bytes()[:2] == b"xx"


def test_reading_beside_a_writer_never_gives_what_was_not_sealed(
    scene: Scene,
) -> None:
    """A process flips bytes as fast as it can; every answer is the truth or a refusal."""
    path = scene.sealed / "000004.floe"
    code = textwrap.dedent("""
        import os, sys
        with open(sys.argv[1], "r+b", buffering=0) as f:
            size = os.fstat(f.fileno()).st_size
            print("on", flush=True)
            while True:
                for at in range(1000, size, 300_001):
                    old = os.pread(f.fileno(), 1, at)
                    os.pwrite(f.fileno(), bytes([old[0] ^ 255]), at)
                    os.pwrite(f.fileno(), old, at)
    """)
    reader = TensorReader(scene.sealed, scene.identity, expect=scene.expect)
    truth = reader.get("embedding").tobytes()
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        answers = set()
        for _ in range(30):
            try:
                answers.add(reader.get("embedding").tobytes() == truth)
            except Exception as error:  # noqa: BLE001 - which error is the point
                answers.add(type(error).__name__)
        child.kill()
    assert answers <= {True, "BrokenSeal"}
    assert answers


def test_what_changes_while_it_is_sealed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "m" / "weights.bin"
    weights.parent.mkdir()
    weights.write_bytes(bytes(100))
    real, moments = StreamWriter.write, iter(range(1, 9))

    def touching(writer: StreamWriter, *arguments: Any) -> None:  # noqa: ANN401 - passed on
        real(writer, *arguments)
        os.utime(weights, (0, next(moments)))

    monkeypatch.setattr(StreamWriter, "write", touching)
    sealing = Sealing("mini", 1, [generate_identity(hybrid=False).recipient])
    with pytest.raises(MalformedEvidence) as caught:
        seal_model(tmp_path / "m", tmp_path / "s", sealing, generate_key(), NOW)
    assert caught.value.message == "the file changed while it was sealed"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_what_is_written_while_it_is_sealed_is_read_as_it_was_or_refused(
    tmp_path: Path,
) -> None:
    """A process rewrites the source as fast as it can; no seal mixes what it wrote."""
    weights = tmp_path / "m" / "weights.bin"
    weights.parent.mkdir()
    weights.write_bytes(b"a" * 5_000_000)
    code = textwrap.dedent("""
        import sys
        print("on", flush=True)
        while True:
            for letter in b"ba":
                with open(sys.argv[1], "r+b", buffering=0) as f:
                    f.write(bytes([letter]) * 5_000_000)
    """)
    key, identity = generate_key(), generate_identity(hybrid=False)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(weights)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        outcomes = set()
        for number in range(12):
            out = tmp_path / f"s{number}"
            try:
                seal_model(tmp_path / "m", out, Sealing("m", 1, [identity.recipient]), key, NOW)
            except (MalformedEvidence, StorageError) as error:
                outcomes.add(type(error).__name__)
                continue
            reader = TensorReader(out, identity, expect=Expect(key.public_key))
            outcomes.add(len(set(bytes(reader.read("weights.bin")))))
        child.kill()
    assert outcomes <= {1, "MalformedEvidence", "LeaseLost"}, outcomes
    assert outcomes
