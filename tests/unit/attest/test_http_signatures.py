from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from steelyard.attest import PrivateKey
from steelyard.attest.http_signatures import (
    COMPONENTS,
    HttpRequest,
    ReplayGuard,
    SignedRequest,
    content_digest,
    sign_request,
    signature_base,
    verify_request,
)
from steelyard.kernel.errors import BrokenSeal, Expired

KEY = PrivateKey.from_seed(bytes(range(32)))
OTHER = PrivateKey.from_seed(bytes(32))
KEYS = {KEY.public_key.key_id: KEY.public_key}
REQUEST = HttpRequest("POST", "broker.example:8766", "/v1/grants", "a=1", b"body")
NONCE = bytes(range(16))
NOW = 1_800_000_000


def signed(request: HttpRequest = REQUEST, key: PrivateKey = KEY) -> dict[str, str]:
    fields = sign_request(request, key, created=NOW, nonce=NONCE)
    return {name.lower(): value for name, value in fields.items()}


def test_the_base_is_that_of_the_published_ed25519_example() -> None:
    # RFC 9421, appendix B.2.6: key test-key-ed25519, components, parameters and signature.
    components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]
    parameters = (
        '("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    key = load_der_public_key(
        base64.b64decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
    )
    signature = (
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )
    base = signature_base(components, parameters)
    assert key.verify(base64.b64decode(signature), base) is None  # type: ignore[call-arg,union-attr]


def test_a_content_digest_is_that_of_the_published_example() -> None:
    # RFC 9421, section B.2: the digest of {"hello": "world"} by SHA-256, as RFC 9530 writes it.
    assert content_digest(b'{"hello": "world"}') == (
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    )


def test_a_signed_request_is_verified() -> None:
    assert verify_request(REQUEST, signed(), KEYS) == SignedRequest(
        KEY.public_key.key_id, NOW, NONCE.hex()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"authority": "other.example"},
        {"path": "/v1/other"},
        {"query": "a=2"},
        {"query": ""},
    ],
)
def test_nothing_that_is_covered_can_be_changed(change: dict[str, str]) -> None:
    with pytest.raises(BrokenSeal) as caught:
        verify_request(replace(REQUEST, **change), signed(), KEYS)
    name = KEY.public_key.key_id[:16]
    assert caught.value.message == f"the signature does not verify with key {name}"


def test_another_body_is_refused() -> None:
    with pytest.raises(BrokenSeal, match="the content digest is not that of the body"):
        verify_request(replace(REQUEST, body=b"other"), signed(), KEYS)


@pytest.mark.parametrize("digest", ["", "sha-512=:AAAA:", "sha-256=:\ud800:", "sha-256=:AAAA:\n"])
def test_what_is_no_digest_of_a_body_is_refused_before_the_signature(digest: str) -> None:
    with pytest.raises(BrokenSeal, match="no content digest by SHA-256"):
        verify_request(REQUEST, {**signed(), "content-digest": digest}, KEYS)


def test_an_unknown_key_is_refused_and_a_borrowed_id_does_not_help() -> None:
    with pytest.raises(BrokenSeal, match="which is not known here"):
        verify_request(REQUEST, signed(key=OTHER), KEYS)
    wrong = {KEY.public_key.key_id: OTHER.public_key}
    with pytest.raises(BrokenSeal, match="which is not known here"):
        verify_request(REQUEST, signed(), wrong)


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("signature-input", ' "content-digest"', ""),
        ("signature-input", '"@path" "@query"', '"@query" "@path"'),
        ("signature-input", "ed25519", "hmac-sha256"),
        ("signature-input", ";created=", ";expires=1;created="),
        ("signature-input", "sig1=", "sig2="),
        ("signature-input", "sig1=", "sig0=();created=1, sig1="),
        ("signature", ":", ""),
        ("signature", "sig1=:", "sig1=:A"),
    ],
)
def test_any_other_form_is_refused(field: str, old: str, new: str) -> None:
    fields = signed()
    assert old in fields[field]
    fields[field] = fields[field].replace(old, new, 1)
    with pytest.raises(BrokenSeal) as caught:
        verify_request(REQUEST, fields, KEYS)
    assert caught.value.message == "the request is not signed as this server asks"


def test_an_unsigned_request_is_refused() -> None:
    with pytest.raises(BrokenSeal, match="the request is not signed as this server asks"):
        verify_request(REQUEST, {}, KEYS)
    assert len(COMPONENTS) == 5


def made(created: int, nonce: str = "00" * 16, key_id: str = "ab" * 32) -> SignedRequest:
    return SignedRequest(key_id, created, nonce)


def test_a_request_counts_once() -> None:
    guard = ReplayGuard(NOW - 100.0)
    first = made(NOW)
    assert guard.accept(first, NOW) == first
    with pytest.raises(BrokenSeal, match="this request was made before"):
        guard.accept(first, NOW + 1)
    guard.accept(made(NOW, "01" * 16), NOW)
    guard.accept(made(NOW, key_id="cd" * 32), NOW)


@pytest.mark.parametrize(
    ("created", "error", "message"),
    [
        (NOW - 121, Expired, "the request is older than 120 s"),
        (NOW + 3, BrokenSeal, "the request was signed in the future"),
        (NOW - 99, Expired, "the request was signed before this server remembers"),
    ],
)
def test_only_fresh_requests_count(created: int, error: type[Exception], message: str) -> None:
    guard = ReplayGuard(NOW - 101.0)
    with pytest.raises(error, match=message):
        guard.accept(made(created), NOW)


def test_a_restart_does_not_open_the_door_to_what_was_made_before() -> None:
    made_ahead = made(NOW + 2)
    ReplayGuard(NOW - 100.0).accept(made_ahead, NOW)
    with pytest.raises(Expired, match="before this server remembers"):
        ReplayGuard(NOW + 0.5).accept(made_ahead, NOW + 1)


def test_a_clock_that_is_set_back_does_not_make_old_requests_fresh() -> None:
    guard = ReplayGuard(NOW - 1000.0)
    guard.accept(made(NOW), NOW)
    with pytest.raises(Expired):
        guard.accept(made(NOW - 200, "02" * 16), NOW - 200)
