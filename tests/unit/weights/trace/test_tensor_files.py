"""Models on disk: what is read, and what is refused before anything is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.trace import open_model

from .scene import tensors, write_model


def test_tensors_are_read_whole_or_in_part(tmp_path: Path) -> None:
    values = tensors(1)
    model = open_model(write_model(tmp_path / "m", values, shards=3))
    assert set(model.tensors) == set(values)
    name = "layers.0.mlp.down.weight"
    tensor = model.tensors[name]
    assert (tensor.matrix() == values[name]).all()
    assert (tensor.read(100, 50) == values[name].ravel()[100:150]).all()


def test_a_single_file_is_a_model_too(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    assert len(open_model(folder / "model-0.safetensors").tensors) == 6


def test_one_name_for_two_tensors_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    save_file({"embed_tokens.weight": np.ones(3, np.float32)}, folder / "z.safetensors")
    with pytest.raises(MalformedEvidence) as caught:
        open_model(folder)
    assert caught.value.message == ("tensor 'embed_tokens.weight' is also in model-0.safetensors")
    assert caught.value.hint == "give each model a folder of its own"


def test_a_folder_without_tensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", "utf-8")
    with pytest.raises(MalformedEvidence) as caught:
        open_model(tmp_path)
    assert caught.value.message == "found no .safetensors file"
    assert caught.value.hint == (
        "convert other formats first: marks are read from tensors, not from pickles"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a safetensors file has at least 8 bytes, found 0"),
        (b"\x00" * 7, "a safetensors file has at least 8 bytes, found 7"),
        (b"\xff" * 16, "the header claims 18446744073709551615 bytes, the limit is 100000000"),
        (b"\x02" + bytes(7) + b"{", "the header claims 2 bytes, the file has 9"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(MalformedEvidence) as caught:
        open_model(tmp_path)
    assert caught.value.message == message


def test_a_file_cut_while_it_is_read_is_told(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    model = open_model(folder)
    path = folder / "model-0.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    last = max(model.tensors.values(), key=lambda tensor: tensor.info.stop)
    with pytest.raises(MalformedEvidence, match="the file ended within tensor"):
        last.read()
    path.unlink()
    with pytest.raises(MalformedEvidence, match="cannot read: No such file"):
        last.read()
