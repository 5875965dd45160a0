"""A participant's signed consent to publish what one answer of its own told.

Decides what makes a cell of a transfer matrix public (spec/reproducer.md, section Transfer):
the same key that gave the answer names that very answer. Without it nothing of a cell leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from steelyard.attest import (
    Statement,
    Subject,
    claimed_key_id,
    open_envelope,
    predicate_type,
    sign_statement,
)
from steelyard.kernel import exact_instant, format_instant, sha256_hex
from steelyard.kernel.errors import BrokenSeal
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.kernel import JsonObject

CONSENT_KIND: Final = "transfer-consent"


@dataclass(frozen=True, slots=True)
class Consent:
    """That the cell of one answer may be published.

    Attributes:
        answer: SHA-256 of the signed answer's bytes.
        target: The handle that it is about.
        given: When.
    """

    answer: str
    target: str
    given: datetime

    def to_json(self) -> JsonObject:
        """The consent as it is signed."""
        return {
            "answer": self.answer,
            "target": self.target,
            "given": format_instant(self.given),
        }


def sign_consent(answer: bytes, target: str, key: PrivateKey, *, now: datetime) -> bytes:
    """Consent, signed, to publish the cell of a signed answer about a target."""
    consent = Consent(sha256_hex(answer), target, now)
    subject = Subject("answer", consent.answer)
    return sign_statement(
        Statement((subject,), predicate_type(CONSENT_KIND), consent.to_json()), key
    )


def open_consent(envelope: bytes, keys: Mapping[str, PublicKey]) -> tuple[Consent, str]:
    """A consent, and the id of the known key that signed it.

    Raises:
        BrokenSeal: another key, kind or subject.
        MalformedEvidence: breaks its schema.
    """
    statement = open_envelope(envelope, keys, where=CONSENT_KIND)
    if statement.predicate_type != predicate_type(CONSENT_KIND):
        raise BrokenSeal(f"this is no {CONSENT_KIND}", where=CONSENT_KIND)
    require_schema(statement.predicate, CONSENT_KIND, where=CONSENT_KIND)
    fields: dict[str, Any] = statement.predicate
    if statement.subjects != (Subject("answer", fields["answer"]),):
        raise BrokenSeal("the subject is not the answer that it names", where=CONSENT_KIND)
    given = exact_instant(fields["given"], where=CONSENT_KIND)
    return Consent(fields["answer"], fields["target"], given), claimed_key_id(envelope)
