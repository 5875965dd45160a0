"""Keys that sign models: EC P-256, P-384, P-521, and Ed25519 as our extension.

Decides what a key file may hold, the hash that goes with a curve (Sigstore's algorithm
registry), and the fingerprint by which a bundle names a key: SHA-256 over the PEM of the
public half, as model_signing writes it. Whom to trust is left to `trust`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from steelyard.attest.keys import write_key_pair
from steelyard.kernel import read_bytes, sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

KeyKind = Literal["p256", "p384", "p521", "ed25519"]

KEY_FILE_LIMIT_BYTES: Final = 16 * 1024
_CURVES: Final[dict[KeyKind, type[ec.EllipticCurve]]] = {
    "p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1,
}  # fmt: skip
_KIND_OF_CURVE: Final[dict[str, KeyKind]] = {
    "secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521",
}  # fmt: skip
_HASHES: Final[dict[KeyKind, type[hashes.HashAlgorithm]]] = {
    "p256": hashes.SHA256, "p384": hashes.SHA384, "p521": hashes.SHA512,
}  # fmt: skip
_HINT: Final = "make one with: steelyard weights signing-key PATH"


@dataclass(frozen=True, slots=True)
class ModelPublicKey:
    """A public key that a model may be signed with.

    Attributes:
        kind: Curve, or ed25519.
        pem: Its SubjectPublicKeyInfo as the PEM that fingerprints are computed over.
    """

    kind: KeyKind
    pem: bytes

    @property
    def key_id(self) -> str:
        """SHA-256 of the PEM, lower hex: the `hint` of a bundle."""
        return sha256_hex(self.pem)

    @property
    def fingerprints(self) -> frozenset[str]:
        """The key id, and the SHA-256 of the DER form, which others write."""
        return frozenset({self.key_id, sha256_hex(self.der)})

    @property
    def der(self) -> bytes:
        """The SubjectPublicKeyInfo as DER."""
        key = load_pem_public_key(self.pem)
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def verify(self, signature: bytes, message: bytes, *, where: str) -> None:
        """Check a signature over `message`.

        Raises:
            BrokenSeal: this key did not make it.
        """
        key = load_pem_public_key(self.pem)
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, message)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, message, ec.ECDSA(_HASHES[self.kind]()))
        except InvalidSignature as error:
            text = f"the signature does not verify with key {self.key_id[:16]}"
            raise BrokenSeal(text, where=where) from error


@dataclass(frozen=True, slots=True)
class ModelPrivateKey:
    """A private key; its printed form shows nothing of the secret."""

    _key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey

    @property
    def public_key(self) -> ModelPublicKey:
        """The public half."""
        return public_key_of(self._key.public_key(), where="key")

    def sign(self, message: bytes) -> bytes:
        """A signature over `message`: DER for EC, 64 bytes for Ed25519."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, ec.ECDSA(_HASHES[self.public_key.kind]()))

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """The PKCS #8 PEM, encrypted where a passphrase is given."""
        lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def generate_model_key(kind: KeyKind) -> ModelPrivateKey:
    """A new key from the operating system's randomness."""
    if kind == "ed25519":
        return ModelPrivateKey(Ed25519PrivateKey.generate())
    return ModelPrivateKey(ec.generate_private_key(_CURVES[kind]()))


def public_key_of(key: object, *, where: str) -> ModelPublicKey:
    """Wrap a key of the cryptography library.

    Raises:
        ConfigurationError: an algorithm that models are not signed with.
    """
    if isinstance(key, Ed25519PublicKey):
        kind: KeyKind | None = "ed25519"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind = _KIND_OF_CURVE.get(key.curve.name)
    else:
        kind = None
    if kind is None or not isinstance(key, Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise _wrong_algorithm(key, where)
    return ModelPublicKey(kind, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def parse_model_key(pem: bytes, *, where: str) -> ModelPublicKey:
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
        raise ConfigurationError(message, where=where, hint=_HINT) from error
    return public_key_of(key, where=where)


def load_model_key(path: Path) -> ModelPublicKey:
    """Read a public key file; see `parse_model_key`."""
    return parse_model_key(read_bytes(path, limit_bytes=KEY_FILE_LIMIT_BYTES), where=str(path))


def load_model_private_key(path: Path, passphrase: bytes | None = None) -> ModelPrivateKey:
    """Read a private key file.

    Raises:
        ConfigurationError: no PEM, a public key, another algorithm, a passphrase that is
            missing, wrong, or not needed.
    """
    pem = read_bytes(path, limit_bytes=KEY_FILE_LIMIT_BYTES)
    where = str(path)
    try:
        key = load_pem_private_key(pem, password=passphrase)
    except TypeError as error:
        found = "has no passphrase" if passphrase else "is encrypted with a passphrase"
        hint = "leave --passphrase-file out" if passphrase else "give --passphrase-file FILE"
        raise ConfigurationError(f"the private key {found}", where=where, hint=hint) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        message = "wrong passphrase" if b"ENCRYPTED" in pem else "no private key in PEM form"
        hint = "" if b"ENCRYPTED" in pem else _HINT
        raise ConfigurationError(message, where=where, hint=hint) from error
    if not isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise _wrong_algorithm(key, where)
    public_key_of(key.public_key(), where=where)
    return ModelPrivateKey(key)


def save_model_key(key: ModelPrivateKey, path: Path, passphrase: bytes | None = None) -> Path:
    """Write a key pair; see `attest.keys.write_key_pair`."""
    return write_key_pair(path, key.to_pem(passphrase), key.public_key.pem)


def _wrong_algorithm(key: object, where: str) -> ConfigurationError:
    curve = getattr(key, "curve", None)
    name = str(curve.name) if isinstance(curve, ec.EllipticCurve) else type(key).__name__
    plain = name.removesuffix("PublicKey").removesuffix("PrivateKey").lstrip("_")
    message = f"found a key of type {plain}, need P-256, P-384, P-521 or Ed25519"
    return ConfigurationError(message, where=where, hint=_HINT)
