"""Scanning what lies on a disk: links, pipes, holes, what cannot be read; and how long it takes."""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from pathlib import Path

import pytest

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan import part, scan_model, scan_source
from steelyard.weights.scan.model import opened
from steelyard.weights.scan.readers import protobuf
from steelyard.weights.scan.source import Cursor, EndOfSource, MemorySource, Slice

from .assembling import HARMLESS, checkpoint, safetensors, zipped


def told(folder: Path) -> list[tuple[str, str, str]]:
    return [(f.code, f.file, f.text) for f in scan_model(folder).findings]


def test_links_are_followed_to_what_a_loader_would_read(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0f").write_bytes(HARMLESS + b".")
    model = tmp_path / "model"
    model.mkdir()
    (model / "pytorch_model.bin").symlink_to("../blobs/0f")
    assert told(model) == [
        ("link", "pytorch_model.bin", "leads to '../blobs/0f', outside the model"),
        ("pickle-global", "pytorch_model.bin", "imports os.getenv, which is not on the allowlist"),
    ]


def test_links_inside_the_model_and_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(safetensors())
    (tmp_path / "b.safetensors").symlink_to("a.safetensors")
    (tmp_path / "c").symlink_to("c")
    (tmp_path / "d").symlink_to("nowhere")
    (tmp_path / "e").symlink_to(".")
    report = scan_model(tmp_path)
    assert [(f.code, f.file) for f in report.findings] == [
        ("link", "b.safetensors"), ("link", "c"), ("link-broken", "c"),
        ("link", "d"), ("link-broken", "d"), ("link", "e"), ("link-broken", "e"),
    ]  # fmt: skip
    assert report.findings[0].text == "leads to 'a.safetensors', inside the model"
    assert report.findings[4].text == "cannot read: No such file or directory"
    assert report.findings[6].text == "cannot read: not a regular file"
    assert report.verdict == "unknown"


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    assert told(tmp_path) == [("special-file", "model.safetensors", "a pipe, a device or a socket")]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads everything")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"x")
    (tmp_path / "m.bin").chmod(0)
    assert told(tmp_path) == [("unreadable", "m.bin", "cannot read: Permission denied")]


def test_an_absent_model_is_unknown(tmp_path: Path) -> None:
    report = scan_model(tmp_path / "nothing")
    assert report.verdict == "unknown"
    assert report.findings[0].text.endswith("nothing: cannot read: No such file or directory")


def test_a_name_that_no_other_system_reads_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "a\nb").write_bytes(b"")
    assert scan_model(tmp_path).verdict == "unknown"


def test_a_single_file_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(checkpoint())
    report = scan_model(tmp_path / "m.pt")
    assert (report.verdict, report.files) == ("clean", ("m.pt",))


def test_a_terabyte_takes_as_long_as_its_header(tmp_path: Path) -> None:
    size = 1 << 40
    header = {"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors(header, b""))
    os.truncate(path, path.stat().st_size + size)
    start = time.perf_counter()
    report = scan_model(tmp_path)
    assert report.findings == ()
    assert time.perf_counter() - start < 2.0


@pytest.mark.parametrize("name", ["m.bin", "m.pt", "m.onnx", "m.h5", "m.unknown", "m.json"])
def test_a_terabyte_of_nothing_is_unknown_soon(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    os.truncate(tmp_path / name, 1 << 40)
    start = time.perf_counter()
    assert scan_model(tmp_path).verdict != "clean"
    assert time.perf_counter() - start < 5.0


def test_the_header_of_a_real_model_is_scanned_in_ten_milliseconds(real_model: Path) -> None:
    with opened(real_model / "model.safetensors") as source:
        scan_source(source, "model.safetensors")
        times: list[float] = []
        for _ in range(20):
            start = time.perf_counter()
            assert scan_source(source, "model.safetensors") == ()
            times.append(time.perf_counter() - start)
    assert min(times) < 0.010


def test_counts_of_a_sparse_gguf_are_not_believed(tmp_path: Path) -> None:
    head = (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 60_000) + struct.pack("<Q1sIIQ", 1, b"a", 9, 8, 1 << 37)
    )
    (tmp_path / "m.gguf").write_bytes(head)
    os.truncate(tmp_path / "m.gguf", 1 << 40)
    start = time.perf_counter()
    assert told(tmp_path) == [("gguf-header", "m.gguf", "an array claims 137438953472 texts")]
    assert time.perf_counter() - start < 2.0


def test_fields_of_a_tokenizer_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "FIELD_LIMIT", 3)
    clean = scan_source(MemorySource(b"\x0a\x00" * 3), "tokenizer.model")
    found = scan_source(MemorySource(b"\x0a\x00" * 4), "tokenizer.model")
    assert (clean, [f.code for f in found]) == ((), ["unknown-format"])


