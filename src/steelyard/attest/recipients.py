"""Keys that something is encrypted to, and HPKE (RFC 9180) with them.

Decides which keys there are (X25519, and the hybrid of ML-KEM-768 with X25519), how they lie
in PEM files, the id by which a document names one, and the bytes of an encryption. What is
encrypted, and which `info` binds it to its purpose, is for the format that uses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from steelyard.attest.keys import KEY_FILE_LIMIT_BYTES, write_key_pair
from steelyard.kernel import read_bytes, sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

RecipientKind = Literal["hpke-x25519", "hpke-mlkem768-x25519"]

_CLASSIC: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_HYBRID: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----\n?", re.DOTALL)
_HYBRID_BLOCKS: Final = 2
_HINT: Final = "make one with: steelyard weights keygen PATH"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key to encrypt to: X25519, with an ML-KEM-768 key where it is a hybrid."""

    x25519: X25519PublicKey
    mlkem: MLKEM768PublicKey | None = None

    @property
    def kind(self) -> RecipientKind:
        """How the key is named in documents."""
        return "hpke-x25519" if self.mlkem is None else "hpke-mlkem768-x25519"

    @property
    def key_id(self) -> str:
        """SHA-256 over the DER SubjectPublicKeyInfo of each key, ML-KEM first; lower hex."""
        return sha256_hex(b"".join(_public(key, Encoding.DER) for key in self._keys()))

    @property
    def pem(self) -> bytes:
        """One SubjectPublicKeyInfo in PEM, or two of a hybrid, ML-KEM first."""
        return b"".join(_public(key, Encoding.PEM) for key in self._keys())

    def encrypt(self, plaintext: bytes, info: bytes) -> bytes:
        """HPKE in base mode: encapsulated key, then ciphertext.

        Args:
            plaintext: What only the holder of the private key may read.
            info: Binds the ciphertext to its purpose (RFC 9180, section 5).

        Raises:
            ConfigurationError: a point of low order (RFC 7748, section 6.1).
        """
        try:
            if self.mlkem is None:
                return _CLASSIC.encrypt(plaintext, self.x25519, info)
            hybrid = MLKEM768X25519PublicKey(self.mlkem, self.x25519)
            return _HYBRID.encrypt(plaintext, hybrid, info)
        except ValueError as error:
            message = f"nothing can be encrypted to key {self.key_id[:16]}: it is no safe key"
            raise ConfigurationError(message) from error

    def _keys(self) -> tuple[MLKEM768PublicKey | X25519PublicKey, ...]:
        return (self.x25519,) if self.mlkem is None else (self.mlkem, self.x25519)


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """The private half of a recipient; its printed form shows nothing of the secret."""

    x25519: X25519PrivateKey
    mlkem: MLKEM768PrivateKey | None = None

    def __repr__(self) -> str:
        return f"Identity({self.recipient.kind}, {self.recipient.key_id[:16]})"

    @property
    def recipient(self) -> Recipient:
        """The public half."""
        mlkem = None if self.mlkem is None else self.mlkem.public_key()
        return Recipient(self.x25519.public_key(), mlkem)

    def decrypt(self, ciphertext: bytes, info: bytes) -> bytes:
        """Open what was encrypted to this key with the same `info`.

        Raises:
            BrokenSeal: for another key, with another `info`, or changed.
        """
        try:
            if self.mlkem is None:
                return _CLASSIC.decrypt(ciphertext, self.x25519, info)
            return _HYBRID.decrypt(
                ciphertext, MLKEM768X25519PrivateKey(self.mlkem, self.x25519), info
            )
        except (InvalidTag, ValueError) as error:
            message = f"not encrypted to key {self.recipient.key_id[:16]} for this purpose"
            raise BrokenSeal(message) from error

    def pem(self, passphrase: bytes | None) -> bytes:
        """PKCS #8 in PEM, ML-KEM first; encrypted (PBES2) where there is a passphrase."""
        keys = (self.x25519,) if self.mlkem is None else (self.mlkem, self.x25519)
        how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return b"".join(k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how) for k in keys)


def generate_identity(*, hybrid: bool) -> Identity:
    """A new key from the operating system's randomness."""
    return Identity(X25519PrivateKey.generate(), MLKEM768PrivateKey.generate() if hybrid else None)


def parse_recipient(pem: bytes, *, where: str) -> Recipient:
    """Read a public key in PEM.

    Raises:
        ConfigurationError: no PEM, a private key, or another algorithm.
    """
    if b"PRIVATE KEY" in pem:
        message = "found a private key where a public key belongs"
        raise ConfigurationError(message, where=where, hint="keep it secret; give the .pub file")
    try:
        keys = [load_pem_public_key(block) for block in _BLOCK.findall(pem)]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key("public", where) from error
    match keys:
        case [X25519PublicKey() as x25519]:
            return Recipient(x25519)
        case [MLKEM768PublicKey() as mlkem, X25519PublicKey() as x25519]:
            return Recipient(x25519, mlkem)
        case _:
            raise _no_key("public", where)


def parse_identity(pem: bytes, passphrase: bytes | None, *, where: str) -> Identity:
    """Read a private key in PEM, encrypted or not.

    Raises:
        ConfigurationError: no PEM, another algorithm, or a missing or wrong passphrase.
    """
    blocks = _BLOCK.findall(pem)
    sealed = [b"ENCRYPTED" in block for block in blocks]
    if any(sealed) and passphrase is None:
        hint = "give it with --passphrase-file"
        raise ConfigurationError("the key is encrypted", where=where, hint=hint)
    try:
        keys = [
            load_pem_private_key(block, passphrase if encrypted else None)
            for block, encrypted in zip(blocks, sealed, strict=True)
        ]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if any(sealed):
            raise ConfigurationError("wrong passphrase, or a damaged key", where=where) from error
        raise _no_key("private", where) from error
    match keys:
        case [X25519PrivateKey() as x25519]:
            return Identity(x25519)
        case [MLKEM768PrivateKey() as mlkem, X25519PrivateKey() as x25519]:
            return Identity(x25519, mlkem)
        case _:
            raise _no_key("private", where)


def load_recipient(path: Path) -> Recipient:
    """Read a public key file; see `parse_recipient`."""
    return parse_recipient(_read(path), where=str(path))


def load_identity(path: Path, passphrase: bytes | None = None) -> Identity:
    """Read a private key file; see `parse_identity`."""
    return parse_identity(_read(path), passphrase, where=str(path))


def save_identity(identity: Identity, path: Path, passphrase: bytes | None = None) -> Path:
    """Write a key pair; see `attest.keys.write_key_pair`."""
    return write_key_pair(path, identity.pem(passphrase), identity.recipient.pem)


def _public(key: MLKEM768PublicKey | X25519PublicKey, encoding: Encoding) -> bytes:
    return key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> bytes:
    return read_bytes(path, limit_bytes=KEY_FILE_LIMIT_BYTES)


def _no_key(half: str, where: str) -> ConfigurationError:
    message = f"no {half} key to encrypt with: need X25519, or ML-KEM-768 and X25519, in PEM"
    return ConfigurationError(message, where=where, hint=_HINT)
