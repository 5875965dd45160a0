"""Chips: the secret signs by which one recipient's copy differs from every other's.

Decides the bit-exact expansion of a chip key into signs (spec/trace-mark.md, section Chips):
a key of its own for every tensor by HMAC-SHA-256, then the keystream of AES-256 in counter mode.
Who has which key, and which tensors carry chips, is decided beside this module.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from steelyard.kernel import keyed_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY_BYTES: Final = 32
BLOCK_CHIPS: Final = 128
"""Chips of one AES block: where a run of chips may start."""
_BYTE_BITS: Final = 8
_PRODUCT_BYTES: Final = 1 << 12


def chip_key(secret: bytes, pseudonym: str) -> bytes:
    """The chip key of a recipient, 32 bytes, from the owner's secret."""
    return keyed_digest(secret, "steelyard/trace-chip-key/1", pseudonym)


def keystream(key: bytes, name: str, shape: tuple[int, int], start: int, count: int) -> bytes:
    """The chips `start` to `start + count` of one tensor as bits, first chip in the highest bit.

    Args:
        key: Chip key of the recipient.
        name: Name of the tensor in the marked model.
        shape: Rows and columns of the tensor there; chips go row by row.
        start: Position of the first chip, a multiple of `BLOCK_CHIPS`.
        count: Number of chips; the last byte is filled with chips that follow.
    """
    if start % BLOCK_CHIPS:
        message = f"a run of chips starts at a multiple of {BLOCK_CHIPS}, not at {start}"
        raise ValueError(message)
    tensor_key = keyed_digest(key, "steelyard/trace-tensor-key/1", name, *shape)
    counter = (start // BLOCK_CHIPS).to_bytes(16, "big")
    cipher = Cipher(algorithms.AES(tensor_key), modes.CTR(counter)).encryptor()
    return cipher.update(bytes(-(-count // _BYTE_BITS)))


def signs(bits: bytes, count: int) -> NDArray[np.float32]:
    """The first `count` chips of a keystream: +1 for a bit 0, -1 for a bit 1."""
    packed = np.frombuffer(bits, np.uint8)
    return np.take(_sign_table(), packed, axis=0).ravel()[:count]


def correlate(bits: bytes, values: NDArray[np.float32]) -> float:
    """The sum of chip times value; `values` is flat and as long as the run of chips.

    Works in blocks that fit a processor's cache: about 1.5e9 chips a second on one core.
    """
    packed = np.frombuffer(bits, np.uint8)
    table, total = _sign_table(), 0.0
    for start in range(0, packed.size, _PRODUCT_BYTES):
        part = values[start * _BYTE_BITS : (start + _PRODUCT_BYTES) * _BYTE_BITS]
        chips = np.take(table, packed[start : start + _PRODUCT_BYTES], axis=0).ravel()
        total += float(chips[: part.size] @ part)
    return total


@cache
def _sign_table() -> NDArray[np.float32]:
    """The eight signs of every byte, [256, 8]."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return (1.0 - 2.0 * bits).astype(np.float32)
