from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from steelyard.kernel.errors import BrokenSeal, ConfigurationError, Expired, MalformedEvidence
from steelyard.weights.signing import (
    ModelPrivateKey,
    TrustedKeys,
    TrustedRoots,
    generate_model_key,
    load_roots,
    open_signature,
    sign_model,
)
from steelyard.weights.signing.bundle import Bundle, ChainClaim

from .models import KEY, TRUST, encoded, make_model, sign_to

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Authority:
    """A certificate authority of a test: root, one below it, and signers."""

    def __init__(self, name: str = "Root") -> None:
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.middle_key = ec.generate_private_key(ec.SECP256R1())
        issuer = (name, self.root_key)
        self.root = _certificate(name, self.root_key, issuer, usage="authority")
        self.middle = _certificate(f"{name} Signing", self.middle_key, issuer, usage="authority")
        self._name = f"{name} Signing"

    def signer(
        self, key: ec.EllipticCurvePrivateKey, *, days: int = 30, usage: str = "signature"
    ) -> tuple[x509.Certificate, ...]:
        issuer = (self._name, self.middle_key)
        leaf = _certificate("Weights of Example", key, issuer, days=days, usage=usage)
        return (leaf, self.middle)


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[str, ec.EllipticCurvePrivateKey],
    *,
    days: int = 365,
    usage: str = "signature",
    path_length: int | None = None,
) -> x509.Certificate:
    issuer_name, issuer_key = issuer
    is_authority = usage == "authority"
    names = (subject, issuer_name)
    named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in names]
    builder = (
        x509.CertificateBuilder()
        .subject_name(named[0])
        .issuer_name(named[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + days * DAY)
        .add_extension(x509.BasicConstraints(is_authority, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=usage == "signature",
                key_agreement=usage in {"agreement", "code"},
                key_cert_sign=is_authority,
                content_commitment=False, key_encipherment=False, data_encipherment=False,
                crl_sign=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if usage == "code":
        extended = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(extended, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def signed(
    model: Path, chain: tuple[x509.Certificate, ...], key: ec.EllipticCurvePrivateKey
) -> bytes:
    return sign_model(model, ModelPrivateKey(key), certificates=chain).bundle


@pytest.mark.parametrize("usage", ["signature", "code"])
def test_a_chain_up_to_a_trusted_root_is_accepted(
    authority: Authority, model: Path, usage: str
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    data = signed(model, authority.signer(key, usage=usage), key)
    found = open_signature(data, TrustedRoots((authority.root,), NOW))
    assert found.signer.kind == "certificate"
    assert found.signer.subject == "CN=Weights of Example"
    assert found.covered == {"config.json", "model.safetensors", "tokenizer/vocab.txt"}


def test_another_root_is_not_trusted(authority: Authority, model: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = signed(model, authority.signer(key), key)
    with pytest.raises(BrokenSeal, match="no valid path to a trusted root: "):
        open_signature(data, TrustedRoots((Authority().root,), NOW))


def test_a_chain_with_a_gap_is_refused(authority: Authority, model: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = signed(model, authority.signer(key)[:1], key)
    with pytest.raises(BrokenSeal, match="no valid path to a trusted root: "):
        open_signature(data, TrustedRoots((authority.root,), NOW))


def test_a_signer_below_a_certificate_that_is_no_authority_is_refused(
    authority: Authority, model: Path
) -> None:
    honest, attacker = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    leaf, middle = authority.signer(honest)
    forged = _certificate("Weights of Example", attacker, ("Weights of Example", honest))
    data = signed(model, (forged, leaf, middle), attacker)
    with pytest.raises(BrokenSeal, match="no valid path to a trusted root: "):
        open_signature(data, TrustedRoots((authority.root,), NOW))


@pytest.mark.parametrize("days", [-2, 31])
def test_a_certificate_outside_its_dates_is_expired(
    authority: Authority, model: Path, days: int
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = signed(model, authority.signer(key), key)
    with pytest.raises(Expired) as caught:
        open_signature(data, TrustedRoots((authority.root,), NOW + days * DAY))
    assert caught.value.message.startswith(
        "the signer's certificate is valid from 2026-05-31T00:00:00Z to 2026-07-01T00:00:00Z, not"
    )


def test_a_certificate_for_another_use_is_refused(authority: Authority, model: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = signed(model, authority.signer(key, usage="agreement"), key)
    with pytest.raises(BrokenSeal) as caught:
        open_signature(data, TrustedRoots((authority.root,), NOW))
    assert caught.value.message == (
        "the certificate is for neither digital signatures nor code signing"
    )


def test_a_certificate_does_not_lend_its_name_to_another_key(
    authority: Authority, model: Path
) -> None:
    honest, attacker = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = authority.signer(honest)
    with pytest.raises(ConfigurationError, match="not the signing key"):
        signed(model, chain, attacker)
    document = json.loads(sign_model(model, ModelPrivateKey(attacker)).bundle)
    document["verificationMaterial"] = {
        "x509CertificateChain": {
            "certificates": [{"rawBytes": encoded(one.public_bytes(Encoding.DER))} for one in chain]
        }
    }
    with pytest.raises(BrokenSeal, match="the signature does not verify with key"):
        open_signature(json.dumps(document).encode(), TrustedRoots((authority.root,), NOW))


def test_a_method_is_not_taken_for_the_other(authority: Authority, model: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(BrokenSeal) as caught:
        open_signature(signed(model, authority.signer(key), key), TRUST, where="s")
    assert str(caught.value) == "s: signed with a certificate, a key was given"
    with pytest.raises(BrokenSeal) as caught:
        open_signature(
            sign_model(model, KEY).bundle, TrustedRoots((authority.root,), NOW), where="s"
        )
    assert str(caught.value) == "s: signed with a key, a root certificate was given"


def test_bytes_that_are_no_certificate_are_refused(authority: Authority, model: Path) -> None:
    document = json.loads(sign_model(model, KEY).bundle)
    document["verificationMaterial"] = {
        "x509CertificateChain": {"certificates": [{"rawBytes": "AAAA"}]}
    }
    with pytest.raises(MalformedEvidence, match=r"not an X\.509 certificate"):
        open_signature(json.dumps(document).encode(), TrustedRoots((authority.root,), NOW))


def _replaced(model: Path, certificates: list[bytes]) -> bytes:
    document = json.loads(sign_model(model, KEY).bundle)
    chain = [{"rawBytes": encoded(one)} for one in certificates]
    document["verificationMaterial"] = {"x509CertificateChain": {"certificates": chain}}
    return json.dumps(document).encode()


@pytest.mark.parametrize("place", [0, 1])
def test_a_certificate_of_an_unknown_version_is_refused(
    authority: Authority, model: Path, place: int
) -> None:
    chain = authority.signer(ec.generate_private_key(ec.SECP256R1()))
    der = [one.public_bytes(Encoding.DER) for one in chain]
    # The version, an explicit tag around an INTEGER 2 (RFC 5280, section 4.1.2.1).
    der[place] = der[place].replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    with pytest.raises(MalformedEvidence, match=r"not an X\.509 certificate"):
        open_signature(_replaced(model, der), TrustedRoots((authority.root,), NOW))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_certificate_damaged_anywhere_is_refused_and_breaks_nothing(
    authority: Authority,
) -> None:
    chain = authority.signer(ec.generate_private_key(ec.SECP256R1()))
    leaf, middle = (one.public_bytes(Encoding.DER) for one in chain)
    trust = TrustedRoots((authority.root,), NOW)
    for place in range(len(leaf)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(leaf)
            damaged[place] ^= change
            with pytest.raises((BrokenSeal, MalformedEvidence, Expired)):
                trust.authenticate(
                    Bundle(ChainClaim((bytes(damaged), middle)), b"{}", b"x"), where="s"
                )


def test_an_authority_outside_its_dates_or_depth_leads_nowhere(model: Path) -> None:
    short = Authority("Short")
    key = ec.generate_private_key(ec.SECP256R1())
    for fault in ({"days": 1}, {"path_length": 0}):
        top = {"path_length": 0} if "path_length" in fault else {}
        issuer = ("Short", short.root_key)
        root = _certificate("Short", short.root_key, issuer, usage="authority", **top)
        days = fault.get("days", 365)
        middle = _certificate("Middle", short.middle_key, issuer, usage="authority", days=days)
        leaf = _certificate("Weights of Example", key, ("Middle", short.middle_key))
        data = signed(model, (leaf, middle), key)
        at = NOW + 2 * DAY
        with pytest.raises(BrokenSeal, match="no valid path to a trusted root: "):
            open_signature(data, TrustedRoots((root,), at))
    assert (
        open_signature(
            signed(model, short.signer(key), key), TrustedRoots((short.root,), NOW + 2 * DAY)
        ).signer.subject
        == "CN=Weights of Example"
    )


def test_a_signer_straight_below_the_root_needs_nothing_between(
    authority: Authority, model: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = _certificate("Weights of Example", key, ("Root", authority.root_key))
    found = open_signature(signed(model, (leaf,), key), TrustedRoots((authority.root,), NOW))
    assert found.signer.kind == "certificate"


def test_a_key_may_be_named_by_its_der_form(model: Path) -> None:
    document = json.loads(sign_model(model, KEY).bundle)
    hint = hashlib.sha256(KEY.public_key.der).hexdigest()
    document["verificationMaterial"]["publicKey"]["hint"] = hint
    assert hint != KEY.public_key.key_id
    found = open_signature(json.dumps(document).encode(), TRUST)
    assert found.signer.key_id == KEY.public_key.key_id


def test_an_unknown_key_is_named(model: Path) -> None:
    other = generate_model_key("p256")
    with pytest.raises(BrokenSeal) as caught:
        open_signature(sign_model(model, other).bundle, TRUST)
    assert caught.value.message == (
        f"signed by key {other.public_key.key_id[:16]!r}, which is not among the keys given"
    )


def test_a_borrowed_hint_does_not_help(model: Path) -> None:
    other = generate_model_key("p256")
    document = json.loads(sign_model(model, other).bundle)
    document["verificationMaterial"]["publicKey"]["hint"] = KEY.public_key.key_id
    with pytest.raises(BrokenSeal, match="the signature does not verify with key"):
        open_signature(json.dumps(document).encode(), TRUST)


def test_an_embedded_key_is_compared_and_never_trusted(model: Path) -> None:
    document = json.loads(sign_model(model, KEY).bundle)
    for key, accepted in ((KEY, True), (generate_model_key("p256"), False)):
        raw = encoded(key.public_key.pem)
        document["verificationMaterial"] = {"publicKey": {"rawBytes": raw}}
        data = json.dumps(document).encode()
        if accepted:
            assert open_signature(data, TRUST).signer.key_id == KEY.public_key.key_id
        else:
            with pytest.raises(BrokenSeal, match="which is not among the keys given"):
                open_signature(data, TRUST)


def test_one_of_several_keys_is_enough(model: Path) -> None:
    keys = [generate_model_key(kind) for kind in ("p256", "p384", "p521", "ed25519")]
    trust = TrustedKeys(tuple(key.public_key for key in keys))
    for key in keys:
        found = open_signature(sign_to(model, key=key).read_bytes(), trust)
        assert found.signer.key_id == key.public_key.key_id


def test_roots_are_read_from_pem_files(authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    path.write_bytes(authority.root.public_bytes(Encoding.PEM))
    assert load_roots([path]) == (authority.root,)
    path.write_text("nothing", "utf-8")
    with pytest.raises(ConfigurationError, match="no certificate in PEM form"):
        load_roots([path])
