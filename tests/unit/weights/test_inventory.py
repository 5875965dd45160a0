"""The inventory: copies by bytes and by tensors, what is counted, and what is not read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from steelyard.standard import check_schema
from steelyard.weights import inventory
from steelyard.weights.inventory import digests, hole_bytes, take_inventory
from steelyard.weights.scan.contents import Content
from steelyard.weights.scan.model import opened

WEIGHTS = {
    "encoder.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "encoder.bias": np.arange(3, dtype=np.float32),
    "steps": np.array([7], dtype=np.int64),
}


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_copies_are_the_same_under_any_name_and_in_any_container(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    save_file(WEIGHTS, tmp_path / "again.safetensors", metadata={"format": "np"})
    (tmp_path / "copy").write_bytes((tmp_path / "a.safetensors").read_bytes())
    np.savez(tmp_path / "b.npz", **WEIGHTS)
    save_file(WEIGHTS | {"steps": np.array([8])}, tmp_path / "other.safetensors")
    found = take_inventory([tmp_path])
    names = {Path(copy.path).name: copy for copy in found.copies}
    assert [[Path(p).name for p in group] for group in found.same_bytes()] == [
        ["a.safetensors", "copy"]
    ]
    assert [[Path(p).name for p in group] for group in found.same_tensors()] == [
        ["a.safetensors", "again.safetensors", "b.npz", "copy"]
    ]
    assert names["b.npz"].parameters == (("F32", 15), ("I64", 1))
    assert (names["b.npz"].tensors, names["b.npz"].format) == (3, "zip")
    check_schema(found.to_json(), "weights-inventory", where="inventory")


def test_checkpoints_of_torch_hold_the_same_tensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    state = {name: torch.from_numpy(array.copy()) for name, array in WEIGHTS.items()}
    torch.save(state, tmp_path / "plain.bin")
    wrapped = {name: torch.nn.Parameter(t, requires_grad=False) for name, t in state.items()}
    torch.save(wrapped, tmp_path / "parameters.bin")
    whole = torch.zeros(5, 4)
    whole[1:4] = state["encoder.weight"]
    torch.save(state | {"encoder.weight": whole[1:4]}, tmp_path / "views.bin")
    torch.save(state | {"steps": state["steps"] + 1}, tmp_path / "changed.bin")
    torch.save(state | {"x": torch.ones(2, 3).T}, tmp_path / "strided.bin")
    found = take_inventory([tmp_path])
    (group,) = found.same_tensors()
    assert [Path(path).name for path in group] == [
        "model.safetensors", "parameters.bin", "plain.bin", "views.bin",
    ]  # fmt: skip
    told = {Path(copy.path).name: copy.tensors_digest for copy in found.copies}
    assert told["changed.bin"] != told["plain.bin"]
    assert told["strided.bin"] == ""


def test_the_real_model_is_counted(real_model: Path) -> None:
    found = take_inventory([real_model], "blake3")
    (weights,) = [copy for copy in found.copies if copy.tensors]
    data = (real_model / "model.safetensors").read_bytes()
    assert weights.digest == f"blake3:{blake3(data).hexdigest()}"
    assert (weights.size_bytes, weights.tensors) == (90_868_376, 104)
    assert weights.parameters == (("F32", 22_713_216), ("I64", 512))
    assert len(found.copies) == 13
    assert (found.links, found.problems) == ((), ())


def test_the_tensors_digest_is_what_the_specification_says(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    (copy,) = take_inventory([tmp_path]).copies
    lines = [
        [name, {"float32": "F32", "int64": "I64"}[str(a.dtype)], list(a.shape),
         hashlib.sha256(a.tobytes()).hexdigest()]
        for name, a in sorted(WEIGHTS.items())
    ]  # fmt: skip
    text = json.dumps(lines, separators=(",", ":")).encode()
    assert copy.tensors_digest == sha256(text)


def test_a_path_that_is_reached_twice_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"data")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    read: list[int] = []

    def counted(source: Any, *rest: Any) -> tuple[str, str]:  # noqa: ANN401 - passed on
        read.append(source.size)
        return digests(source, *rest)

    monkeypatch.setattr(inventory, "digests", counted)
    found = take_inventory([tmp_path, tmp_path / "a", tmp_path / ".." / tmp_path.name])
    assert [Path(copy.path).name for copy in found.copies] == ["a", "b"]
    assert {copy.digest for copy in found.copies} == {sha256(b"data")}
    assert read == [4]


def test_links_are_told_with_where_they_lead(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"data")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("c")
    found = take_inventory([tmp_path])
    assert [(Path(x.path).name, x.target, x.reaches) for x in found.links] == [
        ("b", "a", str((tmp_path / "a").resolve())), ("c", "c", ""),
    ]  # fmt: skip
    assert len(found.copies) == 1
    check_schema(found.to_json(), "weights-inventory", where="inventory")


def test_what_cannot_be_read_does_not_hide_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"data")
    os.mkfifo(tmp_path / "pipe")
    found = take_inventory([tmp_path, tmp_path / "nothing"])
    assert [Path(copy.path).name for copy in found.copies] == ["a"]
    assert sorted(problem.text for problem in found.problems) == [
        "cannot read: No such file or directory", "cannot read: not a regular file",
    ]  # fmt: skip


def test_holes_of_sparse_files_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 65_536)
    os.truncate(path, 1 << 22)
    with opened(path) as source:
        if os.lseek(source.descriptor, 0, os.SEEK_HOLE) == source.size:
            pytest.skip("the file system does not tell holes")
        assert hole_bytes(source) == (1 << 22) - 65_536
    (copy,) = take_inventory([tmp_path]).copies
    assert copy.hole_bytes == (1 << 22) - 65_536
    assert copy.digest == sha256(path.read_bytes())


def test_a_terabyte_of_holes_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", 1 << 40)
    found = take_inventory([tmp_path])
    if not found.copies[0].hole_bytes:
        pytest.skip("the file system does not tell holes")
    assert found.copies[0].digest == ""
    assert [problem.text for problem in found.problems] == [
        "sparse: 1099511627776 bytes are holes, not read"
    ]
    check_schema(found.to_json(), "weights-inventory", where="inventory")


def test_a_broken_file_has_a_digest_and_no_tensors(tmp_path: Path) -> None:
    data = struct.pack("<Q", 99) + b"{"
    (tmp_path / "m.safetensors").write_bytes(data)
    (copy,) = take_inventory([tmp_path]).copies
    assert (copy.format, copy.digest) == ("safetensors", sha256(data))
    assert (copy.tensors, copy.tensors_digest, copy.parameters) == (0, "", ())


def _checkpoint(pickled: bytes, storage: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/data.pkl", pickled)
        archive.writestr("m/data/0", storage)
    return buffer.getvalue()


def test_mappings_that_hold_each_other_are_given_up(tmp_path: Path) -> None:
    level = b"}q\0"
    for depth in range(1, 7):
        entries = b"".join(b"K%ch%c" % (n, depth - 1) for n in range(200))
        level += b"}(" + entries + b"uq" + bytes([depth])
    (tmp_path / "m.pt").write_bytes(_checkpoint(b"\x80\x02" + level + b".", b"x"))
    start = time.perf_counter()
    (copy,) = take_inventory([tmp_path]).copies
    assert time.perf_counter() - start < 10.0
    assert (copy.tensors, copy.tensors_digest) == (0, "")
    assert copy.digest == sha256((tmp_path / "m.pt").read_bytes())


def test_views_without_end_are_given_up(tmp_path: Path) -> None:
    storage = b"(X\x07\0\0\0storagectorch\nByteStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\x10\x27tQ"
    view = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0M\x10\x27\x85K\x01\x85\x89"
        b"ccollections\nOrderedDict\n)RtR"
    )

    def told(views: int) -> int:
        items = b"".join(b"X\x02\0\0\0%02d" % n + view for n in range(views))
        data = _checkpoint(b"\x80\x02}(" + items + b"u.", b"\0" * 10_000)
        (tmp_path / "m.pt").write_bytes(data)
        return take_inventory([tmp_path]).copies[0].tensors

    assert (told(3), told(99)) == (3, 0)


def test_empty_files_are_no_copies_of_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    found = take_inventory([tmp_path])
    assert len(found.copies) == 2
    assert found.same_bytes() == []


@given(
    data=st.binary(min_size=1, max_size=200),
    spans=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=6),
    chunk=st.integers(1, 64),
)
def test_one_reading_gives_every_digest(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    spans: list[tuple[int, int]],
    chunk: int,
) -> None:
    path = tmp_path_factory.mktemp("one") / "f"
    path.write_bytes(data)
    ordered = [(min(a, len(data)), min(max(a, b), len(data))) for a, b in spans]
    tensors = [Content(f"t{n}", "U8", (b - a,), a, b) for n, (a, b) in enumerate(ordered)]
    with pytest.MonkeyPatch.context() as patch, opened(path) as source:
        patch.setattr(inventory, "_CHUNK_BYTES", chunk)
        whole, together = digests(source, tensors, "sha256")
    assert whole == sha256(data)
    lines = [
        [t.name, "U8", list(t.shape), hashlib.sha256(data[t.start : t.stop]).hexdigest()]
        for t in tensors
    ]
    text = json.dumps(lines, separators=(",", ":")).encode()
    assert together == (sha256(text) if tensors else "")
