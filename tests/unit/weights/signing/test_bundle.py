from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.kernel.errors import CannotVerify, MalformedEvidence
from steelyard.weights.signing import bundle as bundle_module
from steelyard.weights.signing import open_signature, resource_names
from steelyard.weights.signing.bundle import Bundle, ChainClaim, KeyClaim, parse_bundle

from .models import KEY, TRUST, encoded, resigned

PAYLOAD = b'{"a":1}'
BUNDLE = Bundle(KeyClaim("ab" * 32, b""), PAYLOAD, b"signature")
Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> bytes:
    value = json.loads(BUNDLE.to_bytes())
    change(value)
    return json.dumps(value).encode()


def test_a_bundle_is_read_as_written() -> None:
    assert parse_bundle(BUNDLE.to_bytes()) == BUNDLE
    chained = Bundle(ChainClaim((b"leaf", b"above")), PAYLOAD, b"signature")
    assert parse_bundle(chained.to_bytes()) == chained


def test_what_is_signed_is_the_pre_authentication_encoding() -> None:
    assert BUNDLE.message == b'DSSEv1 28 application/vnd.in-toto+json 7 {"a":1}'


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (lambda v: v["dsseEnvelope"]["signatures"][0].pop("keyid"), BUNDLE.claim),
        (lambda v: v["dsseEnvelope"]["signatures"][0].update(keyid=None), BUNDLE.claim),
        (lambda v: v["verificationMaterial"].pop("tlogEntries"), BUNDLE.claim),
        (
            lambda v: v["verificationMaterial"].update(
                publicKey={"rawBytes": encoded(b"pem"), "keyDetails": "PKIX_ECDSA_P384_SHA_384"}
            ),
            KeyClaim("", b"pem"),
        ),
    ],
)
def test_what_older_signers_wrote_is_accepted(change: Change, claim: KeyClaim) -> None:
    assert parse_bundle(changed(change)).claim == claim


def test_log_entries_are_said_to_be_unchecked() -> None:
    data = changed(lambda v: v["verificationMaterial"].update(tlogEntries=[{"logIndex": "1"}]))
    assert parse_bundle(data).unchecked == ("tlogEntries",)


def _material(**fields: object) -> Change:
    return lambda value: value.update(verificationMaterial=fields)


def _envelope(**fields: object) -> Change:
    return lambda value: value["dsseEnvelope"].update(fields)


