"""Signed HTTP requests: one profile of RFC 9421, with Ed25519 and a digest of the body.

Decides whether a request was made by the holder of a key that the caller supplied, is fresh,
and was not made before. The profile covers method, authority, path, query and content digest
(RFC 9530) and accepts no other list, so a signature cannot cover less than it seems to. What
a key may do is decided elsewhere; time is an argument.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import BrokenSeal, Expired

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from steelyard.attest.keys import PrivateKey, PublicKey

COMPONENTS: Final = ("@method", "@authority", "@path", "@query", "content-digest")
NONCE_BYTES: Final = 16
_LABEL: Final = "sig1"
_LISTED: Final = " ".join(f'"{name}"' for name in COMPONENTS)
_INPUT: Final = re.compile(
    re.escape(f"{_LABEL}=({_LISTED})")
    + r';created=([1-9][0-9]{0,11});nonce="([0-9a-f]{32})";keyid="([0-9a-f]{64})";alg="ed25519"'
)
_SIGNATURE: Final = re.compile(re.escape(f"{_LABEL}=:") + r"([A-Za-z0-9+/]{86}==):")
_DIGEST: Final = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:")
_NONCE_LIMIT: Final = 1_000_000
_OWN_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What of a request is signed.

    Attributes:
        method: In capitals.
        authority: Host, and port unless it is the scheme's own, in lower case.
        path: Absolute, as on the wire.
        query: After the question mark, empty for none.
        body: Its bytes.
    """

    method: str
    authority: str
    path: str
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request whose signature was verified.

    Attributes:
        key_id: Of the key that signed.
        created: When, in whole seconds since 1970, by the signer's clock.
        nonce: 16 bytes in hex that no other request of the key has.
    """

    key_id: str
    created: int
    nonce: str


class ReplayGuard:
    """Remembers requests, so that none is accepted twice, also across a restart.

    A restart forgets what was seen, so requests from before it, and from the seconds after it
    that a fast clock could have signed before it, are refused. Time never runs backwards here.

    Args:
        started: When this guard began, seconds since 1970.
        window_s: How old a request may be.
        ahead_s: How far ahead of this clock a signer's clock may be.
    """

    def __init__(self, started: float, *, window_s: float = 120.0, ahead_s: float = 2.0) -> None:
        self._latest = started
        self._window_s = window_s
        self._ahead_s = ahead_s
        self._earliest = started + ahead_s
        self._seen: dict[tuple[str, str], int] = {}

    def accept(self, request: SignedRequest, now: float) -> SignedRequest:
        """Return the request the first time it is shown, while it is fresh.

        Raises:
            Expired: older than the window, or from before this guard remembers.
            BrokenSeal: signed in the future, or seen before.
        """
        self._latest = max(self._latest, now)
        oldest = self._latest - self._window_s
        if request.created < oldest:
            raise Expired(f"the request is older than {self._window_s:g} s")
        if request.created > self._latest + self._ahead_s:
            raise BrokenSeal("the request was signed in the future", hint="set the clock")
        if request.created <= self._earliest:
            message = "the request was signed before this server remembers"
            raise Expired(message, hint="sign it again")
        key = (request.key_id, request.nonce)
        if key in self._seen:
            raise BrokenSeal("this request was made before")
        if len(self._seen) >= _NONCE_LIMIT:
            self._forget(oldest)
        self._seen[key] = request.created
        return request

    def _forget(self, oldest: float) -> None:
        self._seen = {key: created for key, created in self._seen.items() if created >= oldest}
        if len(self._seen) >= _NONCE_LIMIT:
            raise BrokenSeal("too many requests to remember")


def normal_authority(authority: str, scheme: str) -> str:
    """An authority as it is signed: lower case, without the scheme's own port (section 2.2.3).

    Args:
        authority: Host, in brackets where it is an IPv6 address, and port.
        scheme: `http` or `https`.
    """
    return authority.lower().removesuffix(f":{_OWN_PORTS[scheme]}")


def signature_base(components: Iterable[tuple[str, str]], parameters: str) -> bytes:
    """The bytes that are signed (RFC 9421, section 2.5).

    Args:
        components: Names and values, in the order of the list.
        parameters: The value of the signature's entry in `Signature-Input`.
    """
    lines = [f'"{name}": {value}' for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def sign_request(
    request: HttpRequest, key: PrivateKey, *, created: int, nonce: bytes
) -> dict[str, str]:
    """The header fields that make `request` a signed one.

    Args:
        request: What is sent.
        key: The sender's.
        created: Seconds since 1970.
        nonce: 16 random bytes.
    """
    key_id = key.public_key.key_id
    parameters = (
        f'({_LISTED});created={created};nonce="{nonce.hex()}";keyid="{key_id}";alg="ed25519"'
    )
    digest = content_digest(request.body)
    signature = key.sign(signature_base(_values(request, digest), parameters))
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{_LABEL}={parameters}",
        "Signature": f"{_LABEL}=:{_encode(signature)}:",
    }


def verify_request(
    request: HttpRequest, fields: Mapping[str, str], keys: Mapping[str, PublicKey]
) -> SignedRequest:
    """Verify a request's signature; `ReplayGuard` then decides whether it is fresh.

    Args:
        request: As it was received.
        fields: Header fields by their names in lower case, each once.
        keys: Public keys by key id.

    Raises:
        BrokenSeal: not signed by this profile, by another key, or over something else.
    """
    signed = verify_head(request, fields, keys)
    if fields["content-digest"] != content_digest(request.body):
        raise BrokenSeal("the content digest is not that of the body", where="content-digest")
    return signed


def verify_head(
    request: HttpRequest, fields: Mapping[str, str], keys: Mapping[str, PublicKey]
) -> SignedRequest:
    """As `verify_request` before the body is there: who signed the digest that it is to have.

    Raises:
        BrokenSeal: not signed by this profile, by another key, or over something else.
    """
    found = _INPUT.fullmatch(fields.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(fields.get("signature", ""))
    if found is None or signature is None:
        raise BrokenSeal("the request is not signed as this server asks", where="signature-input")
    created, nonce, key_id = found.groups()
    key = keys.get(key_id)
    if key is None or key.key_id != key_id:
        raise BrokenSeal(f"signed by key {key_id[:16]}, which is not known here")
    digest = fields.get("content-digest", "")
    if _DIGEST.fullmatch(digest) is None:
        raise BrokenSeal("no content digest by SHA-256", where="content-digest")
    parameters = found[0].removeprefix(f"{_LABEL}=")
    base = signature_base(_values(request, digest), parameters)
    key.verify(base64.b64decode(signature[1]), base)
    return SignedRequest(key_id, int(created), nonce)


def content_digest(body: bytes) -> str:
    """The field `Content-Digest` of a body (RFC 9530), by SHA-256."""
    return f"sha-256=:{_encode(hashlib.sha256(body).digest())}:"


def _values(request: HttpRequest, digest: str) -> list[tuple[str, str]]:
    values = (request.method, request.authority, request.path, f"?{request.query}", digest)
    return list(zip(COMPONENTS, values, strict=True))


def _encode(data: bytes) -> str:
    return base64.standard_b64encode(data).decode("ascii")
