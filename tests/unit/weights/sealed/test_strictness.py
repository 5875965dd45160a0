"""What a publisher, a recipient or a tool could get wrong, and is told in time."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyrage
import pytest
from safetensors.numpy import save, save_file

from steelyard.attest import Subject, generate_key
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    ConfigurationError,
    MalformedEvidence,
    UsageError,
)
from steelyard.weights import steady
from steelyard.weights.sealed import (
    AgeIdentity,
    AgeRecipient,
    Expect,
    Opening,
    Rewrapping,
    Sealing,
    TensorReader,
    open_sealed,
    seal_model,
)
from steelyard.weights.sealed.header import SealedHeader, read_header
from steelyard.weights.sealed.index import FileEntry, Index
from steelyard.weights.sealed.parallel import for_segments
from steelyard.weights.sealed.stream_writer import checked_envelope
from steelyard.weights.steady import steady_bytes
from steelyard.weights.tensors import parse_header

from .conftest import NOW, Scene

KEY, OWN = generate_key(), generate_identity(hybrid=False)


def sealed(plain: Path, out: Path) -> TensorReader:
    seal_model(plain, out, Sealing("m", 1, [OWN.recipient]), KEY, NOW)
    return TensorReader(out, OWN, expect=Expect(KEY.public_key))


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 513, "zero\u200bwidth", "no\u00a0break"])
def test_a_name_that_no_reader_would_take_is_refused_before_sealing(name: str) -> None:
    with pytest.raises(UsageError, match=r"name of the model: .* is no printable label"):
        Sealing(name, 1, [OWN.recipient])


@pytest.mark.parametrize("release", [0, -1, 2**53])
def test_a_release_that_no_reader_would_take_is_refused(release: int) -> None:
    with pytest.raises(UsageError, match="a release is a number from 1 to"):
        Sealing("m", release, [OWN.recipient])


def test_a_header_that_no_reader_would_take_is_not_kept(original: Scene, tmp_path: Path) -> None:
    many = [OWN.recipient] * 1025
    with pytest.raises(ConfigurationError, match="nobody could open this: recipients: "):
        seal_model(original.plain, tmp_path / "s", Sealing("m", 1, many), KEY, NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_rewrapped_header_put_back_is_refused_by_its_edition(
    scene: Scene, tmp_path: Path
) -> None:
    how = Opening(marks=tmp_path / "marks.json")
    before = (scene.sealed / "sealed.json").read_bytes()
    change = Rewrapping([scene.identity.recipient], None, scene.key)
    changed = scene.rewrap(change)
    assert changed.edition == 2
    open_sealed(scene.sealed, scene.identity, expect=scene.expect, how=how)
    (scene.sealed / "sealed.json").write_bytes(before)
    with pytest.raises(CannotVerify, match="release 2, edition 1 of mini; release 2, edition 2"):
        open_sealed(scene.sealed, scene.identity, expect=scene.expect, how=how)


def test_only_the_publisher_rewraps(scene: Scene) -> None:
    before = (scene.sealed / "sealed.json").read_bytes()
    with pytest.raises(UsageError) as caught:
        scene.rewrap(Rewrapping([OWN.recipient], None, KEY))
    assert caught.value.hint == "give the publisher's key with --key; another publisher seals anew"
    assert (scene.sealed / "sealed.json").read_bytes() == before


def test_damaged_marks_are_not_taken_for_none(scene: Scene, tmp_path: Path) -> None:
    marks = tmp_path / "marks.json"
    for text in ('{"a": 1}', '{"a": [true, 1]}', '{"a": [1]}', "[]", "x"):
        marks.write_text(text)
        with pytest.raises(MalformedEvidence):
            open_sealed(scene.sealed, scene.identity, expect=scene.expect, how=Opening(marks=marks))
    marks.unlink()
    marks.mkdir()
    with pytest.raises(MalformedEvidence, match="cannot read: Is a directory"):
        open_sealed(scene.sealed, scene.identity, expect=scene.expect, how=Opening(marks=marks))


def test_places_that_cannot_be_asked_about_are_errors_of_ours(scene: Scene) -> None:
    for place in (scene.sealed / ("x" * 300), Path("/dev/null/x")):
        with pytest.raises((BrokenSeal, MalformedEvidence)):
            open_sealed(place, scene.identity, expect=scene.expect)


def signed(scene: Scene, header: SealedHeader) -> None:
    (scene.sealed / "sealed.json").write_bytes(header.sign(scene.key))


def test_a_subject_that_is_not_the_core(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    header = read_header(scene.sealed, scene.expect)
    other = Subject("mini", "0" * 64)
    monkeypatch.setattr(SealedHeader, "subject", property(lambda _self: other))
    signed(scene, header)
    monkeypatch.undo()
    with pytest.raises(BrokenSeal, match="the subject is another model than the core"):
        read_header(scene.sealed, scene.expect)


def test_a_stream_whose_length_is_not_that_of_its_file(tmp_path: Path) -> None:
    plain = tmp_path / "m"
    plain.mkdir()
    (plain / "a.bin").write_bytes(b"abc")
    with pytest.MonkeyPatch.context() as patch:
        entry = FileEntry("a.bin", 2, "bytes", 1)
        patch.setattr("steelyard.weights.sealed.writer._index", lambda _files: Index((entry,)))
        with pytest.raises(MalformedEvidence, match="the stream has 3 bytes, its file needs 2"):
            sealed(plain, tmp_path / "s")


def test_two_files_with_a_tensor_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for part in ("1.safetensors", "2.safetensors"):
        save_file({"w": np.zeros(3, np.float32)}, tmp_path / "m" / part)
    with pytest.raises(BrokenSeal, match="w: two files hold a tensor of this name"):
        sealed(tmp_path / "m", tmp_path / "s")


def test_an_empty_tensor_at_the_end_of_a_stream_is_read(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    tensors = {"large": np.zeros((8, 2**18), np.float32), "none": np.zeros((0, 3), np.float32)}
    save_file(tensors, tmp_path / "m" / "model.safetensors")
    reader = sealed(tmp_path / "m", tmp_path / "s")
    assert reader.get("none").shape == (0, 3)
    assert reader.get("large", rows=(8, 8)).shape == (0, 2**18)
    assert reader.get("large", rows=(7, 8)).shape == (1, 2**18)


def test_rows_of_a_type_below_a_byte_are_refused(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F4", "shape": [4, 4], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "m").mkdir()
    data = len(header).to_bytes(8, "little") + header + bytes(range(8))
    (tmp_path / "m" / "model.safetensors").write_bytes(data)
    reader = sealed(tmp_path / "m", tmp_path / "s")
    assert reader.get("w").tobytes() == bytes(range(8))
    with pytest.raises(UsageError, match="w is F4: rows of a type below a byte are not cut"):
        reader.get("w", rows=(1, 2))


def test_extents_that_no_memory_holds_are_refused() -> None:
    text = save({"w": np.zeros((0, 2), np.float32)})
    assert parse_header(text, file_bytes=len(text)).tensors[0].shape == (0, 2)
    shape = [0, 2**40, 2**40]
    header = json.dumps({"w": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    data = len(header).to_bytes(8, "little") + header
    with pytest.raises(MalformedEvidence, match="no memory holds shape"):
        parse_header(data, file_bytes=len(data))


def test_an_age_recipient_in_capitals_is_the_same(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    text = str(identity.to_public())
    assert AgeRecipient(text.upper()).key_id == AgeRecipient(text).key_id
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.bin").write_bytes(b"abc")
    sealing = Sealing("m", 1, [AgeRecipient(text.upper())])
    seal_model(tmp_path / "m", tmp_path / "s", sealing, KEY, NOW)
    reader = TensorReader(tmp_path / "s", AgeIdentity(str(identity)), expect=Expect(KEY.public_key))
    assert bytes(reader.read("a.bin")) == b"abc"
    with pytest.raises(ConfigurationError, match=r"'age1\\udcff' is no age recipient"):
        AgeRecipient("age1\udcff").encrypt(bytes(32), bytes(32))


def test_a_file_system_whose_leases_say_little_is_read_by_copy(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scene.sealed / "000004.floe"
    monkeypatch.setattr(steady, "_file_system", lambda _device: "overlay")
    with steady_bytes(path) as source:
        assert type(source).__name__ == "_Copied"
    monkeypatch.undo()
    assert steady._file_system(path.stat().st_dev) in steady._LEASES_HOLD | {"overlay", ""}
    assert steady._file_system(2**40) == ""


def test_a_writer_that_comes_while_weights_open_costs_a_copy_and_no_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = TensorReader(scene.sealed, scene.identity, expect=scene.expect)
    truth = reader.get("embedding").tobytes()
    asked: list[Path] = []

    def lost(_descriptor: int, path: Path) -> None:
        asked.append(path)
        raise steady.LeaseLost("the file was opened for writing while it was read")

    monkeypatch.setattr(steady, "require_lease", lost)
    assert reader.get("embedding").tobytes() == truth
    assert len(asked) <= 2


def test_workers_stop_when_the_caller_is_interrupted() -> None:
    begun, released = threading.Event(), threading.Event()
    done: list[int] = []

    def new_worker() -> object:
        own = threading.current_thread() is threading.main_thread()

        def work(first: int, _stop: int) -> None:
            if own:
                assert begun.wait(10)
                released.set()
                raise KeyboardInterrupt
            begun.set()
            assert released.wait(10)
            done.append(first)

        return work

    with pytest.raises(KeyboardInterrupt):
        for_segments(16 * 1000, new_worker, 2)  # pyright: ignore[reportArgumentType]
    alive = [thread for thread in threading.enumerate() if thread.name.endswith("(loop)")]
    assert alive == []
    assert len(done) <= 2


def test_another_custody_needs_another_edition(scene: Scene) -> None:
    header = read_header(scene.sealed, scene.expect)
    with pytest.raises(ConfigurationError, match="nobody could open this: edition: 0 is less than"):
        checked_envelope(replace(header, edition=0), scene.key)
