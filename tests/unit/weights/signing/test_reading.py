from __future__ import annotations

import os
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UnknownName
from steelyard.weights.signing import (
    Policy,
    SigningOptions,
    VerifiedModel,
    load_verified,
    open_verified,
)
from steelyard.weights.signing.hashing import HashName

from .models import SHARD, TRUST, make_model, sign_to

OPTIONS = [
    SigningOptions("blake3", SHARD),
    SigningOptions("sha256", SHARD),
    SigningOptions("blake3"),
    SigningOptions("sha256"),
]
WEIGHTS = "model.safetensors"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "scale-1")


def opened(model: Path, options: SigningOptions) -> VerifiedModel:
    return open_verified(model, sign_to(model, options), TRUST)


@pytest.mark.parametrize("options", OPTIONS)
def test_what_is_read_is_what_is_there(model: Path, options: SigningOptions) -> None:
    reader = opened(model, options)
    assert reader.names == ("config.json", WEIGHTS, "tokenizer/vocab.txt")
    data = (model / WEIGHTS).read_bytes()
    assert reader.read(WEIGHTS) == data
    for start, stop in ((0, 0), (0, 1), (SHARD - 1, SHARD + 1), (10, 3 * SHARD), (SHARD, SHARD)):
        assert reader.read_range(WEIGHTS, start, stop) == data[start:stop]
    assert reader.read("config.json").readonly


@pytest.mark.parametrize("options", OPTIONS)
def test_tensors_are_those_of_the_reference_reader(model: Path, options: SigningOptions) -> None:
    signature = sign_to(model, options)
    expected = load_file(model / WEIGHTS)
    loaded = load_verified(model, signature, TRUST)
    reader = open_verified(model, signature, TRUST)
    assert loaded.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(loaded[name], array)
        np.testing.assert_array_equal(reader.tensor(WEIGHTS, name), array)
        assert loaded[name].dtype == array.dtype


def test_bfloat16_and_eight_bit_floats_keep_their_bits(tmp_path: Path) -> None:
    model = tmp_path / "m"
    model.mkdir()
    bits = np.arange(256, dtype=np.uint8)
    tensors = {
        "bf16": bits.view(ml_dtypes.bfloat16),
        "f8": bits.view(ml_dtypes.float8_e4m3fn),
        "scalar": np.array(7, np.int64),
        "none": np.zeros((0, 3), np.float16),
    }
    save_file(tensors, model / WEIGHTS)
    loaded = load_verified(model, sign_to(model), TRUST)
    for name, array in tensors.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("hash_name", ["sha256", "blake3"])
@pytest.mark.parametrize("shard_bytes", [0, SHARD])
def test_a_file_swapped_after_the_check_is_not_loaded(
    model: Path, hash_name: HashName, shard_bytes: int
) -> None:
    reader = opened(model, SigningOptions(hash_name, shard_bytes))
    honest = bytes(reader.read(WEIGHTS))
    swapped = bytearray(honest)
    swapped[-1] ^= 1
    other = model.parent / "swapped"
    other.write_bytes(swapped)
    os.replace(other, model / WEIGHTS)  # noqa: PTH105 - the attacker's rename, as it is
    with pytest.raises(BrokenSeal) as caught:
        reader.read(WEIGHTS)
    last = len(honest) - len(honest) % SHARD
    part = f"{WEIGHTS}:{last}:{len(honest)}" if shard_bytes else WEIGHTS
    assert caught.value.message == f"{part!r} is not as signed"
    assert caught.value.hint == "fetch the model again from its publisher"


