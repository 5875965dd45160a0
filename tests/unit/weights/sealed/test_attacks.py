"""One test for each attack on a folder of sealed weights."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.attest import Statement, Subject, generate_key, sign_statement
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import BrokenSeal, CannotVerify, MalformedEvidence, NotSatisfied
from steelyard.weights.sealed import (
    Expect,
    Opening,
    Sealing,
    TensorReader,
    open_sealed,
    seal_model,
)
from steelyard.weights.sealed.floe import HEADER_BYTES, start_decryption, start_encryption
from steelyard.weights.sealed.header import PARAMETERS, SealedHeader, StreamInfo, read_header
from steelyard.weights.sealed.recipients import wrap

from .conftest import NOW, Scene

SEGMENT = PARAMETERS.segment_bytes
MODEL = "000004.floe"
CONFIG = "000001.floe"


def reopen(scene: Scene, **how: bool) -> None:
    open_sealed(scene.sealed, scene.identity, expect=scene.expect, how=Opening(**how))


def change(path: Path, edit: Callable[[bytearray], bytes | bytearray]) -> None:
    path.write_bytes(edit(bytearray(path.read_bytes())))


def segment(number: int) -> slice:
    start = HEADER_BYTES + number * SEGMENT
    return slice(start, start + SEGMENT)


@pytest.mark.parametrize("place", [0, 3, 4, 15, 16, 500_000, SEGMENT - 1])
def test_bit_flip_in_a_segment(scene: Scene, place: int) -> None:
    def flip(data: bytearray) -> bytearray:
        data[HEADER_BYTES + 2 * SEGMENT + place] ^= 0x10
        return data

    change(scene.sealed / MODEL, flip)
    with pytest.raises(BrokenSeal, match=r"segment 2 (was changed|is marked)"):
        reopen(scene)


def test_bit_flip_in_a_stream_header(scene: Scene) -> None:
    def flip(data: bytearray) -> bytearray:
        data[20] ^= 1
        return data

    change(scene.sealed / MODEL, flip)
    with pytest.raises(BrokenSeal, match="the stream is not the one that the header names"):
        reopen(scene)


def test_segments_swapped_within_a_file(scene: Scene) -> None:
    def swap(data: bytearray) -> bytearray:
        data[segment(2)], data[segment(3)] = (
            data[segment(3)], data[segment(2)],
        )  # fmt: skip
        return data

    change(scene.sealed / MODEL, swap)
    with pytest.raises(BrokenSeal, match=r"segment \d was changed, or belongs elsewhere"):
        reopen(scene)


def test_segment_of_another_sealing(scene: Scene, seal_again: Callable[..., Path]) -> None:
    other = (seal_again("other") / MODEL).read_bytes()

    def graft(data: bytearray) -> bytearray:
        data[segment(2)] = other[segment(2)]
        return data

    change(scene.sealed / MODEL, graft)
    with pytest.raises(BrokenSeal, match="segment 2 was changed, or belongs elsewhere"):
        reopen(scene)


def test_two_streams_exchanged(tmp_path: Path) -> None:
    """Of equal length, so that only keys and headers can tell."""
    key, identity = generate_key(), generate_identity(hybrid=False)
    (tmp_path / "plain").mkdir()
    for name in ("a.bin", "b.bin"):
        (tmp_path / "plain" / name).write_bytes(name.encode() * 100)
    folder = tmp_path / "sealed"
    seal_model(tmp_path / "plain", folder, Sealing("m", 1, [identity.recipient]), key, NOW)
    first, second = folder / "000001.floe", folder / "000002.floe"
    assert first.stat().st_size == second.stat().st_size
    first.rename(folder / "aside")
    second.rename(first)
    (folder / "aside").rename(second)
    with pytest.raises(BrokenSeal, match="the stream is not the one that the header names"):
        open_sealed(folder, identity, expect=Expect(key.public_key))
    one, two = (bytearray(path.read_bytes()) for path in (first, second))
    one[:HEADER_BYTES], two[:HEADER_BYTES] = two[:HEADER_BYTES], one[:HEADER_BYTES]
    first.write_bytes(one)
    second.write_bytes(two)
    reader = TensorReader(folder, identity, expect=Expect(key.public_key))
    with pytest.raises(BrokenSeal, match="segment 0 was changed, or belongs elsewhere"):
        reader.read("a.bin")


@pytest.mark.parametrize("segments", [1, 3])
def test_truncation_at_a_segment_boundary(scene: Scene, segments: int) -> None:
    size = (scene.sealed / MODEL).stat().st_size
    last = (size - HEADER_BYTES) // SEGMENT
    os.truncate(scene.sealed / MODEL, HEADER_BYTES + (last - segments + 1) * SEGMENT)
    with pytest.raises(BrokenSeal, match="the stream is cut"):
        reopen(scene)


@pytest.mark.parametrize("extra", [b"\x00", bytes(SEGMENT)])
def test_trailing_bytes(scene: Scene, extra: bytes) -> None:
    change(scene.sealed / MODEL, lambda data: data + extra)
    with pytest.raises(BrokenSeal, match="the stream is longer than it was sealed"):
        reopen(scene)


def test_duplicate_segment(scene: Scene) -> None:
    def twice(data: bytearray) -> bytearray:
        data[segment(3)] = data[segment(2)]
        return data

    change(scene.sealed / MODEL, twice)
    with pytest.raises(BrokenSeal, match="segment 3 was changed, or belongs elsewhere"):
        reopen(scene)


def test_header_of_one_release_with_data_of_another(
    scene: Scene, seal_again: Callable[..., Path]
) -> None:
    shutil.copy(seal_again("newer", release=3) / "sealed.json", scene.sealed / "sealed.json")
    with pytest.raises(BrokenSeal, match="the stream is not the one that the header names"):
        reopen(scene)


def test_data_of_another_release_resigned_by_an_insider_is_bound_to_its_core(
    scene: Scene, seal_again: Callable[..., Path]
) -> None:
    """Even the publisher's own signature cannot put old streams under a new core."""
    old = read_header(scene.sealed, scene.expect)
    newer = read_header(seal_again("newer", release=3), scene.expect)
    mixed = replace(newer, streams=old.streams, leaves=old.leaves)
    (scene.sealed / "sealed.json").write_bytes(mixed.sign(scene.key))
    with pytest.raises(BrokenSeal, match="of another key, or bound to another header"):
        reopen(scene)


