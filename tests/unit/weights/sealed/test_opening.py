"""Opening sealed weights: everything comes back, and only what was asked for is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyrage
import pytest
from safetensors.numpy import load_file

from steelyard.attest import manifest_root
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import ConfigurationError, NotSatisfied, UnknownName, UsageError
from steelyard.weights.sealed import (
    AgeIdentity,
    AgeRecipient,
    Expect,
    Opening,
    Sealing,
    TensorReader,
    open_sealed,
    seal_model,
)
from steelyard.weights.sealed.header import read_header

from .conftest import NOW, Scene

LARGE = "embedding"


@pytest.mark.parametrize("publisher", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_tensor_comes_back_bit_for_bit(
    original: Scene, *, publisher: bool, threads: int
) -> None:
    how = Opening(publisher=publisher, threads=threads)
    opened = open_sealed(original.sealed, original.identity, expect=original.expect, how=how)
    plain = load_file(original.plain / "model.safetensors")
    assert opened.keys() == plain.keys()
    for name, tensor in plain.items():
        assert opened[name].dtype == tensor.dtype
        assert opened[name].shape == tensor.shape
        assert opened[name].tobytes() == tensor.tobytes()


def test_every_file_comes_back_as_it_was(original: Scene) -> None:
    reader = TensorReader(original.sealed, original.identity, expect=original.expect)
    paths = [file.path for file in reader.index.files]
    assert paths == ["config.json", "deep/vocab.txt", "empty.txt", "model.safetensors"]
    for path in paths:
        assert bytes(reader.read(path)) == (original.plain / path).read_bytes()
    assert reader.metadata("model.safetensors") == {"format": "np"}


@pytest.mark.parametrize("rows", [(0, 1), (131, 132), (100, 1199), (0, 1200), (5, 5)])
def test_rows_of_a_tensor_come_without_the_rest(original: Scene, rows: tuple[int, int]) -> None:
    reader = TensorReader(original.sealed, original.identity, expect=original.expect)
    plain = load_file(original.plain / "model.safetensors")
    for name in (LARGE, "layer.weight"):
        first, stop = (min(row, plain[name].shape[0]) for row in rows)
        found = reader.get(name, rows=(first, stop))
        assert found.tobytes() == plain[name][first:stop].tobytes()
        assert found.shape == plain[name][first:stop].shape


def test_one_row_needs_one_segment_only(scene: Scene) -> None:
    reader = TensorReader(scene.sealed, scene.identity, expect=scene.expect)
    number = next(f.stream for f in reader.index.files if f.kind == "tensors")
    path = scene.sealed / f"{number:06d}.floe"
    data = bytearray(path.read_bytes())
    data[74 + 5 * 1048608 + 100] ^= 1
    path.write_bytes(data)
    assert reader.get(LARGE, rows=(0, 100)).shape == (100, 2000)
    with pytest.raises(Exception, match=r"segment 5 was changed"):
        reader.get(LARGE)


def test_a_large_tensor_starts_a_segment(original: Scene) -> None:
    reader = TensorReader(original.sealed, original.identity, expect=original.expect)
    found = reader.get(LARGE)
    assert found.ctypes.data % 4096 == 0
    assert found.flags.writeable


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((3, 2), "embedding has 1200 rows, asked for 3 to 2"),
        ((0, 1201), "embedding has 1200 rows, asked for 0 to 1201"),
        ((-1, 4), "embedding has 1200 rows, asked for -1 to 4"),
    ],
)
def test_rows_that_are_not_there_are_refused(
    original: Scene, rows: tuple[int, int], message: str
) -> None:
    reader = TensorReader(original.sealed, original.identity, expect=original.expect)
    with pytest.raises(UsageError) as caught:
        reader.get(LARGE, rows=rows)
    assert caught.value.message == message


def test_one_number_has_no_rows(original: Scene) -> None:
    reader = TensorReader(original.sealed, original.identity, expect=original.expect)
    with pytest.raises(UsageError, match="steps is one number and has no rows"):
        reader.get("steps", rows=(0, 0))
    assert reader.get("nothing", rows=(0, 0)).shape == (0, 4)


def test_a_tensor_or_file_that_is_not_there_is_named(original: Scene) -> None:
    reader = TensorReader(original.sealed, original.identity, expect=original.expect)
    with pytest.raises(UnknownName, match="no tensor 'absent' among 5"):
        reader.get("absent")
    with pytest.raises(UnknownName, match="no file 'absent' among 4"):
        reader.read("absent")


def test_each_kind_of_recipient_opens(original: Scene, tmp_path: Path) -> None:
    hybrid, age = generate_identity(hybrid=True), pyrage.x25519.Identity.generate()
    recipients = [hybrid.recipient, AgeRecipient(str(age.to_public()))]
    seal_model(original.plain, tmp_path / "s", Sealing("m", 1, recipients), original.key, NOW)
    plain = load_file(original.plain / "model.safetensors")[LARGE]
    for identity in (hybrid, AgeIdentity(str(age))):
        reader = TensorReader(tmp_path / "s", identity, expect=Expect(original.key.public_key))
        assert np.array_equal(reader.get(LARGE), plain)
    other = AgeIdentity(str(pyrage.x25519.Identity.generate()))
    with pytest.raises(NotSatisfied, match="is none of the 2 recipients"):
        TensorReader(tmp_path / "s", other, expect=Expect(original.key.public_key))


def test_what_is_no_age_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'age1nonsense' is no age recipient"):
        AgeRecipient("age1nonsense").encrypt(bytes(32), bytes(32))
    with pytest.raises(ConfigurationError, match="this is no age identity"):
        _ = AgeIdentity("nonsense").recipient
    assert "nonsense" not in repr(AgeIdentity("nonsense"))


def test_a_manifest_root_is_committed_and_told_to_who_opens(
    original: Scene, tmp_path: Path
) -> None:
    root = manifest_root(original.plain)
    sealing = Sealing("mini", 1, [original.identity.recipient], manifest_root=root)
    header = seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    assert header.core.manifest not in {None, root}
    assert root not in (tmp_path / "s" / "sealed.json").read_text()
    reader = TensorReader(tmp_path / "s", original.identity, expect=original.expect)
    assert reader.index.manifest_root == root


def test_two_sealings_of_one_model_have_nothing_in_common(original: Scene, tmp_path: Path) -> None:
    sealing = Sealing("mini", 2, [original.identity.recipient])
    seal_model(original.plain, tmp_path / "s", sealing, original.key, NOW)
    for path in sorted(original.sealed.glob("*.floe")):
        ours, theirs = path.read_bytes(), (tmp_path / "s" / path.name).read_bytes()
        assert len(ours) == len(theirs)
        assert ours[10:74] != theirs[10:74]


def test_names_are_not_in_clear(original: Scene) -> None:
    """Words of five letters and more: a shorter one comes up by chance in so many bytes."""
    for path in original.sealed.iterdir():
        data = path.read_bytes()
        for word in (b"embedding", b"layer", b"model.safetensors", b"vocab.txt"):
            assert word not in data, (path, word)


def test_a_single_file_is_a_model(original: Scene, tmp_path: Path) -> None:
    sealing = Sealing("mini", 1, [original.identity.recipient])
    source = original.plain / "model.safetensors"
    seal_model(source, tmp_path / "s", sealing, original.key, NOW)
    reader = TensorReader(tmp_path / "s", original.identity, expect=original.expect)
    assert bytes(reader.read("model.safetensors")) == source.read_bytes()
    assert read_header(tmp_path / "s", original.expect).core.release == 1


def test_nobody_to_open_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Sealing("mini", 1, [])
    assert caught.value.message == "nobody could open"
    assert caught.value.hint == "name a recipient with --to, or custodians with --quorum"
