"""Ed25519 keys in PEM files, and the id by which an envelope names one.

Decides what a key file may look like (RFC 8410: PKCS #8 private, SPKI public)
and the key id (spec/statements.md, section Keys). Which keys to trust is the
business of the gate policy.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from steelyard.kernel import read_bytes, sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError
from steelyard.kernel.files import require_name, storage_errors

if TYPE_CHECKING:
    from pathlib import Path

# The longest PEM of a key we accept is under 200 bytes; RSA keys are below 4 KiB.
KEY_FILE_LIMIT_BYTES: Final = 16 * 1024
_PRIVATE_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644
_KEY_HINT: Final = "make one with: steelyard passport keygen PATH"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key.

    Attributes:
        raw: The 32 bytes of RFC 8032.
    """

    raw: bytes

    @property
    def key_id(self) -> str:
        """SHA-256 of the DER SubjectPublicKeyInfo, lower hex."""
        return _key_id(self.raw)

    @property
    def pem(self) -> bytes:
        """The SubjectPublicKeyInfo as PEM."""
        return self._key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature over `message`.

        Raises:
            BrokenSeal: this key did not make it.
        """
        try:
            self._key().verify(signature, message)
        except InvalidSignature as error:
            message_text = f"the signature does not verify with key {self.key_id[:16]}"
            raise BrokenSeal(message_text) from error

    def _key(self) -> Ed25519PublicKey:
        return _loaded(self.raw)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An Ed25519 private key; its printed form shows nothing of the secret."""

    _key: Ed25519PrivateKey

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateKey:
        """The key of a 32-byte seed (RFC 8032, section 5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    @property
    def pem(self) -> bytes:
        """The unencrypted PKCS #8 PEM; treat it as the secret it is."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`; deterministic (RFC 8032)."""
        return self._key.sign(message)


@lru_cache(maxsize=4096)
def _loaded(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


@lru_cache(maxsize=4096)
def _key_id(raw: bytes) -> str:
    return sha256_hex(_loaded(raw).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def generate_key() -> PrivateKey:
    """A new key from the operating system's randomness."""
    return PrivateKey(Ed25519PrivateKey.generate())


def parse_public_key(pem: bytes, *, where: str) -> PublicKey:
    """Read a public key in PEM.

    Raises:
        ConfigurationError: no PEM, a private key, or another algorithm.
    """
    if b"PRIVATE KEY" in pem:
        message = "found a private key where a public key belongs"
        raise ConfigurationError(message, where=where, hint="keep it secret; give the .pub file")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        message = "no public key in PEM form"
        raise ConfigurationError(message, where=where, hint=_KEY_HINT) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _wrong_algorithm(key, where)
    return PublicKey(key.public_bytes_raw())


def load_public_key(path: Path) -> PublicKey:
    """Read a public key file; see `parse_public_key`."""
    return parse_public_key(read_bytes(path, limit_bytes=KEY_FILE_LIMIT_BYTES), where=str(path))


def load_private_key(path: Path) -> PrivateKey:
    """Read a private key file.

    Raises:
        ConfigurationError: no PEM, encrypted, a public key, or another algorithm.
    """
    pem = read_bytes(path, limit_bytes=KEY_FILE_LIMIT_BYTES)
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        message = "the private key is encrypted with a passphrase"
        hint = "decrypt it first: openssl pkey -in KEY -out PLAIN"
        raise ConfigurationError(message, where=str(path), hint=hint) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        message = "no private key in PEM form"
        raise ConfigurationError(message, where=str(path), hint=_KEY_HINT) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong_algorithm(key, str(path))
    return PrivateKey(key)


def save_key(key: PrivateKey, path: Path) -> Path:
    """Write a key pair; see `write_key_pair`."""
    return write_key_pair(path, key.pem, key.public_key.pem)


def write_key_pair(path: Path, private: bytes, public: bytes) -> Path:
    """Write the private key to `path` (mode 0600) and the public one beside it.

    Returns:
        Path of the public key, `path` with `.pub` appended.

    Raises:
        UsageError: `path` names no file.
        ConfigurationError: either file exists.
        StorageError: the disk refused.
    """
    require_name(path)
    public_path = path.with_name(f"{path.name}.pub")
    for existing in (path, public_path):
        if os.path.lexists(existing):
            raise _exists(existing)
    _write_new(path, private, _PRIVATE_MODE)
    _write_new(public_path, public, _PUBLIC_MODE)
    return public_path


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Create a file with its mode from the first instant; never write into an existing one."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            raise _exists(path) from None
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())


def _exists(path: Path) -> ConfigurationError:
    message = "a file of this name exists; a key is never overwritten"
    return ConfigurationError(message, where=str(path), hint="choose another name for the key")


def _wrong_algorithm(key: object, where: str) -> ConfigurationError:
    name = type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey").lstrip("_")
    message = f"found a key of type {name}, need Ed25519"
    return ConfigurationError(message, where=where, hint=_KEY_HINT)
