from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steelyard.kernel import read_bytes, write_atomically
from steelyard.kernel.errors import MalformedEvidence, StorageError, UsageError
from steelyard.kernel.files import require_absent, storage_errors

HINT = "free space, or choose another place"
LIMIT_BYTES = 4096


@contextmanager
def small_disk() -> Iterator[None]:
    """The operating system refuses files beyond 4 KiB, as a full disk would.

    Within a test alone: what tells how a test went may be a larger file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_written_file_has_content_and_mode_and_no_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key.pem"
    write_atomically(path, b"secret", mode=0o600)
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_refused_write_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    write_atomically(path, b"old")
    with small_disk(), pytest.raises(StorageError) as caught:
        write_atomically(path, bytes(2 * LIMIT_BYTES))
    assert caught.value.message == "cannot write: File too large"
    assert caught.value.where == str(path)
    assert caught.value.hint == HINT
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_device_is_a_storage_error() -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(StorageError) as caught, storage_errors(device):
        device.write_bytes(b"x")
    assert str(caught.value) == "/dev/full: cannot write: No space left on device"
    assert caught.value.exit_status == 5


def test_a_folder_that_is_a_file_cannot_be_written_below(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot write: (Not a directory|File exists)"):
        write_atomically(tmp_path / "file" / "below", b"x")


def test_a_name_that_is_taken_or_cannot_be_is_a_mistake_of_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    require_absent(tmp_path / "free", tmp_path / "nowhere" / "below")
    taken = "this exists; nothing is written over it"
    for name, message in (
        ("file", taken),
        ("dangling", taken),
        ("file/below", "cannot write: Not a directory"),
        ("x" * 300, "cannot write: File name too long"),
    ):
        with pytest.raises(UsageError) as caught:
            require_absent(tmp_path / "free", tmp_path / name, hint="name another")
        assert str(caught.value) == f"{tmp_path / name}: {message}"
        assert caught.value.hint == "name another"


def test_a_named_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bytes(path, limit_bytes=5) == b"12345"
    with pytest.raises(MalformedEvidence) as caught:
        read_bytes(path, limit_bytes=4)
    assert str(caught.value) == f"{path}: file is larger than 4 bytes"


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MalformedEvidence, match="cannot read: No such file or directory"):
        read_bytes(tmp_path / "absent")
    with pytest.raises(MalformedEvidence, match="cannot read: Is a directory"):
        read_bytes(tmp_path)


@pytest.mark.parametrize("limit", [None, 10])
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path, limit: int | None) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(MalformedEvidence) as caught:
        read_bytes(path, limit_bytes=limit)
    assert str(caught.value) == f"{path}: cannot read: not a regular file"
    assert caught.value.hint == (
        "copy it into a file first; pipes and devices have no end that can be trusted"
    )


def test_a_device_is_refused() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_bytes(Path(os.devnull), limit_bytes=10)
    assert str(caught.value) == f"{os.devnull}: cannot read: not a regular file"


def test_no_more_than_the_limit_and_one_byte_is_read(tmp_path: Path) -> None:
    """Four terabytes on paper: whoever read them all would not come back."""
    path = tmp_path / "huge"
    with path.open("wb") as stream:
        stream.truncate(1 << 42)
    with pytest.raises(MalformedEvidence, match="file is larger than 10 bytes"):
        read_bytes(path, limit_bytes=10)


def test_what_lies_where_a_write_begins_is_neither_followed_nor_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even somebody who guesses the name of the neighbour gains nothing."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    monkeypatch.setattr("secrets.token_hex", lambda _count: "guessed")
    (tmp_path / ".header.guessed.part").symlink_to(victim)
    with pytest.raises(StorageError, match="cannot write: File exists"):
        write_atomically(tmp_path / "header", b"new", hint="choose another folder")
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "header").exists()


def test_the_name_is_on_the_disk_when_a_write_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    write_atomically(tmp_path / "header", b"new")
    assert flushed[0].startswith(".header.")
    assert flushed[-1] == tmp_path.name
