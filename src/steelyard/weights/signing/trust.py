"""Whom a caller trusts to sign a model: keys, or roots of certificates.

Decides whether a bundle was signed by one of them (OMS v1.0, section 8.2). Certificate paths
are validated by the cryptography library (RFC 5280) at the instant given, so an expired signer
is told from a forged one. Revocation lists are not consulted; name short-lived certificates.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from steelyard.kernel import format_instant, read_bytes
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, Expired, MalformedEvidence
from steelyard.weights.signing.bundle import CHAIN_LIMIT, Bundle, ChainClaim, KeyClaim
from steelyard.weights.signing.keys import ModelPublicKey, parse_model_key, public_key_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime
    from pathlib import Path

_ROOTS_LIMIT_BYTES: Final = 1 << 20
# What the library raises for a certificate that it cannot read, at once or field by field.
_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, after verification.

    Attributes:
        kind: Whether a key or a certificate was trusted.
        key_id: SHA-256 of the public key's PEM.
        subject: Of the certificate (RFC 4514), empty for a key.
    """

    kind: Literal["key", "certificate"]
    key_id: str
    subject: str = ""


class Trust(Protocol):
    """Verifies the signature of a bundle."""

    def authenticate(self, bundle: Bundle, *, where: str) -> Signer:
        """The signer, or an error."""
        ...


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Trust in one of these keys."""

    keys: tuple[ModelPublicKey, ...]

    def authenticate(self, bundle: Bundle, *, where: str) -> Signer:
        """Verify with the key that the bundle names.

        Raises:
            BrokenSeal: signed by a certificate, by another key, or not by the one named.
        """
        if not isinstance(bundle.claim, KeyClaim):
            message = "signed with a certificate, a key was given"
            raise BrokenSeal(message, where=where, hint="give the root certificate: --root FILE")
        key = self._named(bundle.claim, where)
        key.verify(bundle.signature, bundle.message, where=where)
        return Signer("key", key.key_id)

    def _named(self, claim: KeyClaim, where: str) -> ModelPublicKey:
        for key in self.keys:
            if claim.hint in key.fingerprints:
                return key
            if not claim.hint and _raw_key(claim.raw, where).pem == key.pem:
                return key
        name = claim.hint[:16] if claim.hint else _raw_key(claim.raw, where).key_id[:16]
        message = f"signed by key {name!r}, which is not among the keys given"
        raise BrokenSeal(message, where=where, hint="ask the signer for the public key")


@dataclass(frozen=True, slots=True)
class TrustedRoots:
    """Trust in whoever holds a certificate below one of these roots.

    Attributes:
        roots: Self-signed certificates.
        at: Instant at which every certificate of the path must be valid.
    """

    roots: tuple[x509.Certificate, ...]
    at: datetime

    def authenticate(self, bundle: Bundle, *, where: str) -> Signer:
        """Validate the chain, then verify with the first certificate's key.

        Raises:
            BrokenSeal: signed by a bare key, no path to a root, not for signing, or a wrong
                signature.
            Expired: the signer's certificate is not valid at `at`.
            MalformedEvidence: no certificates.
        """
        if not isinstance(bundle.claim, ChainClaim):
            message = "signed with a key, a root certificate was given"
            raise BrokenSeal(message, where=where, hint="give the public key: --key FILE")
        with _readable(where):
            chain = [x509.load_der_x509_certificate(der) for der in bundle.claim.certificates]
            _require_valid(chain[0], self.at, where)
            self._require_path(chain, where)
            _require_signing(chain[0], where)
            try:
                key = public_key_of(chain[0].public_key(), where=where)
            except ConfigurationError as error:
                raise BrokenSeal(error.message, where=where) from error
            subject = chain[0].subject.rfc4514_string()
        key.verify(bundle.signature, bundle.message, where=where)
        return Signer("certificate", key.key_id, subject)

    def _require_path(self, chain: Sequence[x509.Certificate], where: str) -> None:
        # What a signer's certificate may be used for is checked apart, as the library's
        # ready-made policies know only web servers and their clients.
        verifier = (
            verification.PolicyBuilder()
            .store(verification.Store(list(self.roots)))
            .time(self.at)
            .max_chain_depth(CHAIN_LIMIT)
            .extension_policies(
                ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(),
                ee_policy=verification.ExtensionPolicy.permit_all(),
            )
            .build_client_verifier()
        )
        try:
            verifier.verify(chain[0], list(chain[1:]))
        except verification.VerificationError as error:
            detail = str(error).splitlines()[0][:200]
            message = f"no valid path to a trusted root: {detail}"
            raise BrokenSeal(message, where=where, hint="give the signer's root: --root") from error


@contextmanager
def _readable(where: str) -> Generator[None]:
    """Say so where a certificate cannot be read.

    Raises:
        MalformedEvidence: it cannot.
    """
    try:
        yield
    except _UNREADABLE as error:
        raise MalformedEvidence("not an X.509 certificate", where=where) from error


def _raw_key(raw: bytes, where: str) -> ModelPublicKey:
    try:
        return parse_model_key(raw, where=where)
    except ConfigurationError as error:
        raise MalformedEvidence(error.message, where=where) from error


def _require_valid(certificate: x509.Certificate, at: datetime, where: str) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= at <= last:
        message = (
            f"the signer's certificate is valid from {format_instant(first)} to "
            f"{format_instant(last)}, not at {format_instant(at)}"
        )
        raise Expired(message, where=where, hint="ask the signer to sign anew")


def _require_signing(certificate: x509.Certificate, where: str) -> None:
    extensions = {one.oid: one.value for one in certificate.extensions}
    usage = extensions.get(ExtensionOID.KEY_USAGE)
    extended = extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if isinstance(usage, x509.KeyUsage) and usage.digital_signature:
        return
    if isinstance(extended, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.CODE_SIGNING in extended:
        return
    message = "the certificate is for neither digital signatures nor code signing"
    raise BrokenSeal(message, where=where)


def load_roots(paths: Sequence[Path]) -> tuple[x509.Certificate, ...]:
    """Certificates of PEM files.

    Raises:
        ConfigurationError: a file without a certificate.
    """
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            found += x509.load_pem_x509_certificates(
                read_bytes(path, limit_bytes=_ROOTS_LIMIT_BYTES)
            )
        except _UNREADABLE as error:
            raise ConfigurationError("no certificate in PEM form", where=str(path)) from error
    return tuple(found)
