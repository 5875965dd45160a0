from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from steelyard.kernel.errors import BrokenSeal, ConfigurationError
from steelyard.weights.signing import (
    generate_model_key,
    load_model_key,
    load_model_private_key,
    save_model_key,
)
from steelyard.weights.signing.keys import KeyKind, parse_model_key

KINDS: tuple[KeyKind, ...] = get_args(KeyKind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_signs_and_its_public_half_verifies(kind: KeyKind, tmp_path: Path) -> None:
    key = generate_model_key(kind)
    public = load_model_key(save_model_key(key, tmp_path / "key.pem"))
    read = load_model_private_key(tmp_path / "key.pem")
    assert public == read.public_key == key.public_key
    assert public.kind == kind
    public.verify(read.sign(b"message"), b"message", where="w")
    with pytest.raises(BrokenSeal) as caught:
        public.verify(read.sign(b"message"), b"massage", where="w")
    assert str(caught.value) == f"w: the signature does not verify with key {public.key_id[:16]}"


def test_openssl_verifies_what_a_key_signs(tmp_path: Path) -> None:
    key = generate_model_key("p384")
    save_model_key(key, tmp_path / "key.pem")
    (tmp_path / "message").write_bytes(b"message")
    (tmp_path / "sig").write_bytes(key.sign(b"message"))
    done = subprocess.run(
        ["openssl", "dgst", "-sha384", "-verify", "key.pem.pub", "-signature", "sig", "message"],  # noqa: S607
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "Verified OK\n"


def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    save_model_key(generate_model_key("p256"), path)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError) as caught:
        save_model_key(generate_model_key("p256"), path)
    assert caught.value.message == "a file of this name exists; a key is never overwritten"
    assert path.read_bytes() == before


def test_a_link_in_the_way_of_a_key_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        save_model_key(generate_model_key("p256"), tmp_path / "key.pem")
    assert not (tmp_path / "elsewhere").exists()


def test_a_passphrase_is_needed_right_and_not_needless(tmp_path: Path) -> None:
    locked, plain = tmp_path / "locked.pem", tmp_path / "plain.pem"
    key = generate_model_key("p256")
    save_model_key(key, locked, b"correct horse")
    save_model_key(key, plain)
    assert load_model_private_key(locked, b"correct horse").public_key == key.public_key
    for path, given, message, hint in (
        (locked, None, "the private key is encrypted with a passphrase",
         "give --passphrase-file FILE"),
        (locked, b"wrong", "wrong passphrase", ""),
        (plain, b"any", "the private key has no passphrase", "leave --passphrase-file out"),
    ):  # fmt: skip
        with pytest.raises(ConfigurationError) as caught:
            load_model_private_key(path, given)
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_other_algorithms_are_refused_by_name(tmp_path: Path) -> None:
    rsa_key = rsa.generate_private_key(65537, 2048)
    curve = ec.generate_private_key(ec.SECP256K1())
    for key, name in ((rsa_key, "RSA"), (curve, "secp256k1")):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(ConfigurationError) as caught:
            parse_model_key(pem, where="key")
        assert caught.value.message == (
            f"found a key of type {name}, need P-256, P-384, P-521 or Ed25519"
        )
    path = tmp_path / "rsa.pem"
    path.write_bytes(rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigurationError, match="found a key of type RSA"):
        load_model_private_key(path)


def test_a_secret_given_as_a_public_key_is_refused(tmp_path: Path) -> None:
    save_model_key(generate_model_key("p256"), tmp_path / "key.pem")
    with pytest.raises(ConfigurationError) as caught:
        load_model_key(tmp_path / "key.pem")
    assert caught.value.message == "found a private key where a public key belongs"
    with pytest.raises(ConfigurationError, match="no public key in PEM form"):
        parse_model_key(b"nothing", where="key")


def test_the_printed_form_of_a_private_key_shows_no_secret() -> None:
    key = generate_model_key("p256")
    secret = key.to_pem().decode().splitlines()[1]
    assert secret not in repr(key)