def resign(scene: Scene, edit: Callable[[dict[str, object]], object]) -> None:
    """Sign a changed predicate with the publisher's own key."""
    header = read_header(scene.sealed, scene.expect)
    envelope = json.loads(header.sign(scene.key))
    statement = json.loads(base64.b64decode(envelope["payload"]))
    edit(statement["predicate"])
    subject = statement["subject"][0]
    signed = Statement(
        (Subject(subject["name"], subject["digest"]["sha256"]),),
        statement["predicateType"],
        statement["predicate"],
    )
    (scene.sealed / "sealed.json").write_bytes(sign_statement(signed, scene.key))


def test_suite_downgrade(scene: Scene) -> None:
    def weaken(predicate: dict[str, object]) -> None:
        core = predicate["core"]
        assert isinstance(core, dict)
        core["suite"] = "none"

    resign(scene, weaken)
    with pytest.raises(MalformedEvidence, match=r"core\.suite: 'FLOE-AES-256-GCM-SHA-384' was"):
        reopen(scene)


def test_plain_file_where_a_sealed_one_is_expected(original: Scene, scene: Scene) -> None:
    for place in (original.plain, original.plain / "model.safetensors"):
        with pytest.raises(BrokenSeal) as caught:
            open_sealed(place, scene.identity, expect=scene.expect)
        assert caught.value.message == "expected sealed weights, found something else"


def test_plain_safetensors_beside_the_streams_are_not_read(original: Scene, scene: Scene) -> None:
    shutil.copy(original.plain / "model.safetensors", scene.sealed / MODEL)
    with pytest.raises(BrokenSeal, match="the stream is"):
        reopen(scene)


def test_wrong_recipient(scene: Scene) -> None:
    with pytest.raises(NotSatisfied) as caught:
        open_sealed(scene.sealed, generate_identity(hybrid=False), expect=scene.expect)
    assert caught.value.message.endswith("is none of the 1 recipients")


def test_wrapped_key_of_another_model(scene: Scene, seal_again: Callable[..., Path]) -> None:
    other = read_header(seal_again("other", name="other"), Expect(scene.key.public_key))
    header = read_header(scene.sealed, scene.expect)
    stolen = replace(header, recipients=other.recipients)
    (scene.sealed / "sealed.json").write_bytes(stolen.sign(scene.key))
    with pytest.raises(BrokenSeal, match=r"not encrypted to key .* for this purpose"):
        reopen(scene)


def test_another_publisher(scene: Scene) -> None:
    with pytest.raises(BrokenSeal, match="which is not among the keys given"):
        open_sealed(scene.sealed, scene.identity, expect=Expect(generate_key().public_key))


def test_header_signed_anew_by_a_forger(scene: Scene) -> None:
    forged = read_header(scene.sealed, scene.expect).sign(generate_key())
    (scene.sealed / "sealed.json").write_bytes(forged)
    with pytest.raises(BrokenSeal, match="which is not among the keys given"):
        reopen(scene)