def test_a_bomb_stops_at_its_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "EXPANDED_LIMIT_BYTES", 1 << 24)
    packed = zipped({f"m{n}.bin": b"\0" * (1 << 22) for n in range(5)}, method=8)
    assert len(packed) < 1 << 16
    found = scan_source(MemorySource(packed), "m.zip")
    assert ("archive-limit", "expands to more than 16777216 bytes") in [
        (f.code, f.text) for f in found
    ]


def test_a_large_member_expands_into_a_file_and_is_scanned() -> None:
    big = b"\x80\x04B" + struct.pack("<I", 40 << 20) + b"\0" * (40 << 20) + b"0" + HARMLESS + b"."
    found = scan_source(MemorySource(zipped({"m.pkl": big}, method=8)), "m.zip")
    assert [(f.code, f.member) for f in found] == [("pickle-global", "m.pkl")]


def test_a_scan_says_the_same_twice(tmp_path: Path) -> None:
    (tmp_path / "b.pt").write_bytes(checkpoint(HARMLESS + b"."))
    (tmp_path / "a.pkl").write_bytes(HARMLESS + b"." + HARMLESS)
    first, second = scan_model(tmp_path), scan_model(tmp_path)
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())
    assert [f.file for f in first.findings] == sorted(f.file for f in first.findings)


def test_a_cursor_reads_through_its_window() -> None:
    data = bytes(range(256)) * 1024 + b"tail\n"
    cursor = Cursor(MemorySource(data), 3)
    assert cursor.take(2) == b"\x03\x04"
    cursor.skip(70_000)
    assert cursor.take(4) == data[70_005:70_009]
    cursor.skip(len(data) - 5 - cursor.position)
    assert cursor.line() == b"tail"
    assert cursor.left == 0
    with pytest.raises(EndOfSource, match=r"^1 bytes were announced, 0 are left$"):
        cursor.take(1)
    with pytest.raises(EndOfSource, match=r"^9 bytes were announced, 0 are left$"):
        cursor.skip(9)
    with pytest.raises(EndOfSource, match=r"^a line does not end$"):
        cursor.line()


def test_a_long_line_is_passed_over_but_for_its_start() -> None:
    cursor = Cursor(MemorySource(b"a" * 3_000_000 + b"\nb\n"))
    assert cursor.line() == b"a" * (1 << 20)
    assert cursor.line() == b"b"


def test_a_slice_does_not_leave_its_range() -> None:
    piece = Slice(MemorySource(b"0123456789"), 2, 4)
    assert piece.read(0, 99) == b"2345"
    assert piece.read(3, 2) == b"5"
    assert piece.read(9, 2) == b""


def test_a_file_that_shrinks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(zlib.compress(b"x" * 99_999))
    with opened(path) as source:
        os.truncate(path, 5)
        assert source.read(0, 999) == zlib.compress(b"x" * 99_999)[:5]
    with (
        pytest.raises(MalformedEvidence, match=r"cannot read: not a regular file$"),
        opened(tmp_path),
    ):
        pass
