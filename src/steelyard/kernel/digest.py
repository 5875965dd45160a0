"""SHA-256 digests of bytes, canonical JSON and files, always as lower hex.

Domain-separated keyed digests (HMAC, RFC 2104) for seeds and pseudonyms live
here too, so that no two uses of one key can collide.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from steelyard.kernel.canonical import canonical_json

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 20


def sha256_hex(data: bytes) -> str:
    """SHA-256 of `data` as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: object) -> str:
    """SHA-256 of the canonical JSON (RFC 8785) of `value`."""
    return sha256_hex(canonical_json(value))


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in chunks of 1 MiB."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()


def keyed_digest(key: bytes, *parts: str | int) -> bytes:
    """HMAC-SHA-256 over `parts`, each length-prefixed so none can run into the next.

    Args:
        key: Secret or published key, any length.
        parts: Labels and numbers that name the use; the first is the domain.

    Returns:
        32 bytes.
    """
    state = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        encoded = str(part).encode()
        state.update(len(encoded).to_bytes(4, "big"))
        state.update(encoded)
    return state.digest()
