"""A small provider of identities on loopback: the code flow with PKCE, and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
CLIENT, SECRET = "steelyard", "a:b c"


@dataclass
class Provider:
    """What it says, and how it can be made to lie.

    Attributes:
        claims: Changes of the claims; None takes one out.
        sign: Makes the token of claims, in the place of RS256 with its key.
        document: Changes of the discovery document.
        codes: Codes that were not redeemed, with what they are for.
    """

    issuer: str
    now: Callable[[], datetime]
    claims: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] | None = None
    document: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            **self.document,
        }

    def authorize(self, address: str) -> str:
        """What the provider answers to a browser that it has signed in: the way back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = urlsplit(asked["redirect_uri"]).path
        return f"{back}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, asked: dict[str, str]) -> str:
        at = int(self.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.issuer, "aud": CLIENT, "sub": "u-1", "exp": at + 300, "iat": at,
            "nonce": asked["nonce"], "name": "Olu", "groups": ["staff"], **self.claims,
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        if self.sign is not None:
            return self.sign(kept)
        return jwt.encode(kept, KEY, "RS256", headers={"kid": "k1"})

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form["code"], None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if asked is None or pair != "steelyard:a%3Ab%20c":
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"id_token": self.token(asked), "token_type": "Bearer", "access_token": "x"}


def public_jwk() -> dict[str, Any]:
    made = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return {**made, "kid": "k1", "use": "sig", "alg": "RS256"}


def by_none(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, "none", headers={"kid": "k1"})


def by_public_key_as_secret(claims: dict[str, Any]) -> str:
    """HS256 under the bytes of the public key, which libraries once took."""
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": "k1"}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, claims)
    ]
    mac = hmac.new(pem, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def by_another_key(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, OTHER_KEY, "RS256", headers={"kid": "k1"})


def by_an_unknown_name(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEY, "RS256", headers={"kid": "k2"})


def by_a_key_of_its_own(claims: dict[str, Any]) -> str:
    """The key in the header of the token itself."""
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_KEY.public_key()))
    return jwt.encode(claims, OTHER_KEY, "RS256", headers={"kid": "k2", "jwk": jwk})


@contextmanager
def provider(now: Callable[[], datetime]) -> Iterator[Provider]:
    """A provider that listens while the block runs."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            made.seen.append(path)
            documents = {
                "/.well-known/openid-configuration": made.discovery(),
                "/jwks": {"keys": [public_jwk()]},
            }
            self._say(path, 200, documents.get(path, {}))

        def do_POST(self) -> None:
            made.seen.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, told = made.redeem(form, self.headers.get("authorization", ""))
            self._say(self.path, status, told)

        def _say(self, path: str, status: int, told: dict[str, Any]) -> None:
            headers: dict[str, str] = {}
            data = json.dumps(told).encode()
            if path in made.answers:
                status, headers, data = made.answers[path]
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made = Provider(f"http://127.0.0.1:{server.server_port}", now)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
