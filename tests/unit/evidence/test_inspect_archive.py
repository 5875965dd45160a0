"""Damaged archives and bombs in the place of an Inspect log."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from steelyard.evidence import ImportOptions, read_evidence
from steelyard.kernel.errors import MalformedEvidence, UnsafeArchive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CYBER = ImportOptions(domain="cyber", indicator="cyber.horizon", metric="match")
SAMPLE: dict[str, Any] = {"id": "i", "epoch": 1, "scores": {"match": {"value": "C"}}}


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return path


def members(*samples: dict[str, Any]) -> dict[str, bytes]:
    evaluation = {"task": "toy", "task_version": 0, "model": "m/m"}
    header = {"version": 2, "status": "success", "eval": evaluation}
    named = {f"samples/{s['id']}_epoch_{s['epoch']}.json": json.dumps(s).encode() for s in samples}
    return {"header.json": json.dumps(header).encode(), **named}


def zstandard_archive(path: Path, name: str, raw: bytes, declared: bytes) -> Path:
    """A zip of one method-93 member, written byte by byte (APPNOTE 4.3)."""
    sizes = (zlib.crc32(declared), len(raw), len(declared))
    fixed = struct.pack("<HHHHHIII", 63, 0, 93, 0, 0, *sizes)
    encoded = name.encode()
    local = b"PK\x03\x04" + fixed + struct.pack("<HH", len(name), 0) + encoded + raw
    central = b"PK\x01\x02" + struct.pack("<H", 63) + fixed
    central += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + encoded
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)
    path.write_bytes(local + central + end)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_older_compressions_are_read_too(tmp_path: Path, method: int) -> None:
    path = archive(tmp_path / "log.eval", members(SAMPLE), method)
    (found,) = read_evidence(path, CYBER).records()
    assert (found.item, found.score) == ("i", 1.0)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.95])
def test_truncated_archive(tmp_path: Path, inspect_log: Callable[[str], Path], kept: float) -> None:
    data = inspect_log("foreign-eval").read_bytes()
    path = tmp_path / "cut.eval"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(path, CYBER)
    assert caught.value.message.startswith("not a readable zip archive: ")
    assert caught.value.hint == (
        "the archive may be truncated or still being written; copy it again"
    )


def test_every_flipped_byte_of_the_samples_is_noticed(
    tmp_path: Path, inspect_log: Callable[[str], Path]
) -> None:
    data = inspect_log("foreign-eval").read_bytes()
    with zipfile.ZipFile(inspect_log("foreign-eval")) as source:
        entries = [e for e in source.infolist() if e.filename.startswith("samples/")]
    path = tmp_path / "flipped.eval"
    for entry in entries:
        place = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        with pytest.raises((MalformedEvidence, UnsafeArchive)) as caught:
            read_evidence(path, CYBER)
        assert entry.filename in caught.value.where


def test_unfinished_log(tmp_path: Path) -> None:
    path = archive(tmp_path / "log.eval", {"_journal/start.json": b"{}"})
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(path, CYBER)
    assert caught.value.message == "archive has no header.json: no finished Inspect log"
    assert "inspect eval-retry" in caught.value.hint


def test_bomb_that_declares_its_size(tmp_path: Path) -> None:
    path = archive(tmp_path / "log.eval", members(SAMPLE))
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)
    with pytest.raises(UnsafeArchive, match="the largest 4294967280; allowed are") as caught:
        read_evidence(path, CYBER)
    assert caught.value.exit_status == 3


@pytest.mark.parametrize("kind", ["zstandard", "deflate"])
def test_bomb_that_hides_its_size(tmp_path: Path, kind: str) -> None:
    declared, actual = b"{}", bytes(50_000_000)
    path = tmp_path / "log.eval"
    if kind == "zstandard":
        zstandard_archive(path, "header.json", zstandard.compress(actual), declared)
    else:
        archive(path, {"header.json": actual})
        data = bytearray(path.read_bytes())
        central = data.index(b"PK\x01\x02")
        data[central + 24 : central + 28] = struct.pack("<I", 2)
        path.write_bytes(data)
    with pytest.raises(UnsafeArchive) as caught:
        read_evidence(path, CYBER)
    assert str(caught.value) == (
        "log.eval:header.json: member does not expand to the 2 bytes it declares"
    )


def test_huge_zstandard_window_is_refused(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=28)
    raw = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = raw.compress(b"{}") + raw.flush()
    path = zstandard_archive(tmp_path / "log.eval", "header.json", data, b"{}")
    with pytest.raises(MalformedEvidence, match="damaged member"):
        read_evidence(path, CYBER)


def test_two_members_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("header.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate name"):
            target.writestr("header.json", "{}")
    with pytest.raises(UnsafeArchive, match="two members of the archive share a name"):
        read_evidence(path, CYBER)


def test_encrypted_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "log.eval", members(SAMPLE))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnsafeArchive, match="archive is encrypted"):
        read_evidence(path, CYBER)


def test_unknown_compression(tmp_path: Path) -> None:
    path = archive(tmp_path / "log.eval", members(SAMPLE), zipfile.ZIP_LZMA)
    with pytest.raises(MalformedEvidence, match="compressed by unknown method 14"):
        read_evidence(path, CYBER)
