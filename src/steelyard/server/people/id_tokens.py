"""Whether an ID token of a provider says who signs in here (OpenID Connect Core, section 3.1.3.7).

Decides over bytes, keys and an instant: which algorithms, for whom, from whom, how fresh, and in
answer to which request. Fetches nothing.
"""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import jwt

from steelyard.kernel.errors import BrokenSeal, Expired, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""All of them asymmetric: a public key is no secret to compute a MAC with."""
LEEWAY_S: Final = 60
OLDEST_S: Final = 600
_LIMIT: Final = 32_768
_FAMILIES: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
_WHERE: Final = "ID token"
_SUBJECT_LIMIT: Final = 255


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say.

    Attributes:
        nonce: That went out with the request.
    """

    issuer: str
    audience: str
    nonce: str


def verify(token: str, keys: Mapping[str, Any], expected: Expected, at: datetime) -> dict[str, Any]:
    """The claims of a token that holds.

    Args:
        token: In compact form.
        keys: The provider's JSON Web Key Set.
        expected: Issuer, audience and nonce.
        at: Now.

    Raises:
        MalformedEvidence: no token.
        BrokenSeal: another algorithm, key, issuer, audience or nonce.
        Expired: not valid now.
    """
    if len(token) > _LIMIT:
        raise MalformedEvidence("the token is too long", where=_WHERE)
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise BrokenSeal(f"signed by {str(algorithm)[:20]!r}", where=_WHERE)
        key = _key(keys, header.get("kid"), algorithm)
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=expected.audience,
            issuer=expected.issuer,
            options={
                "require": ["iss", "aud", "sub", "exp", "iat", "nonce"],
                # Times are held against the node's own clock below.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.DecodeError as error:
        raise BrokenSeal(f"the token does not verify: {error}", where=_WHERE) from error
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise BrokenSeal(f"the token is not for this: {error}", where=_WHERE) from error
    _require_claims(claims, expected)
    _require_time(claims, int(at.timestamp()))
    return claims


def _require_claims(claims: Mapping[str, Any], expected: Expected) -> None:
    subject, nonce = claims["sub"], claims["nonce"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LIMIT:
        raise MalformedEvidence("the token names nobody", where=_WHERE)
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode("utf-8", "replace"), expected.nonce.encode()
    ):
        raise BrokenSeal("the token answers another request", where=_WHERE)
    several = isinstance(claims["aud"], list) and len(cast("list[Any]", claims["aud"])) > 1
    party = claims.get("azp")
    if (several or party is not None) and party != expected.audience:
        raise BrokenSeal("the token was made for another party", where=_WHERE)


def _require_time(claims: Mapping[str, Any], now: int) -> None:
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    not_before = _time(claims, "nbf") if "nbf" in claims else issued
    if expires + LEEWAY_S <= now or now - issued > OLDEST_S:
        raise Expired("the token has expired", where=_WHERE, hint="sign in again")
    if max(issued, not_before) > now + LEEWAY_S:
        raise Expired("the token is of the future", where=_WHERE, hint="check the clocks")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MalformedEvidence(f"{name} is no time", where=_WHERE)
    return value


def _key(keys: Mapping[str, Any], name: object, algorithm: str) -> jwt.PyJWK:
    rows = keys.get("keys")
    if not isinstance(rows, list):
        raise MalformedEvidence("no keys", where="JWKS")
    objects = [
        cast("dict[str, Any]", row) for row in cast("list[Any]", rows) if isinstance(row, dict)
    ]
    found = [row for row in objects if _fits(row, name, algorithm)]
    if len(found) != 1:
        raise BrokenSeal(f"{len(found)} keys of the provider fit, need one", where=_WHERE)
    return jwt.PyJWK(found[0], algorithm=algorithm)


def _fits(row: Mapping[str, Any], name: object, algorithm: str) -> bool:
    named = name is None or row.get("kid") == name
    usable = row.get("use", "sig") == "sig" and row.get("alg", algorithm) == algorithm
    return named and usable and row.get("kty") == _FAMILIES[algorithm]
