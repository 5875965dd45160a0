"""A provider of identities (OpenID Connect), asked over connections that were checked.

Decides where the provider's documents may lie: at the issuer's host or one that the settings
name, at a public address, without a redirect. What a token says is for `id_tokens`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, urlencode, urlsplit

import httpx

from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, TargetUnreachable
from steelyard.server.node.addresses import AddressDenied, NameUnknown, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT_BYTES: Final = 256 * 1024
_TIMEOUT_S: Final = 10.0
_KNOWN: Final = "/.well-known/openid-configuration"
_HINT: Final = "tell who runs this node"
_OK: Final = 200
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class Client:
    """What this node is to its provider.

    Attributes:
        issuer: The provider, exactly as its tokens name it.
        secret: Empty for a client without one.
        hosts: Where else its endpoints may lie.
        allow_private: Whether it may lie on loopback, in a private network or at plain HTTP.
    """

    issuer: str
    id: str
    secret: str = field(repr=False)
    scope: str = "openid profile"
    hosts: tuple[str, ...] = ()
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt to sign in.

    Attributes:
        state: Comes back with the answer.
        nonce: Comes back in the token.
        verifier: Of PKCE (RFC 7636); only its digest goes out.
        redirect: Where the answer is to come.
    """

    state: str
    nonce: str
    verifier: str
    redirect: str

    @property
    def challenge(self) -> str:
        """The digest of the verifier, as PKCE's S256."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def discover(client: Client) -> Mapping[str, str]:
    """The provider's endpoints.

    Raises:
        ConfigurationError: an issuer or endpoint that is not used.
        TargetUnreachable, MalformedEvidence: it does not answer as a provider.
    """
    found = await _json(client, "GET", f"{client.issuer.rstrip('/')}{_KNOWN}")
    if found.get("issuer") != client.issuer:
        raise ConfigurationError("the provider calls itself another issuer", hint=_HINT)
    endpoints = {name: found.get(name) for name in _ENDPOINTS}
    for name, url in endpoints.items():
        if not isinstance(url, str):
            raise MalformedEvidence(f"the provider names no {name}", hint=_HINT)
        _require_host(client, url)
    return cast("dict[str, str]", endpoints)


def address(client: Client, endpoints: Mapping[str, str], request: Request) -> str:
    """Where a browser is sent to sign in."""
    query = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": request.redirect,
        "scope": client.scope,
        "state": request.state,
        "nonce": request.nonce,
        "code_challenge": request.challenge,
        "code_challenge_method": "S256",
    }
    endpoint = endpoints["authorization_endpoint"]
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


async def redeem(
    client: Client, endpoints: Mapping[str, str], request: Request, code: str
) -> tuple[str, Mapping[str, Any]]:
    """The ID token that a code stands for, and the provider's keys.

    Raises:
        TargetUnreachable, MalformedEvidence: the provider refuses, or answers otherwise.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": request.redirect,
        "code_verifier": request.verifier,
        "client_id": client.id,
    }
    answer = await _json(client, "POST", endpoints["token_endpoint"], form)
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise MalformedEvidence("the provider gave no ID token", hint=_HINT)
    return token, await _json(client, "GET", endpoints["jwks_uri"])


def _require_host(client: Client, url: str) -> None:
    host = urlsplit(url).hostname or ""
    allowed = {urlsplit(client.issuer).hostname, *client.hosts}
    if host not in allowed:
        raise ConfigurationError(f"an endpoint lies at another host: {host[:80]}", hint=_HINT)


async def _json(
    client: Client, method: str, url: str, form: Mapping[str, str] | None = None
) -> dict[str, Any]:
    try:
        return parse_json_object(await _bytes(client, method, url, form), where="provider")
    except (NameUnknown, AddressDenied, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        message = f"the provider cannot be asked: {type(error).__name__}"
        raise TargetUnreachable(message, hint="try again, or use a key") from error


async def _bytes(client: Client, method: str, url: str, form: Mapping[str, str] | None) -> bytes:
    target = await resolve(url, allow_private=client.allow_private)
    headers = {"Host": target.host, "Accept": "application/json"}
    if form is not None and client.secret:
        pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    async with (
        httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False) as session,
        session.stream(
            method,
            target.url,
            data=dict(form) if form is not None else None,
            headers=headers,
            extensions=target.extensions,
        ) as response,
    ):
        data = b""
        async for part in response.aiter_bytes():
            data += part
            if len(data) > _LIMIT_BYTES:
                raise MalformedEvidence("the provider says too much", hint=_HINT)
    if response.status_code != _OK:
        message = f"the provider refuses: {response.status_code}"
        raise TargetUnreachable(message, hint="sign in again")
    return data
