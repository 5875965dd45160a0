"""A participant's signed consent to publish what one answer of its own told.

Decides what makes a cell of a transfer matrix public (spec/reproducer.md, section Transfer):
the same key that gave the answer names that very answer. Without it nothing of a cell leaves, and
nothing is signed but consent to an answer of one's own, to the query of the case that it names.
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
from steelyard.disclosure.reproducer.query import open_answer
from steelyard.kernel import exact_instant, format_instant, sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.disclosure.reproducer.query import Query
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


def give_consent(
    answer: bytes, target: str, query: Query, key: PrivateKey, *, now: datetime
) -> bytes:
    """Consent, signed, to publish the cell of an answer of one's own to a query.

    Raises:
        BrokenSeal: no answer of this key, or none to this query.
        MalformedEvidence: breaks the schema of an answer.
        ConfigurationError: about another target.
    """
    own = key.public_key
    found = open_answer(answer, {own.key_id: own}, query)
    if found.target != target:
        message = f"the answer is about {found.target!r}, not about {target[:80]!r}"
        raise ConfigurationError(message, hint="consent to the answer that you mean")
    return sign_consent(answer, target, key, now=now)


def sign_consent(answer: bytes, target: str, key: PrivateKey, *, now: datetime) -> bytes:
    """Consent, signed, whatever the answer says; `give_consent` reads it first."""
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