def test_one_ciphertext_for_two_keys(scene: Scene) -> None:
    """A publisher who wraps another key for a second recipient is caught by the header tag."""
    second = generate_identity(hybrid=False)
    header = read_header(scene.sealed, scene.expect)
    entry = wrap(b"\x07" * 32, header.core, second.recipient)
    two = replace(header, recipients=(*header.recipients, entry))
    (scene.sealed / "sealed.json").write_bytes(two.sign(scene.key))
    reopen(scene)
    with pytest.raises(BrokenSeal, match="of another key, or bound to another header"):
        open_sealed(scene.sealed, second, expect=scene.expect)


def test_another_model_or_an_older_release_than_expected(scene: Scene) -> None:
    signer = scene.key.public_key
    with pytest.raises(CannotVerify, match="the model is 'mini', expected 'maxi'"):
        open_sealed(scene.sealed, scene.identity, expect=Expect(signer, "maxi"))
    with pytest.raises(CannotVerify, match="release 2, expected 3 or later"):
        open_sealed(scene.sealed, scene.identity, expect=Expect(signer, "mini", 3))


def test_an_older_release_than_one_opened_before(
    scene: Scene, seal_again: Callable[..., Path], tmp_path: Path
) -> None:
    how = Opening(marks=tmp_path / "state" / "marks.json")
    newer = seal_again("newer", release=3)
    open_sealed(scene.sealed, scene.identity, expect=scene.expect, how=how)
    open_sealed(newer, scene.identity, expect=scene.expect, how=how)
    open_sealed(newer, scene.identity, expect=scene.expect, how=how)
    with pytest.raises(CannotVerify) as caught:
        open_sealed(scene.sealed, scene.identity, expect=scene.expect, how=how)
    assert caught.value.message == (
        "release 2, edition 1 of mini; release 3, edition 1 was opened before"
    )
    other = seal_again("other", release=1, name="other")
    open_sealed(other, scene.identity, expect=Expect(scene.key.public_key), how=how)


def forge_as_recipient(scene: Scene, text: bytes) -> None:
    """What a recipient can do: encrypt other content under the genuine key and core."""
    header = read_header(scene.sealed, scene.expect)
    key = scene.identity.decrypt(header.recipients[0].wrapped, header.core.key_info)
    stream = start_encryption(key, header.core.associated(1, len(text)), PARAMETERS)
    out = memoryview(bytearray(len(text) + 32))
    stream.encrypt_segment(memoryview(text), 0, out, final=True)
    original = header.streams[1]
    assert original.plain_bytes == len(text)
    # Under the same IV, so that even the signed stream header is the genuine one.
    genuine = type(stream)(PARAMETERS, original.header, *_secrets(key, header))
    genuine.encrypt_segment(memoryview(text), 0, out, final=True)
    (scene.sealed / CONFIG).write_bytes(original.header + bytes(out))


def _secrets(key: bytes, header: SealedHeader) -> tuple[bytes, bytes]:
    info: StreamInfo = header.streams[1]
    stream = start_decryption(
        key, header.core.associated(1, info.plain_bytes), info.header, PARAMETERS
    )
    return stream._message_key, stream._associated


def test_a_recipient_forges_content_for_the_others(scene: Scene) -> None:
    forge_as_recipient(scene, b'{"hidden": 666}')
    keyholder = TensorReader(scene.sealed, scene.identity, expect=scene.expect)
    assert bytes(keyholder.read("config.json")) == b'{"hidden": 666}'
    publisher = TensorReader(
        scene.sealed, scene.identity, expect=scene.expect, how=Opening(publisher=True)
    )
    with pytest.raises(BrokenSeal, match="segment 0 is not what the publisher sealed"):
        publisher.read("config.json")


def test_leaves_exchanged(scene: Scene) -> None:
    def flip(data: bytearray) -> bytearray:
        data[-1] ^= 1
        return data

    change(scene.sealed / "leaves", flip)
    reopen(scene)
    with pytest.raises(BrokenSeal, match="the leaves are not those of the header"):
        reopen(scene, publisher=True)


def test_a_stream_that_is_a_link(scene: Scene, tmp_path: Path) -> None:
    (scene.sealed / MODEL).rename(tmp_path / "elsewhere")
    (scene.sealed / MODEL).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BrokenSeal, match="stream unreadable"):
        reopen(scene)


def test_a_stream_that_is_missing(scene: Scene) -> None:
    (scene.sealed / MODEL).unlink()
    with pytest.raises(BrokenSeal, match=r"stream unreadable: .*No such file or directory"):
        reopen(scene)


def test_a_header_that_is_too_large(scene: Scene) -> None:
    (scene.sealed / "sealed.json").write_bytes(b" " * (16 * 2**20 + 1))
    with pytest.raises(MalformedEvidence, match="file is larger than 16777216 bytes"):
        reopen(scene)


def test_a_header_that_is_nested_too_deep(scene: Scene) -> None:
    (scene.sealed / "sealed.json").write_bytes(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(BrokenSeal, match="not strict JSON"):
        reopen(scene)