SIG = {"sig": "AAAA", "keyid": ""}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda v: v.update(mediaType="application/json"),
            (
                "media type is 'application/json', need "
                "'application/vnd.dev.sigstore.bundle.v0.3+json'"
            ),
        ),
        (
            lambda v: v.update(messageSignature={}),
            (
                "bundle has the fields ['dsseEnvelope', 'mediaType', 'verificationMaterial'], "
                "found ['dsseEnvelope', 'mediaType', 'messageSignature', 'verificationMaterial']"
            ),
        ),
        (lambda v: v.update(verificationMaterial=[]), "expected an object"),
        (
            _material(publicKey={"hint": "a"}, x509CertificateChain={}),
            (
                "need one of ['certificate', 'publicKey', 'x509CertificateChain'], found "
                "['publicKey', 'x509CertificateChain']"
            ),
        ),
        (
            _material(),
            "need one of ['certificate', 'publicKey', 'x509CertificateChain'], found []",
        ),
        (
            _material(certificate={"rawBytes": "AAAA"}, tlogEntries=[{}]),
            "signed by Sigstore keyless signing (Fulcio certificate, Rekor log)",
        ),
        (_material(publicKey={}), "a public key is named by hint or rawBytes"),
        (_material(publicKey={"hint": 7}), "a public key is named by hint or rawBytes"),
        (_material(publicKey={"hint": "a"}, tlogEntries={}), "tlogEntries has the wrong type"),
        (_material(x509CertificateChain={}), "a chain has certificates, nothing else"),
        (
            _material(x509CertificateChain={"certificates": []}),
            "a chain has 1 to 8 certificates, found 0",
        ),
        (
            _material(x509CertificateChain={"certificates": [{"rawBytes": "AAAA"}] * 9}),
            "a chain has 1 to 8 certificates, found 9",
        ),
        (
            _envelope(payloadType="text/plain"),
            "payload type is 'text/plain', need 'application/vnd.in-toto+json'",
        ),
        (_envelope(signatures=[]), "an envelope carries exactly one signature, found 0"),
        (_envelope(signatures=[SIG, SIG]), "an envelope carries exactly one signature, found 2"),
        (_envelope(signatures=None), "an envelope carries exactly one signature, found no list"),
        (
            _envelope(signatures=[{"sig": "AAAA", "keyid": 7}]),
            "a signature has the field sig, and a keyid that is empty or null",
        ),
        (
            _envelope(signatures=[{"sig": "AAAA", "keyid": "ab" * 32}]),
            "a signature has the field sig, and a keyid that is empty or null",
        ),
        (
            _envelope(signatures=[{"sig": "AAAA", "extra": 1}]),
            "a signature has the field sig, and a keyid that is empty or null",
        ),
        (_envelope(payload="AAAA\n"), "this is not base64"),
        (_envelope(payload="__8="), "this is not base64"),
        (_envelope(payload="AAB="), "this is not in canonical base64"),
        (_envelope(payload=""), "expected base64 text of reasonable length"),
    ],
)
def test_a_bundle_that_is_none_is_refused(change: Change, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_bundle(changed(change))
    assert caught.value.message == message


def test_keyless_signing_says_what_to_do_instead() -> None:
    change = _material(certificate={"rawBytes": "AAAA"})
    with pytest.raises(MalformedEvidence) as caught:
        parse_bundle(changed(change))
    assert caught.value.hint == (
        "not supported: verify with `model_signing verify sigstore`, or sign with a key"
    )


def test_a_duplicate_key_is_refused() -> None:
    data = BUNDLE.to_bytes().replace(b'"dsseEnvelope"', b'"mediaType":"x","dsseEnvelope"')
    with pytest.raises(MalformedEvidence, match="duplicate key 'mediaType'"):
        parse_bundle(data)


def test_deep_nesting_is_refused() -> None:
    data = b'{"mediaType":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(MalformedEvidence, match="not strict JSON"):
        parse_bundle(data)


def test_a_huge_bundle_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "BUNDLE_LIMIT_BYTES", 64)
    data = BUNDLE.to_bytes()
    with pytest.raises(MalformedEvidence) as caught:
        parse_bundle(data)
    assert caught.value.message == f"a bundle has at most 64 bytes, found {len(data)}"


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    with pytest.raises(CannotVerify):
        parse_bundle(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**54) | st.text(max_size=6) | st.just("AAAA"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = st.sampled_from(
    ["mediaType", "verificationMaterial", "dsseEnvelope", "payload", "signatures", "publicKey"]
)


@given(PLACES, JSON)
def test_no_value_anywhere_in_a_bundle_is_mishandled(place: str, value: object) -> None:
    document = json.loads(BUNDLE.to_bytes())
    for part in (document, document["verificationMaterial"], document["dsseEnvelope"]):
        if place in part:
            part[place] = value
    with pytest.raises(CannotVerify):
        open_signature(json.dumps(document).encode(), TRUST)


STATEMENT_PLACES = st.sampled_from(["subject", "predicate", "resources", "serialization", "name"])


@given(STATEMENT_PLACES, JSON)
def test_no_signed_value_anywhere_in_a_statement_is_mishandled(place: str, value: object) -> None:
    resource: dict[str, object] = {"name": "a", "digest": "ab" * 32, "algorithm": "sha256"}
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    predicate: dict[str, object] = {"resources": [resource], "serialization": serialization}
    statement: dict[str, object] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "m", "digest": {"sha256": "ab" * 32}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": predicate,
    }
    for part in (statement, predicate, resource):
        if place in part:
            part[place] = value
    bundle = resigned(statement, KEY)
    with pytest.raises(CannotVerify):
        resource_names(bundle)