def test_a_change_while_reading_cannot_reach_the_caller(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that were hashed are the bytes returned: a later write changes neither."""
    reader = opened(model, SigningOptions("blake3"))
    honest = (model / WEIGHTS).read_bytes()
    plain = os.preadv

    def read_then_tamper(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        count = plain(descriptor, buffers, offset)
        (model / WEIGHTS).write_bytes(b"\xff" * len(honest))
        return count

    monkeypatch.setattr(os, "preadv", read_then_tamper)
    assert reader.read(WEIGHTS) == honest
    assert (model / WEIGHTS).read_bytes() != honest


def test_only_the_shards_of_a_tensor_are_read(model: Path) -> None:
    reader = opened(model, SigningOptions("sha256", SHARD))
    header = reader.header(WEIGHTS)
    first = header.tensors[0]
    expected = reader.tensor(WEIGHTS, first.name).tobytes()
    data = bytearray((model / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (model / WEIGHTS).write_bytes(data)
    fresh = open_verified(model, model / "model.sig", TRUST)
    assert fresh.tensor(WEIGHTS, first.name).tobytes() == expected
    with pytest.raises(BrokenSeal):
        fresh.tensor(WEIGHTS, header.tensors[-1].name)


def test_writing_into_a_tensor_does_not_change_later_reads(model: Path) -> None:
    reader = opened(model, SigningOptions("sha256"))
    name = reader.header(WEIGHTS).tensors[0].name
    first = reader.tensor(WEIGHTS, name)
    before = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(reader.tensor(WEIGHTS, name), before)


def test_a_file_swapped_for_a_link_is_not_followed(model: Path, tmp_path: Path) -> None:
    reader = opened(model, SigningOptions())
    (model / "config.json").rename(tmp_path / "config.json")
    (model / "config.json").symlink_to(tmp_path / "config.json")
    with pytest.raises(MalformedEvidence, match="cannot read: "):
        reader.read("config.json")


def test_a_file_cut_after_the_check_is_found(model: Path) -> None:
    reader = opened(model, SigningOptions("sha256", SHARD))
    os.truncate(model / WEIGHTS, 10)
    with pytest.raises(BrokenSeal, match="is not as signed"):
        reader.read(WEIGHTS)


@pytest.mark.parametrize("shard_bytes", [0, SHARD])
def test_a_file_emptied_before_the_check_is_not_read_as_empty(
    model: Path, shard_bytes: int
) -> None:
    sign_to(model, SigningOptions("sha256", shard_bytes))
    os.truncate(model / WEIGHTS, 0)
    with pytest.raises(BrokenSeal):
        open_verified(model, model / "model.sig", TRUST).read(WEIGHTS)


@pytest.mark.parametrize("place", [0, 10, SHARD])
def test_no_bytes_at_all_are_verified_too(model: Path, place: int) -> None:
    reader = opened(model, SigningOptions("sha256"))
    data = bytearray((model / WEIGHTS).read_bytes())
    data[0] ^= 1
    (model / WEIGHTS).write_bytes(data)
    for start in (place, len(data)):
        with pytest.raises(BrokenSeal, match="is not as signed"):
            reader.read_range(WEIGHTS, start, start)


def test_an_empty_file_is_read_as_empty(model: Path) -> None:
    (model / "__init__.py").touch()
    assert opened(model, SigningOptions()).read("__init__.py") == b""


def test_what_is_not_signed_cannot_be_read(model: Path) -> None:
    sign_to(model)
    (model / "late.json").write_text("{}", "utf-8")
    reader = open_verified(model, model / "model.sig", TRUST, Policy(allow_unsigned=True))
    with pytest.raises(UnknownName) as caught:
        reader.read("late.json")
    assert caught.value.message == "'late.json' is not among the signed files"


def test_bytes_outside_a_file_and_unknown_tensors_are_refused(model: Path) -> None:
    reader = opened(model, SigningOptions())
    for start, stop in ((-1, 1), (2, 1), (0, 10**9)):
        with pytest.raises(MalformedEvidence, match=f"no bytes {start} to {stop} in a file of"):
            reader.read_range("config.json", start, stop)
    with pytest.raises(UnknownName, match="no tensor 'absent'"):
        reader.tensor(WEIGHTS, "absent")


def test_a_signed_file_that_is_no_safetensors_is_refused(model: Path) -> None:
    (model / "broken.safetensors").write_bytes(b"\xff" * 100)
    signature = sign_to(model)
    with pytest.raises(MalformedEvidence, match="the header claims"):
        load_verified(model, signature, TRUST)


def test_two_files_with_one_tensor_name_are_refused(model: Path) -> None:
    (model / "copy.safetensors").write_bytes((model / WEIGHTS).read_bytes())
    with pytest.raises(MalformedEvidence, match=r"two files hold a tensor 'layer\."):
        load_verified(model, sign_to(model), TRUST)


def test_a_model_without_tensors_is_not_loaded(model: Path) -> None:
    (model / WEIGHTS).unlink()
    with pytest.raises(MalformedEvidence, match="no safetensors file is signed"):
        load_verified(model, sign_to(model), TRUST)


def test_elements_narrower_than_a_byte_come_packed(tmp_path: Path) -> None:
    model = tmp_path / "m"
    model.mkdir()
    header = b'{"w":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}'
    (model / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header + b"\x21")
    loaded = load_verified(model, sign_to(model), TRUST)
    assert loaded["w"].tobytes() == b"\x21"
