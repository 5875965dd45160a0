from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.attest import commit_transcript, derive_salt, endpoint_commitment, open_commitment
from steelyard.kernel.errors import BrokenSeal, ConfigurationError

SALT = bytes(range(32))


def test_a_commitment_is_domain_separated_sha256() -> None:
    expected = hashlib.sha256(b"steelyard/transcript/1\x00" + SALT + b"hello").hexdigest()
    assert commit_transcript(SALT, b"hello") == expected


@given(st.binary(min_size=32, max_size=32), st.binary())
def test_an_opened_commitment_gives_the_transcript(salt: bytes, transcript: bytes) -> None:
    assert open_commitment(commit_transcript(salt, transcript), salt, transcript) == transcript


@pytest.mark.parametrize(("salt", "transcript"), [(bytes(32), b"hello"), (SALT, b"hello ")])
def test_another_opening_is_refused(salt: bytes, transcript: bytes) -> None:
    commitment = commit_transcript(SALT, b"hello")
    with pytest.raises(BrokenSeal) as caught:
        open_commitment(commitment, salt, transcript)
    assert caught.value.message == (f"salt and transcript do not open commitment {commitment[:16]}")
    assert caught.value.hint == "ask the evaluator for the transcript as recorded"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_has_32_bytes(length: int) -> None:
    for commit in (
        lambda: commit_transcript(bytes(length), b"x"),
        lambda: endpoint_commitment(bytes(length), {}),
    ):
        with pytest.raises(ConfigurationError) as caught:
            commit()
        assert caught.value.message == f"a salt has exactly 32 bytes, found {length}"


def test_salts_differ_by_every_part() -> None:
    secret = bytes(32)
    parts: list[tuple[str | int, ...]] = [("a", "b", 1), ("a", "b", 2), ("ab", 1), ("a", "b1")]
    salts = {derive_salt(secret, *part) for part in parts}
    assert len(salts) == len(parts)
    assert {len(salt) for salt in salts} == {32}
    assert derive_salt(secret, "a", "b", 1) == derive_salt(secret, "a", "b", 1)


def test_a_salt_depends_on_the_secret() -> None:
    assert derive_salt(bytes(32), "a") != derive_salt(b"\x01" * 32, "a")


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        derive_salt(bytes(31), "a")
    assert caught.value.message == "a commitment secret needs at least 32 bytes, found 31"
    assert caught.value.hint == "openssl rand -out SECRET 32"


def test_an_endpoint_commitment_hides_and_binds() -> None:
    description = {"endpoint": "https://models.example/a"}
    committed = endpoint_commitment(SALT, description)
    prefix = b"steelyard/endpoint/1\x00" + SALT
    text = b'{"endpoint":"https://models.example/a"}'
    assert committed == hashlib.sha256(prefix + text).hexdigest()
    assert endpoint_commitment(bytes(32), description) != committed
