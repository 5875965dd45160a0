"""ID tokens that a provider signed and that hold what no token should.

The attacker has the provider sign times that never come, or texts that cannot be written. It is
not signed in, and is told that the token does not hold; the victim's node does not fail.
"""

from __future__ import annotations

import json
import os
import random
import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from tests.unit.disclosure.abuse.hostile import bent, damaged

from steelyard.kernel.errors import SteelyardError
from steelyard.server.people.id_tokens import Expected, verify

SECONDS = float(os.environ.get("STEELYARD_FUZZ_SECONDS", "1"))
AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
NOW = int(AT.timestamp())
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = {"keys": [{**json.loads(OKPAlgorithm.to_jwk(KEY.public_key())), "kid": "k"}]}
WANTED = Expected("https://id.example", "node", "n" * 64)
CLAIMS: dict[str, Any] = {
    "iss": WANTED.issuer, "aud": "node", "sub": "ann", "nonce": WANTED.nonce, "iat": NOW,
    "exp": NOW + 300,
}  # fmt: skip


def token(claims: Any) -> str:  # noqa: ANN401 - whatever a provider signs
    payload = json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, KEY, algorithm="EdDSA", headers={"kid": "k"})


def is_taken(text: str, keys: Any = KEYS) -> bool:  # noqa: ANN401 - whatever a provider serves
    try:
        return verify(text, keys, WANTED, AT)["sub"] == "ann"
    except SteelyardError:
        return False


@pytest.mark.parametrize(
    "changed",
    [{"exp": float("nan")}, {"iat": float("nan")}, {"exp": float("inf")}, {"nbf": float("-inf")},
     {"nonce": "\ud800"}, {"nonce": ["n" * 64]}, {"sub": ""}, {"sub": ["ann"]}, {"exp": True}],
)  # fmt: skip
def test_times_that_never_come_and_texts_that_are_none_are_refused(changed: Any) -> None:  # noqa: ANN401
    assert is_taken(token(CLAIMS))
    with pytest.raises(SteelyardError):
        verify(token({**CLAIMS, **changed}), KEYS, WANTED, AT)


def test_a_token_bent_or_damaged_is_refused_in_our_words() -> None:
    drawn, good, refused = random.Random("tokens"), token(CLAIMS), 0  # noqa: S311
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        refused += not is_taken(token(bent(CLAIMS, drawn)))
        refused += not is_taken(damaged(good.encode(), drawn).decode("latin-1"))
        refused += not is_taken(good, bent(KEYS, drawn))
    assert refused > 3
