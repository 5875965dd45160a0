"""FLOE against its published answers, against a second writing of it, and against misuse."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.kernel.errors import BrokenSeal
from steelyard.weights.sealed.floe import (
    HEADER_BYTES,
    Parameters,
    start_decryption,
    start_encryption,
)

FOLDER = Path(__file__).parents[4] / "spec/vectors/floe"
VECTORS = sorted(FOLDER.glob("*.json"))


def segments(body: bytes, size: int) -> list[bytes]:
    found: list[bytes] = []
    while body:
        length = int.from_bytes(body[:4], "big")
        taken = size if length == 0xFFFFFFFF else length
        found.append(body[:taken])
        body = body[taken:]
    return found


def decrypt(key: bytes, associated: bytes, text: bytes, parameters: Parameters) -> bytes:
    stream = start_decryption(key, associated, text[:HEADER_BYTES], parameters)
    parts = segments(text[HEADER_BYTES:], parameters.segment_bytes)
    plain = b""
    for position, part in enumerate(parts):
        out = memoryview(bytearray(len(part) - 32))
        final = position == len(parts) - 1
        stream.decrypt_segment(memoryview(part), position, out, final=final)
        plain += bytes(out)
    return plain


def encrypt(key: bytes, associated: bytes, plain: bytes, parameters: Parameters) -> bytes:
    stream = start_encryption(key, associated, parameters)
    size = parameters.plain_bytes
    cuts = [plain[at : at + size] for at in range(0, max(len(plain), 1), size)]
    text = stream.header
    for position, cut in enumerate(cuts):
        out = memoryview(bytearray(len(cut) + 32))
        final = position == len(cuts) - 1
        stream.encrypt_segment(memoryview(cut), position, out, final=final)
        text += bytes(out)
    return text


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_published_answers_are_ours(path: Path) -> None:
    vector = json.loads(path.read_text("utf-8"))
    parameters = Parameters(vector["segment_bytes"], vector["rotation_bits"])
    key, associated, plain, text = (
        bytes.fromhex(vector[name]) for name in ("key", "associated", "plaintext", "ciphertext")
    )
    assert decrypt(key, associated, text, parameters) == plain
    stream = start_decryption(key, associated, text[:HEADER_BYTES], parameters)
    again, rest = text[:HEADER_BYTES], plain
    parts = segments(text[HEADER_BYTES:], parameters.segment_bytes)
    for position, part in enumerate(parts):
        out = memoryview(bytearray(len(part)))
        cut, rest = rest[: len(part) - 32], rest[len(part) - 32 :]
        final = position == len(parts) - 1
        stream._encrypt(memoryview(cut), position, out, part[4:16], final=final)
        again += bytes(out)
    assert again == text


def test_the_answers_cover_rotation_alignment_and_the_empty_end() -> None:
    names = {path.stem for path in VECTORS}
    assert {"java-last-segment-aligned", "java-last-segment-empty", "rust-rotation"} <= names
    assert len(VECTORS) == 17


def reference(key: bytes, associated: bytes, text: bytes, segment_bytes: int) -> bytes:
    """FLOE decryption written from the pseudo code alone, HKDF-Expand included."""
    parameters = bytes([0, 0]) + segment_bytes.to_bytes(4, "big") + (32).to_bytes(4, "big")

    def kdf(secret: bytes, purpose: bytes, length: int) -> bytes:
        info, block, out = parameters + text[10:42] + purpose + associated, b"", b""
        for counter in range(1, 3):
            block = hmac.new(secret, block + info + bytes([counter]), hashlib.sha384).digest()
            out += block
        return out[:length]

    assert text[:10] == parameters
    assert text[42:74] == kdf(key, b"HEADER_TAG:", 32)
    message_key = kdf(key, b"MESSAGE_KEY:", 48)
    plain, rest, position = b"", text[74:], 0
    while rest:
        final = rest[:4] != b"\xff\xff\xff\xff"
        part = rest[: int.from_bytes(rest[:4], "big") if final else segment_bytes]
        data_key = kdf(message_key, b"DEK:" + (position >> 20 << 20).to_bytes(8, "big"), 32)
        aad = position.to_bytes(8, "big") + bytes([final])
        plain += AESGCM(data_key).decrypt(part[4:16], part[16:], aad)
        rest, position = rest[len(part) :], position + 1
    return plain


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_segments_of_one_mebibyte_agree_with_a_second_writing(size: int) -> None:
    plain, key = os.urandom(size), os.urandom(32)
    text = encrypt(key, b"bound", plain, Parameters(2**20 + 32))
    assert reference(key, b"bound", text, 2**20 + 32) == plain


@settings(max_examples=60)
@given(st.binary(max_size=300), st.binary(max_size=40), st.integers(33, 90), st.data())
def test_what_was_encrypted_comes_back_and_a_changed_byte_does_not(
    plain: bytes, associated: bytes, segment_bytes: int, data: st.DataObject
) -> None:
    key, parameters = bytes(range(32)), Parameters(segment_bytes, 2)
    text = bytearray(encrypt(key, associated, plain, parameters))
    assert decrypt(key, associated, bytes(text), parameters) == plain
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((BrokenSeal, ValueError)):
        decrypt(key, associated, bytes(text), parameters)


@pytest.mark.parametrize(
    ("key", "associated", "message"),
    [
        (bytes(32), b"bound", "another key, or bound to another header"),
        (b"k" * 32, b"other", "another key, or bound to another header"),
    ],
)
def test_another_key_or_binding_is_refused_at_the_header(
    key: bytes, associated: bytes, message: str
) -> None:
    header = start_encryption(b"k" * 32, b"bound", Parameters(64)).header
    with pytest.raises(BrokenSeal, match=message):
        start_decryption(key, associated, header, Parameters(64))


def test_other_parameters_are_refused() -> None:
    header = start_encryption(b"k" * 32, b"", Parameters(64)).header
    for wrong in (header[:-1], bytes([1]) + header[1:]):
        with pytest.raises(BrokenSeal, match="the stream is of another encryption"):
            start_decryption(b"k" * 32, b"", wrong, Parameters(64))
    with pytest.raises(BrokenSeal, match="the stream is of another encryption"):
        start_decryption(b"k" * 32, b"", header, Parameters(96))


def test_a_segment_of_the_wrong_length_or_position_cannot_be_made() -> None:
    stream = start_encryption(b"k" * 32, b"", Parameters(64))
    out = memoryview(bytearray(128))
    for length, position, final in ((33, 0, True), (31, 0, False), (32, 2**40, False)):
        with pytest.raises(ValueError, match="segment"):
            stream.encrypt_segment(memoryview(bytes(length)), position, out, final=final)


def test_iv_and_nonces_come_from_the_system_and_are_fresh() -> None:
    one, two = (encrypt(b"k" * 32, b"", bytes(100), Parameters(64)) for _ in range(2))
    assert one[10:42] != two[10:42]
    assert len({part[4:16] for part in segments(one[74:] + two[74:], 64)}) == 8
