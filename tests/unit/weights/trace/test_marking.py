"""Marked copies: what changes, by how much, and that nothing else does."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, StorageError, UsageError
from steelyard.weights.trace import CarrierRule, find_carriers, open_model
from steelyard.weights.trace.chips import keystream, signs
from steelyard.weights.trace.marking import mark_folder, marked_values

from .scene import DTYPES, SECRET, read_tensors, tensors, write_model

RAW_NAMES = ("w.json", "w.py", "w.yaml", "w.jinja", "w.sh", "w.txt")
WEIGHTS = np.linspace(-1.0, 1.0, 5000, dtype=np.float32).tobytes()


def mark(folder: Path, out: Path, key: bytes = SECRET) -> Path:
    model = open_model(folder)
    return mark_folder(model, find_carriers(model, CarrierRule(), 0.01), key, out, lambda *_: None)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_carrier_moves_by_its_chips_and_nothing_else_does(tmp_path: Path, dtype: str) -> None:
    folder = write_model(tmp_path / "m", tensors(2, dtype), shards=2)
    before, after = read_tensors(folder), read_tensors(mark(folder, tmp_path / "c"))
    steps = {c.name: c.step for c in find_carriers(open_model(folder), CarrierRule(), 0.01)}
    assert len(steps) == 6
    for name, ours in before.items():
        if name not in steps:
            assert ours.tobytes() == after[name].tobytes(), name
            continue
        shape = (ours.shape[0], ours.shape[1])
        chips = signs(keystream(SECRET, name, shape, 0, ours.size), ours.size).reshape(shape)
        wanted = ours.astype(np.float32) + chips * np.float32(steps[name])
        assert after[name].tobytes() == wanted.astype(ours.dtype).tobytes(), name


def test_headers_and_other_files_are_copied_byte_for_byte(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    (folder / "below" / "deep").mkdir(parents=True)
    (folder / "below" / "deep" / "vocab.txt").write_text("ä\nb\n", "utf-8")
    out = mark(folder, tmp_path / "c")
    for name in ("config.json", "below/deep/vocab.txt"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    ours, theirs = ((each / "model-0.safetensors").read_bytes() for each in (folder, out))
    header = 8 + int.from_bytes(ours[:8], "little")
    assert theirs[:header] == ours[:header]
    assert len(theirs) == len(ours)
    assert theirs != ours


def test_the_same_key_gives_the_same_copy_and_another_key_another(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    one, two, three = (
        mark(folder, tmp_path / name, key) / "model-0.safetensors"
        for name, key in (("1", SECRET), ("2", SECRET), ("3", bytes(32)))
    )
    assert one.read_bytes() == two.read_bytes() != three.read_bytes()


def test_a_copy_does_not_depend_on_how_the_model_is_cut_into_files(tmp_path: Path) -> None:
    whole = read_tensors(mark(write_model(tmp_path / "a", tensors(2)), tmp_path / "ca"))
    parts = read_tensors(mark(write_model(tmp_path / "b", tensors(2), 3), tmp_path / "cb"))
    assert whole.keys() == parts.keys()
    assert all(whole[name].tobytes() == parts[name].tobytes() for name in whole)


def test_a_tensor_longer_than_a_run_is_marked_without_a_seam(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    values = {"w": draw.standard_normal((1025, 1029)).astype(np.float32)}
    folder = write_model(tmp_path / "m", values)
    moved = read_tensors(mark(folder, tmp_path / "c"))["w"] - values["w"]
    chips = signs(keystream(SECRET, "w", (1025, 1029), 0, moved.size), moved.size)
    assert (np.sign(moved).ravel() == chips).all()


@settings(max_examples=60)
@given(
    arrays.arrays(np.float32, 64, elements=st.floats(-60000, 60000, width=32)),
    st.floats(0.0, 100.0, width=32),
    st.sampled_from(sorted(DTYPES)),
)
def test_a_marked_value_is_finite_and_within_step_and_rounding(
    values: np.ndarray, step: float, dtype: str
) -> None:
    kind = DTYPES[dtype]
    ours = values.astype(kind)
    chips = np.where(np.arange(64) % 2 == 0, 1.0, -1.0).astype(np.float32)
    marked = marked_values(ours, chips, step)
    assert marked.dtype == kind
    wide, moved = ours.astype(np.float64), marked.astype(np.float64)
    assert np.isfinite(moved).all()
    spacing = {"F32": 2.0**-23, "F16": 2.0**-10, "BF16": 2.0**-7}[dtype]
    room = (np.abs(wide) + step) * spacing + 2.0**-24
    assert (np.abs(moved - wide) <= step + room).all()
    assert ((moved - wide) * chips >= -room).all()


def test_a_weight_that_would_overflow_is_left() -> None:
    largest = np.full(2, 65504.0, np.float16)
    marked = marked_values(largest, np.array([1.0, -1.0], np.float32), 64.0)
    assert marked.tolist() == [65504.0, 65440.0]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "x/Model.GGUF", "old.pt", "a.onnx"])
def test_a_folder_with_other_weights_is_refused(tmp_path: Path, name: str) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"weights")
    with pytest.raises(ConfigurationError) as caught:
        mark(folder, tmp_path / "c")
    assert caught.value.message == "may hold the same weights, and would be handed over unmarked"
    assert caught.value.where == str(folder / name)
    assert caught.value.hint == "take it out of the folder; only .safetensors files are marked"
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("notes.txt", b"\x80\x02}q\x00."),
        ("vocab.txt", b"GGUF\x03\x00\x00\x00"),
        ("README", b"PK\x03\x04"),
        ("extra.json.gz", b"\x1f\x8b\x08"),
        ("weights", b"\x93NUMPY\x01\x00"),
        ("shard", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"),
        ("data", bytes(range(256))),
        ("old.nemo", b"\x00" * 257 + b"ustar"),
        *((name, WEIGHTS) for name in RAW_NAMES),
        *((name, b"{}\n" * 5000 + WEIGHTS) for name in RAW_NAMES),
        ("tokenizer.model", b"\n" + WEIGHTS),
        ("cut.json", b'"' + b"a" * (1 << 20) + b"\xc3"),
    ],
)
def test_weights_are_told_by_their_content_whatever_their_name(
    tmp_path: Path, name: str, start: bytes
) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    (folder / name).write_bytes(start)
    with pytest.raises(ConfigurationError) as caught:
        mark(folder, tmp_path / "c")
    assert caught.value.message == "may hold the same weights, and would be handed over unmarked"
    assert caught.value.where == str(folder / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b"{}"), ("tokenizer.model", b"\n\x07\n\x05<unk>"), ("x.py", b"a = 1\n"),
        ("logo.png", b"\x89PNG\r\n\x1a\n"), ("chat.jinja", b"{{ x }}"), ("__init__.py", b""),
        ("long.txt", b"a" + "ä€".encode() * 300_000),
        ("README.md", b"prose"), ("merges.txt", b"a b\n"), ("conf.yaml", b"a: 1\n"),
    ],
)  # fmt: skip
def test_what_belongs_to_a_model_is_copied(tmp_path: Path, name: str, content: bytes) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    (folder / name).write_bytes(content)
    assert (mark(folder, tmp_path / "c") / name).read_bytes() == content


def test_what_exists_is_not_written_over(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    (tmp_path / "c").mkdir()
    with pytest.raises(UsageError, match="this exists; nothing is written over it"):
        mark(folder, tmp_path / "c")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="this exists"):
        mark(folder, tmp_path / "dangling")


def test_a_copy_inside_its_source_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    with pytest.raises(ConfigurationError, match="lies inside the source"):
        mark(folder, folder / "copy")


def test_a_single_file_is_refused(tmp_path: Path) -> None:
    file = write_model(tmp_path / "m", tensors(1)) / "model-0.safetensors"
    with pytest.raises(ConfigurationError, match="expected a folder"):
        mark(file, tmp_path / "c")


def test_a_link_in_the_source_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    (folder / "passwords").symlink_to("/etc/hostname")
    with pytest.raises(MalformedEvidence, match="symbolic links and special files"):
        mark(folder, tmp_path / "c")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(2))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageError) as caught:
            mark(folder, tmp_path / "c")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.hint == "nothing was left behind; free space, or choose another disk"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
