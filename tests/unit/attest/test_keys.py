from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from steelyard.attest import (
    PrivateKey,
    generate_key,
    load_private_key,
    load_public_key,
    parse_public_key,
    save_key,
)
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, MalformedEvidence, StorageError

MAKE_ONE = "make one with: steelyard passport keygen PATH"


def test_rfc_8032_test_1() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = PrivateKey.from_seed(seed)
    assert key.public_key.raw.hex() == (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    key.public_key.verify(key.sign(b""), b"")


def test_key_id_is_the_digest_of_the_subject_public_key_info() -> None:
    key = generate_key().public_key
    # RFC 8410, section 4: a fixed prefix of twelve bytes, then the key.
    der = bytes.fromhex("302a300506032b6570032100") + key.raw
    assert key.key_id == hashlib.sha256(der).hexdigest()


def test_a_signature_of_another_key_is_refused() -> None:
    key, other = generate_key(), generate_key()
    with pytest.raises(BrokenSeal) as caught:
        other.public_key.verify(key.sign(b"x"), b"x")
    assert caught.value.message == (
        f"the signature does not verify with key {other.public_key.key_id[:16]}"
    )


def test_saved_keys_come_back(tmp_path: Path) -> None:
    key = generate_key()
    public_path = save_key(key, tmp_path / "keys" / "issuer.pem")
    assert public_path == tmp_path / "keys" / "issuer.pem.pub"
    assert load_private_key(tmp_path / "keys" / "issuer.pem").pem == key.pem
    assert load_public_key(public_path) == key.public_key
    assert (tmp_path / "keys" / "issuer.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("taken", ["issuer.pem", "issuer.pem.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    with pytest.raises(ConfigurationError) as caught:
        save_key(generate_key(), tmp_path / "issuer.pem")
    assert caught.value.message == "a file of this name exists; a key is never overwritten"
    assert caught.value.hint == "choose another name for the key"
    assert caught.value.where == str(tmp_path / taken)
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "precious"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "issuer.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        save_key(generate_key(), tmp_path / "issuer.pem")
    assert not (tmp_path / "elsewhere").exists()


def test_a_refused_write_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        save_key(generate_key(), tmp_path / "file" / "issuer.pem")


def _private_pem(key: object, passphrase: bytes | None = None) -> bytes:
    encryption = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def _public_pem(key: object) -> bytes:
    return key.public_key().public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize(
    ("pem", "message", "hint"),
    [
        (b"", "no private key in PEM form", MAKE_ONE),
        (b"\x00\xff", "no private key in PEM form", MAKE_ONE),
        (_public_pem(ed25519.Ed25519PrivateKey.generate()), "no private key in PEM form", MAKE_ONE),
        (
            _private_pem(ec.generate_private_key(ec.SECP256R1())),
            "found a key of type EC, need Ed25519",
            MAKE_ONE,
        ),
        (
            _private_pem(rsa.generate_private_key(65537, 2048)),
            "found a key of type RSA, need Ed25519",
            MAKE_ONE,
        ),
        (
            _private_pem(ed25519.Ed25519PrivateKey.generate(), b"secret"),
            "the private key is encrypted with a passphrase",
            "decrypt it first: openssl pkey -in KEY -out PLAIN",
        ),
    ],
    ids=["empty", "binary", "public", "p256", "rsa", "encrypted"],
)
def test_a_private_key_file_of_another_kind(
    tmp_path: Path, pem: bytes, message: str, hint: str
) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    with pytest.raises(ConfigurationError) as caught:
        load_private_key(path)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("pem", "message", "hint"),
    [
        (b"ssh-ed25519 AAAA", "no public key in PEM form", MAKE_ONE),
        (
            _public_pem(rsa.generate_private_key(65537, 2048)),
            "found a key of type RSA, need Ed25519",
            MAKE_ONE,
        ),
        (
            _private_pem(ed25519.Ed25519PrivateKey.generate()),
            "found a private key where a public key belongs",
            "keep it secret; give the .pub file",
        ),
    ],
    ids=["ssh", "rsa", "private"],
)
def test_a_public_key_of_another_kind(pem: bytes, message: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_public_key(pem, where="key.pub")
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.where == "key.pub"


def test_an_absent_key_file(tmp_path: Path) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        load_public_key(tmp_path / "none.pub")
    assert caught.value.message == "cannot read: No such file or directory"


def test_the_printed_form_hides_the_secret() -> None:
    key = generate_key()
    secret = key._key.private_bytes_raw()
    assert secret.hex() not in repr(key)
    assert repr(secret) not in repr(key)


def test_openssl_reads_our_key(tmp_path: Path) -> None:
    save_key(generate_key(), tmp_path / "issuer.pem")
    command = ["openssl", "pkey", "-in", str(tmp_path / "issuer.pem"), "-pubout"]
    shown = subprocess.run(command, check=True, capture_output=True)
    assert shown.stdout == (tmp_path / "issuer.pem.pub").read_bytes()
