from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from steelyard.attest import (
    PAYLOAD_TYPE,
    PrivateKey,
    Statement,
    Subject,
    claimed_key_id,
    open_envelope,
    parse_public_key,
    predicate_type,
    sign_statement,
)
from steelyard.attest.envelope import pre_authentication_encoding
from steelyard.kernel.errors import BrokenSeal

VECTORS = sorted((Path(__file__).parents[3] / "spec/vectors/dsse").glob("*.json"))
KEY = PrivateKey.from_seed(bytes(range(32)))
STATEMENT = Statement(
    (Subject("example/scale-1", "ab" * 32),),
    predicate_type("model-identity"),
    {"model": "example/scale-1"},
)


def test_pre_authentication_encoding_is_the_example_of_the_dsse_protocol() -> None:
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_pre_authentication_encoding_counts_bytes_not_characters() -> None:
    assert (
        pre_authentication_encoding("\u00e9", "\u00e9".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xa9"
    )


def test_an_opened_envelope_gives_back_the_statement() -> None:
    envelope = sign_statement(STATEMENT, KEY)
    keys = {KEY.public_key.key_id: KEY.public_key}
    assert open_envelope(envelope, keys) == STATEMENT
    assert claimed_key_id(envelope) == KEY.public_key.key_id


def test_signing_twice_gives_equal_bytes() -> None:
    assert sign_statement(STATEMENT, KEY) == sign_statement(STATEMENT, KEY)


def test_a_key_under_a_foreign_id_is_refused() -> None:
    envelope = sign_statement(STATEMENT, KEY)
    other = PrivateKey.from_seed(bytes(32)).public_key
    with pytest.raises(BrokenSeal) as caught:
        open_envelope(envelope, {KEY.public_key.key_id: other})
    assert caught.value.message == (
        f"the key given as {KEY.public_key.key_id[:16]} is {other.key_id[:16]}"
    )


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    key = parse_public_key(vector["key"].encode(), where=path.name)
    keys = {key.key_id: key}
    data = vector["envelope"].encode()
    if vector["expect"].get("ok"):
        assert open_envelope(data, keys).subjects[0].name == "example/scale-1"
        return
    with pytest.raises(BrokenSeal) as caught:
        open_envelope(data, keys)
    error = caught.value
    found = {
        "error": type(error).__name__,
        "where": error.where,
        "message": error.message,
        "hint": error.hint,
    }
    assert found == vector["expect"]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 20


def test_securesystemslib_verifies_our_envelope() -> None:
    document = json.loads(sign_statement(STATEMENT, KEY))
    signature = document["signatures"][0]
    theirs = SSlibKey(
        signature["keyid"], "ed25519", "ed25519", {"public": KEY.public_key.raw.hex()}
    )
    accepted = Envelope.from_dict(document).verify([theirs], 1)
    assert list(accepted) == [KEY.public_key.key_id]


def test_we_open_what_securesystemslib_signed() -> None:
    theirs = SSlibKey(
        KEY.public_key.key_id, "ed25519", "ed25519", {"public": KEY.public_key.raw.hex()}
    )
    envelope = Envelope(STATEMENT.to_bytes(), PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(KEY._key, theirs))
    data = json.dumps(envelope.to_dict()).encode()
    assert open_envelope(data, {KEY.public_key.key_id: KEY.public_key}) == STATEMENT
