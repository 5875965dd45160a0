"""Everything that parses what somebody else wrote: refused or right, never anything else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from steelyard.attest import generate_key
from steelyard.attest.recipients import generate_identity
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import MalformedEvidence, SteelyardError
from steelyard.weights.sealed import Expect, Sealing, TensorReader, seal_model
from steelyard.weights.sealed.header import Core, manifest_commitment, parse_header, read_header
from steelyard.weights.sealed.index import FileEntry, Index, parse_index
from steelyard.weights.sealed.layout import (
    LARGE_TENSOR_BYTES,
    PLAIN_SEGMENT_BYTES,
    plain_layout,
    tensor_layout,
    tensor_places,
)
from steelyard.weights.tensors import TensorHeader, TensorInfo

from .conftest import NOW, Scene

CORE = Core("m", 1, "ab" * 16)


def index_bytes(*files: dict[str, Any], manifest: object = None) -> bytes:
    return canonical_json({"files": list(files), "manifest": manifest})


def entry(path: str, stream: int = 1) -> dict[str, Any]:
    return {"path": path, "bytes": 3, "kind": "bytes", "stream": stream}


@pytest.mark.parametrize(
    "path",
    ["../out", "/etc/passwd", "a//b", "a/./b", "a/../b", "a\\b", "a/", ".", "a\x00b", "a\nb"],
)
def test_a_path_that_leaves_the_model_is_refused(path: str) -> None:
    with pytest.raises(MalformedEvidence):
        parse_index(index_bytes(entry(path)), CORE, 2)


@pytest.mark.parametrize(
    ("data", "streams", "message"),
    [
        (index_bytes(entry("a"), entry("a", 2)), 3, "paths are not distinct and sorted"),
        (index_bytes(entry("b"), entry("a", 2)), 3, "paths are not distinct and sorted"),
        (index_bytes(entry("a"), entry("a/b", 2)), 3, "'a/b' lies below a file"),
        (index_bytes(entry("a", 2)), 2, "files and streams do not match"),
        (index_bytes(entry("a")), 3, "files and streams do not match"),
        (index_bytes(entry("a"), manifest={"root": "0" * 64, "salt": "1" * 64}), 2,
         "the manifest root does not open its commitment"),
        (b"{}", 2, "top level: 'files' is a required property"),
        (b"[]", 2, "expected a JSON object at top level"),
    ],
)  # fmt: skip
def test_an_index_that_contradicts_itself_is_refused(
    data: bytes, streams: int, message: str
) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_index(data, CORE, streams)
    assert caught.value.message == message


def test_an_index_without_the_committed_root_is_refused() -> None:
    core = Core("m", 1, "ab" * 16, manifest_commitment("0" * 64, bytes(32)))
    with pytest.raises(MalformedEvidence, match="does not open its commitment"):
        parse_index(index_bytes(entry("a")), core, 2)
    opened = index_bytes(entry("a"), manifest={"root": "0" * 64, "salt": "0" * 64})
    assert parse_index(opened, core, 2).manifest_root == "0" * 64


@given(
    st.lists(
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8),
        unique=True,
        min_size=1,
    )
)
def test_an_index_comes_back(names: list[str]) -> None:
    files = tuple(FileEntry(n, 5, "bytes", i) for i, n in enumerate(sorted(names), start=1))
    assert parse_index(Index(files).to_bytes(), CORE, len(files) + 1) == Index(files)


@settings(max_examples=150)
@given(st.data())
def test_a_header_with_any_change_is_refused(original: Scene, data: st.DataObject) -> None:
    text = bytearray((original.sealed / "sealed.json").read_bytes())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SteelyardError):
        parse_header(bytes(text), original.key.public_key, where="header")


@settings(max_examples=200)
@given(
    st.binary(max_size=400)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(
        lambda v: json.dumps(v).encode()
    )
)
def test_anything_else_is_no_header_and_no_index(data: bytes) -> None:
    key = generate_key().public_key
    with pytest.raises(SteelyardError):
        parse_header(data, key, where="header")
    with pytest.raises(SteelyardError):
        parse_index(data, CORE, 2)


@settings(max_examples=80)
@given(st.lists(st.integers(0, 3 * LARGE_TENSOR_BYTES), max_size=12), st.integers(20, 3_000_000))
def test_a_layout_holds_every_byte_once_and_large_tensors_begin_segments(
    sizes: list[int], header_bytes: int
) -> None:
    tensors, at = [], 0
    for number, size in enumerate(sizes):
        tensors.append(TensorInfo(f"t{number}", "U8", (size,), at, at + size))
        at += size
    header = TensorHeader(tuple(tensors), {}, header_bytes, at)
    layout, places = tensor_layout(header), tensor_places(header)
    end = 0
    for piece in layout.pieces:
        assert piece.in_stream >= end
        end = piece.in_stream + piece.length
    assert layout.plain_bytes >= end
    covered = sorted((piece.in_file, piece.length) for piece in layout.pieces)
    at = 0
    for start, length in covered:
        assert start == at
        at += length
    assert at == header_bytes + sum(sizes)
    for tensor in tensors:
        aligned = places[tensor.name] % PLAIN_SEGMENT_BYTES == 0
        assert aligned or tensor.size_bytes < LARGE_TENSOR_BYTES


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000))
def test_a_cut_of_a_layout_is_what_lies_there(size: int, start: int, length: int) -> None:
    found = list(plain_layout(size).pieces_in(start, start + length))
    covered = sum(piece.length for piece in found)
    assert covered == max(0, min(size, start + length) - min(start, size))
    assert all(piece.in_stream == piece.in_file for piece in found)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"", "a safetensors file has at least 8 bytes, found 0"),
        ("model.safetensors", b"\xff" * 8, "the header claims 18446744073709551615 bytes"),
        (
            "model.safetensors",
            save({"a": np.zeros(4, np.uint8)}) + b"x",
            "tensors claim 4 bytes of data, the file has 5",
        ),
        (
            "model.safetensors",
            save({"a": np.zeros(4, np.uint8)})[:-1],
            "tensors claim 4 bytes of data, the file has 3",
        ),
    ],
)
def test_a_safetensors_file_that_lies_is_not_sealed(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / name).write_bytes(content)
    sealing = Sealing("m", 1, [generate_identity(hybrid=False).recipient])
    with pytest.raises(MalformedEvidence) as caught:
        seal_model(tmp_path / "m", tmp_path / "s", sealing, generate_key(), NOW)
    assert caught.value.message.startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_overlapping_tensors_in_a_sealed_header_are_refused(tmp_path: Path) -> None:
    """An insider seals a header that no plain tool would write: found when it is opened."""
    text = json.dumps(
        {
            "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]},
        }
    ).encode()
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.bin").write_bytes(len(text).to_bytes(8, "little") + text + bytes(6))
    key, identity = generate_key(), generate_identity(hybrid=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "steelyard.weights.sealed.writer._index",
            lambda files: Index(
                (FileEntry("model.safetensors", files[0].size_bytes, "tensors", 1),)
            ),
        )
        seal_model(tmp_path / "m", tmp_path / "s", Sealing("m", 1, [identity.recipient]), key, NOW)
    with pytest.raises(MalformedEvidence, match="overlaps the tensor before it"):
        TensorReader(tmp_path / "s", identity, expect=Expect(key.public_key))


@pytest.mark.parametrize("kind", ["link", "folder-link", "fifo"])
def test_links_and_special_files_are_not_sealed(tmp_path: Path, kind: str) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.bin").write_bytes(b"abc")
    (tmp_path / "secret").write_text("not of the model")
    odd = tmp_path / "m" / "odd"
    if kind == "fifo":
        os.mkfifo(odd)
    else:
        odd.symlink_to(tmp_path / ("secret" if kind == "link" else "m"))
    sealing = Sealing("m", 1, [generate_identity(hybrid=False).recipient])
    with pytest.raises(MalformedEvidence, match="symbolic links and special files have no place"):
        seal_model(tmp_path / "m", tmp_path / "s", sealing, generate_key(), NOW)
    assert not (tmp_path / "s").exists()


def test_an_unreadable_or_absent_source_is_refused(tmp_path: Path) -> None:
    sealing = Sealing("m", 1, [generate_identity(hybrid=False).recipient])
    with pytest.raises(MalformedEvidence, match="cannot read: No such file or directory"):
        seal_model(tmp_path / "m", tmp_path / "s", sealing, generate_key(), NOW)
    (tmp_path / "m").mkdir()
    with pytest.raises(MalformedEvidence, match="the folder holds no file"):
        seal_model(tmp_path / "m", tmp_path / "s", sealing, generate_key(), NOW)


def test_a_sparse_file_is_sealed_by_its_length(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with (tmp_path / "m" / "sparse.bin").open("wb") as stream:
        stream.truncate(5 * 2**20 + 3)
    key, identity = generate_key(), generate_identity(hybrid=False)
    seal_model(tmp_path / "m", tmp_path / "s", Sealing("m", 1, [identity.recipient]), key, NOW)
    reader = TensorReader(tmp_path / "s", identity, expect=Expect(key.public_key))
    assert bytes(reader.read("sparse.bin")) == bytes(5 * 2**20 + 3)
    assert read_header(tmp_path / "s", Expect(key.public_key)).streams[1].segments == 6
