"""Chips against an expansion written a second time, from HMAC and single AES blocks."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from steelyard.weights.trace.chips import chip_key, correlate, keystream, signs

KEY = bytes(range(32))


def expand_again(key: bytes, name: str, rows: int, columns: int, blocks: range) -> bytes:
    message = b""
    for part in ("steelyard/trace-tensor-key/1", name, str(rows), str(columns)):
        message += len(part.encode()).to_bytes(4, "big") + part.encode()
    tensor_key = hmac.new(key, message, hashlib.sha256).digest()
    block = Cipher(algorithms.AES(tensor_key), modes.ECB()).encryptor()  # noqa: S305 - one block
    return b"".join(block.update(number.to_bytes(16, "big")) for number in blocks)


def test_a_keystream_is_aes_256_of_a_counter_under_a_key_of_the_tensor() -> None:
    bits = keystream(KEY, "a.weight", (40, 16), 0, 640)
    assert bits == expand_again(KEY, "a.weight", 40, 16, range(5))


def test_a_run_may_start_at_any_block_and_end_anywhere() -> None:
    bits = keystream(KEY, "ä.weight", (64, 64), 3 * 128, 20)
    assert bits == expand_again(KEY, "ä.weight", 64, 64, range(3, 4))[:3]


def test_the_counter_carries_beyond_four_bytes() -> None:
    far = 2**32 + 5
    bits = keystream(KEY, "w", (2**20, 2**20), far * 128, 128)
    assert bits == expand_again(KEY, "w", 2**20, 2**20, range(far, far + 1))


def test_a_run_within_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a run of chips starts at a multiple of 128, not at 5$"):
        keystream(KEY, "w", (64, 64), 5, 10)


def test_the_first_chip_is_the_highest_bit_and_a_zero_bit_is_plus_one() -> None:
    assert signs(b"\x80\x01", 16).tolist() == [-1.0] + [1.0] * 14 + [-1.0]
    assert signs(b"\x80\x01", 9).tolist() == [-1.0] + [1.0] * 8


@pytest.mark.parametrize(
    ("key", "name", "shape"),
    [
        (bytes(32), "w", (32, 32)),
        (KEY, "v", (32, 32)),
        (KEY, "w", (64, 16)),
        (chip_key(KEY, "r1"), "w", (32, 32)),
    ],
)
def test_key_name_and_shape_each_give_other_chips(
    key: bytes, name: str, shape: tuple[int, int]
) -> None:
    one = signs(keystream(KEY, "w", (32, 32), 0, 1024), 1024)
    other = signs(keystream(key, name, shape, 0, 1024), 1024)
    assert abs(float(one @ other)) < 6 * 1024**0.5


def test_chip_keys_differ_by_pseudonym_and_secret() -> None:
    keys = {chip_key(s, p) for s in (KEY, bytes(32)) for p in ("r1", "r2")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}


@given(st.integers(1, 70_000), st.integers(0, 2**32 - 1))
def test_a_correlation_is_the_sum_of_chip_times_value(count: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(count).astype(np.float32)
    bits = keystream(KEY, "w", (1, count), 0, count)
    chips = 1.0 - 2.0 * np.unpackbits(np.frombuffer(bits, np.uint8))[:count]
    wanted = float(chips @ values.astype(np.float64))
    assert correlate(bits, values) == pytest.approx(wanted, abs=1e-3 * count**0.5 + 1e-6)
