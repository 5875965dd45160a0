"""Commitments to transcripts: binding now, revealing nothing until opened.

Decides how a transcript is fixed in a record (spec/statements.md, section
Commitments). The salt is what keeps short transcripts from being guessed, so
it always has 32 bytes. Who may ask for an opening is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from steelyard.kernel import keyed_digest
from steelyard.kernel.errors import BrokenSeal, ConfigurationError

SALT_BYTES: Final = 32
_TRANSCRIPT_DOMAIN: Final = b"steelyard/transcript/1\x00"
_SALT_DOMAIN: Final = "steelyard/salt/1"


def derive_salt(secret: bytes, *parts: str | int) -> bytes:
    """The salt of one sample: `keyed_digest` of a label and its key parts under a secret.

    Args:
        secret: The run's salt secret, 32 bytes: `keyed_digest` of the label
            `steelyard/salt-secret/1` under the seed text, which the evaluator keeps.
        parts: The sample's key: model, protocol, item, arm, epoch.

    Raises:
        ConfigurationError: the secret is shorter than 32 bytes.
    """
    if len(secret) < SALT_BYTES:
        message = f"a commitment secret needs at least {SALT_BYTES} bytes, found {len(secret)}"
        raise ConfigurationError(message, hint="openssl rand -out SECRET 32")
    return keyed_digest(secret, _SALT_DOMAIN, *parts)


def commit_transcript(salt: bytes, transcript: bytes) -> str:
    """SHA-256 over domain, salt and transcript, lower hex.

    Raises:
        ConfigurationError: the salt has not exactly 32 bytes.
    """
    require_salt(salt)
    return hashlib.sha256(_TRANSCRIPT_DOMAIN + salt + transcript).hexdigest()


def open_commitment(commitment: str, salt: bytes, transcript: bytes) -> bytes:
    """Check an opened commitment; return the transcript it was made over.

    Raises:
        BrokenSeal: salt and transcript do not give the commitment.
    """
    if not hmac.compare_digest(commit_transcript(salt, transcript), commitment):
        message = f"salt and transcript do not open commitment {commitment[:16]}"
        raise BrokenSeal(message, hint="ask the evaluator for the transcript as recorded")
    return transcript


def require_salt(salt: bytes) -> None:
    """Refuse a salt of another length than 32 bytes.

    Raises:
        ConfigurationError: with the length found.
    """
    if len(salt) != SALT_BYTES:
        message = f"a salt has exactly {SALT_BYTES} bytes, found {len(salt)}"
        raise ConfigurationError(message)
