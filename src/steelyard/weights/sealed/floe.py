"""FLOE: random-access authenticated encryption of long streams, one segment at a time.

The construction of ePrint 2025/2275 in the published parameters AES-256-GCM,
HKDF-Expand-SHA-384 and a 32-byte IV. Decides the bytes of a header and of a segment, and
refuses any other. Which positions there are, and which is final, is for the caller to know
from something authenticated: FLOE loses its commitment where an attacker chooses them.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from steelyard.kernel.errors import BrokenSeal

KEY_BYTES: Final = 32
IV_BYTES: Final = 32
HEADER_TAG_BYTES: Final = 32
HEADER_BYTES: Final = 10 + IV_BYTES + HEADER_TAG_BYTES
SEGMENT_OVERHEAD_BYTES: Final = 4 + 12 + 16
"""Length marker, AES-GCM nonce and tag of every segment."""
_NONCE: Final = slice(4, 16)
_NONCE_BYTES: Final = 12
_KDF_KEY_BYTES: Final = 48
_NOT_FINAL: Final = b"\xff\xff\xff\xff"
_ROTATION_BITS: Final = 20
_SEGMENT_LIMIT: Final = 2**40


@dataclass(frozen=True, slots=True)
class Parameters:
    """What may vary: the length of an encrypted segment in bytes.

    `rotation_bits` is 20 in FLOE; the published vectors of key rotation use 2.
    """

    segment_bytes: int
    rotation_bits: int = _ROTATION_BITS

    @property
    def plain_bytes(self) -> int:
        """Plaintext of a segment that is not final."""
        return self.segment_bytes - SEGMENT_OVERHEAD_BYTES

    def encode(self) -> bytes:
        """PARAM_ENCODE of the specification: AEAD, KDF, segment and IV lengths."""
        return bytes(2) + self.segment_bytes.to_bytes(4, "big") + IV_BYTES.to_bytes(4, "big")


@dataclass(frozen=True, slots=True, repr=False)
class Stream:
    """One FLOE ciphertext under its key: the state of either direction.

    Threads may share it: segments are independent.
    """

    parameters: Parameters
    header: bytes
    _message_key: bytes
    _associated: bytes
    _ciphers: dict[int, AESGCM] = field(default_factory=dict[int, AESGCM])

    def encrypt_segment(
        self, plain: memoryview, position: int, out: memoryview, *, final: bool
    ) -> int:
        """Encrypt one segment into the start of `out`; returns the bytes written.

        A position must be encrypted once only, and nothing after the final one.
        """
        return self._encrypt(plain, position, out, os.urandom(_NONCE_BYTES), final=final)

    def decrypt_segment(
        self, segment: memoryview, position: int, out: memoryview, *, final: bool
    ) -> None:
        """Decrypt one segment into `out`, which is as long as its plaintext.

        Raises:
            BrokenSeal: another length, another place, or changed. What `out` holds then is
                not to be used.
        """
        length = len(segment)
        marker = length.to_bytes(4, "big") if final else _NOT_FINAL
        right = SEGMENT_OVERHEAD_BYTES <= length <= self.parameters.segment_bytes
        if not right or (not final and length != self.parameters.segment_bytes):
            message = f"segment {position} has {length} bytes"
            raise BrokenSeal(message)
        if bytes(segment[:4]) != marker:
            message = f"segment {position} is marked as another kind of segment"
            raise BrokenSeal(message)
        try:
            self._cipher(position).decrypt_into(
                segment[_NONCE], segment[16:], _place(position, final=final), out
            )
        except InvalidTag as error:
            message = f"segment {position} was changed, or belongs elsewhere"
            raise BrokenSeal(message) from error

    def _encrypt(
        self, plain: memoryview, position: int, out: memoryview, nonce: bytes, *, final: bool
    ) -> int:
        length = len(plain) + SEGMENT_OVERHEAD_BYTES
        if length > self.parameters.segment_bytes or not 0 <= position < _SEGMENT_LIMIT:
            message = f"no segment {position} of {length} bytes"
            raise ValueError(message)
        if not final and length != self.parameters.segment_bytes:
            message = f"segment {position} is not final and has {length} bytes"
            raise ValueError(message)
        out[:4] = length.to_bytes(4, "big") if final else _NOT_FINAL
        out[_NONCE] = nonce
        self._cipher(position).encrypt_into(
            nonce, plain, _place(position, final=final), out[16:length]
        )
        return length

    def _cipher(self, position: int) -> AESGCM:
        epoch = position >> self.parameters.rotation_bits
        found = self._ciphers.get(epoch)
        if found is None:
            first = epoch << self.parameters.rotation_bits
            purpose = b"DEK:" + first.to_bytes(8, "big")
            iv = _iv_of(self.header)
            key = _derive(
                self._message_key, self.parameters, iv, purpose, self._associated, KEY_BYTES
            )
            found = self._ciphers.setdefault(epoch, AESGCM(key))
        return found


def start_encryption(key: bytes, associated: bytes, parameters: Parameters) -> Stream:
    """Begin a ciphertext under a fresh random IV (startEncryption of the specification)."""
    return _start(key, associated, parameters, os.urandom(IV_BYTES))


def start_decryption(
    key: bytes, associated: bytes, header: bytes, parameters: Parameters
) -> Stream:
    """Begin to read a ciphertext: check that the header is of this key and these data.

    Raises:
        BrokenSeal: other parameters, another key, or other associated data.
    """
    if len(header) != HEADER_BYTES or not header.startswith(parameters.encode()):
        raise BrokenSeal("the stream is of another encryption")
    stream = _start(key, associated, parameters, _iv_of(header))
    if not hmac.compare_digest(stream.header, header):
        raise BrokenSeal("the stream is of another key, or bound to another header")
    return stream


def _start(key: bytes, associated: bytes, parameters: Parameters, iv: bytes) -> Stream:
    def derive(purpose: bytes, length: int) -> bytes:
        return _derive(key, parameters, iv, purpose, associated, length)

    header = parameters.encode() + iv + derive(b"HEADER_TAG:", HEADER_TAG_BYTES)
    return Stream(parameters, header, derive(b"MESSAGE_KEY:", _KDF_KEY_BYTES), associated)


def _derive(
    key: bytes, parameters: Parameters, iv: bytes, purpose: bytes, associated: bytes, length: int
) -> bytes:
    info = parameters.encode() + iv + purpose + associated
    return HKDFExpand(SHA384(), length, info).derive(key)


def _iv_of(header: bytes) -> bytes:
    return header[-HEADER_TAG_BYTES - IV_BYTES : -HEADER_TAG_BYTES]


def _place(position: int, *, final: bool) -> bytes:
    return position.to_bytes(8, "big") + (b"\x01" if final else b"\x00")
