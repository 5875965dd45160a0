"""Keys to encrypt to: files, ids, HPKE, and every way in which a key file is wrong."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from steelyard.attest import generate_key
from steelyard.attest.recipients import (
    Identity,
    generate_identity,
    load_identity,
    load_recipient,
    parse_identity,
    parse_recipient,
    save_identity,
)
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError

CLASSIC = Identity(X25519PrivateKey.from_private_bytes(bytes(range(32))))
HYBRID = Identity(
    X25519PrivateKey.from_private_bytes(bytes(range(32))),
    MLKEM768PrivateKey.from_seed_bytes(bytes(64)),
)
BOTH = pytest.mark.parametrize("identity", [CLASSIC, HYBRID], ids=["classic", "hybrid"])


@BOTH
def test_what_is_encrypted_comes_back_only_for_the_same_purpose(identity: Identity) -> None:
    sealed = identity.recipient.encrypt(b"secret", b"purpose")
    assert identity.decrypt(sealed, b"purpose") == b"secret"
    assert identity.recipient.encrypt(b"secret", b"purpose") != sealed
    for wrong in (sealed[:-1], sealed[:20], b"", bytes([sealed[0] ^ 1]) + sealed[1:]):
        with pytest.raises(BrokenSeal, match="not encrypted to key"):
            identity.decrypt(wrong, b"purpose")
    with pytest.raises(BrokenSeal, match="for this purpose"):
        identity.decrypt(sealed, b"another")
    with pytest.raises(BrokenSeal, match="not encrypted to key"):
        generate_identity(hybrid=identity.mlkem is not None).decrypt(sealed, b"purpose")


def test_lengths_are_those_of_the_suites() -> None:
    """RFC 9180, section 7.1: Nenc 32; X-Wing: 1088 and 32; both with 16 bytes of tag."""
    assert len(CLASSIC.recipient.encrypt(bytes(32), b"")) == 32 + 32 + 16
    assert len(HYBRID.recipient.encrypt(bytes(32), b"")) == 1120 + 32 + 16


def test_a_hybrid_needs_both_halves() -> None:
    sealed = HYBRID.recipient.encrypt(b"secret", b"")
    for other in (
        Identity(HYBRID.x25519, MLKEM768PrivateKey.generate()),
        Identity(X25519PrivateKey.generate(), HYBRID.mlkem),
        Identity(HYBRID.x25519),
    ):
        with pytest.raises(BrokenSeal):
            other.decrypt(sealed, b"")


@BOTH
@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_key_file_comes_back(
    identity: Identity, passphrase: bytes | None, tmp_path: Path
) -> None:
    public = save_identity(identity, tmp_path / "key", passphrase)
    assert public == tmp_path / "key.pub"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    loaded = load_identity(tmp_path / "key", passphrase)
    assert loaded.recipient.key_id == identity.recipient.key_id
    assert loaded.decrypt(load_recipient(public).encrypt(b"x", b""), b"") == b"x"
    assert load_recipient(public).kind == identity.recipient.kind
    for existing in ("key", "key.pub"):
        with pytest.raises(ConfigurationError, match="a key is never overwritten"):
            save_identity(identity, tmp_path / existing, None)


def test_the_id_is_the_digest_of_the_public_keys() -> None:
    blocks = HYBRID.recipient.pem.split(b"-----END PUBLIC KEY-----\n")
    assert len(blocks) == 3
    assert CLASSIC.recipient.key_id != HYBRID.recipient.key_id
    assert len(sha256_hex(b"")) == len(HYBRID.recipient.key_id)


def test_nothing_of_the_secret_is_printed() -> None:
    for identity in (CLASSIC, HYBRID):
        assert (
            repr(identity)
            == f"Identity({identity.recipient.kind}, {identity.recipient.key_id[:16]})"
        )


@pytest.mark.parametrize(
    ("pem", "passphrase", "message", "hint"),
    [
        (b"", None, "no private key to encrypt with: need X25519, or ML-KEM-768 and X25519, in PEM",
         "make one with: steelyard weights keygen PATH"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None,
         "no private key to encrypt with: need X25519, or ML-KEM-768 and X25519, in PEM",
         "make one with: steelyard weights keygen PATH"),
        (CLASSIC.pem(b"right"), None, "the key is encrypted", "give it with --passphrase-file"),
        (CLASSIC.pem(b"right"), b"wrong", "wrong passphrase, or a damaged key", ""),
        (generate_key().pem, None,
         "no private key to encrypt with: need X25519, or ML-KEM-768 and X25519, in PEM",
         "make one with: steelyard weights keygen PATH"),
        (CLASSIC.pem(None) + HYBRID.pem(None), None,
         "no private key to encrypt with: need X25519, or ML-KEM-768 and X25519, in PEM",
         "make one with: steelyard weights keygen PATH"),
    ],
)  # fmt: skip
def test_what_is_no_private_key_is_refused(
    pem: bytes, passphrase: bytes | None, message: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_identity(pem, passphrase, where="key")
    assert (caught.value.message, caught.value.hint, caught.value.where) == (message, hint, "key")


def test_a_private_key_is_no_recipient() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_recipient(HYBRID.pem(None), where="key")
    assert caught.value.hint == "keep it secret; give the .pub file"


@given(st.binary(max_size=300))
def test_anything_else_is_no_key(data: bytes) -> None:
    block = b"-----BEGIN PUBLIC KEY-----\n" + data + b"\n-----END PUBLIC KEY-----\n"
    for text in (data, block):
        with pytest.raises(ConfigurationError):
            parse_recipient(text, where="key")
        with pytest.raises(ConfigurationError):
            parse_identity(text, None, where="key")
