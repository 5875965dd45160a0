"""The commitment: what the owner fixes, signed, before the first copy is handed over.

Decides how method, carriers and every recipient's chip key are bound (spec/trace-mark.md,
sections Commitment and Opening), so that no key can be chosen afterwards to fit a suspect. When
it was published is for a log or a third party to show; what a correlation means is decided in
`detection`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from steelyard.attest import Statement, Subject, open_envelope, predicate_type, sign_statement
from steelyard.kernel import (
    canonical_json,
    exact_instant,
    format_instant,
    keyed_digest,
    sha256_hex,
)
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UsageError
from steelyard.standard import check_schema, require_schema
from steelyard.weights.trace.carriers import Carrier, CarrierRule
from steelyard.weights.trace.chips import chip_key
from steelyard.weights.trace.tails import threshold

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.kernel import JsonObject

METHOD: Final = "steelyard/trace-mark/1"
STATISTIC: Final = "steelyard/trace-correlation/1"
DEFAULT_ALPHA: Final = 0.005
DEFAULT_FAMILY_ERROR: Final = 1e-9
KIND: Final = predicate_type("trace-commitment")
_RECIPIENT_DOMAIN: Final = b"steelyard/trace-recipient/1\x00"
_LAYOUT_DOMAIN: Final = b"steelyard/trace-layout/1\x00"
_ISSUER_HINT: Final = "ask the owner for the commitment as it was published"


@dataclass(frozen=True, slots=True)
class Method:
    """How copies are marked and suspects judged.

    Attributes:
        alpha: Size of a mark in standard deviations of a tensor.
        rule: Which tensors are carriers.
        family_error: Probability at most that anybody innocent is named.
        threshold: The z from which a recipient is named.
    """

    alpha: float
    rule: CarrierRule
    family_error: float
    threshold: float

    def to_json(self) -> JsonObject:
        """The method as statements carry it."""
        return {
            "id": METHOD,
            "statistic": STATISTIC,
            "alpha": self.alpha,
            "carriers": self.rule.to_json(),
            "family_error": self.family_error,
            "threshold": self.threshold,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Method:
        """The method of a document that was held against its schema."""
        alpha, error, least = (
            float(cast("float", value[key])) for key in ("alpha", "family_error", "threshold")
        )
        rule = CarrierRule.from_json(cast("JsonObject", value["carriers"]))
        return cls(alpha, rule, error, least)


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens one recipient's commitment: the secret half of the evidence.

    Attributes:
        pseudonym: Name in the commitment.
        identity: Who that is, as bound before delivery; empty where nobody was named.
        key: The chip key.
        salt: What kept the commitment from being guessed.
    """

    pseudonym: str
    identity: str
    key: bytes
    salt: bytes

    @property
    def commitment(self) -> str:
        """SHA-256 over domain, salt, and canonical JSON of key, identity and pseudonym."""
        bound = {
            "chip_key": self.key.hex(),
            "identity": self.identity,
            "pseudonym": self.pseudonym,
        }
        data = _RECIPIENT_DOMAIN + self.salt + canonical_json(bound)
        return hashlib.sha256(data).hexdigest()

    def __repr__(self) -> str:
        """Shows no key: a traceback or a log is no place for one."""
        return f"Opening({self.pseudonym!r})"


def derive_opening(secret: bytes, pseudonym: str, identity: str) -> Opening:
    """The opening of a recipient from the owner's secret."""
    salt = keyed_digest(secret, "steelyard/trace-salt/1", pseudonym)
    return Opening(pseudonym, identity, chip_key(secret, pseudonym), salt)


def layout_salt(secret: bytes) -> bytes:
    """The salt of the layout, from the owner's secret."""
    return keyed_digest(secret, "steelyard/trace-layout-salt/1")


def layout_digest(salt: bytes, carriers: tuple[Carrier, ...]) -> str:
    """Commitment to names, shapes and steps of the carriers, which tell an architecture."""
    rows = canonical_json([carrier.to_json() for carrier in carriers])
    return hashlib.sha256(_LAYOUT_DOMAIN + salt + rows).hexdigest()


@dataclass(frozen=True, slots=True)
class Commitment:
    """A verified or new commitment.

    Attributes:
        source: Name and manifest root of the unmarked model.
        method: How it is marked and judged.
        created: When, by the signer's word.
        layout: Digest of the carriers.
        recipients: Commitment of each recipient, by pseudonym.
        digest: SHA-256 of the envelope; empty before signing.
        signer: Key id; empty before signing.
    """

    source: Subject
    method: Method
    created: datetime
    layout: str
    recipients: dict[str, str]
    digest: str = ""
    signer: str = ""

    def require_opened_by(self, opening: Opening) -> Opening:
        """Check an opening against the commitment; return it.

        Raises:
            BrokenSeal: no such recipient, or another key, identity or salt.
        """
        wanted = self.recipients.get(opening.pseudonym)
        if wanted is None:
            message = f"no recipient {opening.pseudonym!r} was committed to"
            raise BrokenSeal(message, hint=_ISSUER_HINT)
        if not hmac.compare_digest(wanted, opening.commitment):
            message = f"key, identity and salt do not open the commitment of {opening.pseudonym!r}"
            raise BrokenSeal(message, hint="evidence made afterwards looks like this")
        return opening

    def require_layout(self, salt: bytes, carriers: tuple[Carrier, ...]) -> tuple[Carrier, ...]:
        """Check the carriers against the commitment; return them.

        Raises:
            BrokenSeal: other carriers, shapes or steps.
        """
        if not hmac.compare_digest(layout_digest(salt, carriers), self.layout):
            raise BrokenSeal("the carriers are not those committed to", hint=_ISSUER_HINT)
        return carriers

    def require_published(self, digest: str) -> Commitment:
        """Check that this is the commitment that was published; return it.

        Raises:
            BrokenSeal: its digest is another.
        """
        if digest != self.digest:
            message = f"the commitment has digest {self.digest[:16]}, not {digest[:16]}"
            hint = "another commitment than the published one proves nothing"
            raise BrokenSeal(message, hint=hint)
        return self

    def require_before(self, seen: datetime) -> Commitment:
        """Check that it was made before a suspect was seen; return it.

        Raises:
            BrokenSeal: it was made later.
        """
        if self.created > seen:
            message = (
                f"the commitment was made at {format_instant(self.created)}, "
                f"after the suspect was seen at {format_instant(seen)}"
            )
            hint = "keys made after a leak can be chosen to fit it"
            raise BrokenSeal(message, hint=hint)
        return self

    def to_predicate(self) -> JsonObject:
        """What is signed."""
        rows = sorted(self.recipients.items())
        return {
            "created": format_instant(self.created),
            "layout": self.layout,
            "method": self.method.to_json(),
            "recipients": [{"pseudonym": name, "commitment": digest} for name, digest in rows],
        }


def make_method(alpha: float, rule: CarrierRule, family_error: float, recipients: int) -> Method:
    """A method whose threshold follows from its error and the number of recipients.

    Raises:
        UsageError: nobody to trace.
    """
    if recipients < 1:
        raise UsageError("a commitment needs at least one recipient")
    return Method(alpha, rule, family_error, threshold(family_error, recipients))


def sign_commitment(commitment: Commitment, key: PrivateKey) -> bytes:
    """The signed envelope of a commitment; what is unfit to be verified is not signed."""
    predicate = commitment.to_predicate()
    check_schema(predicate, "trace-commitment", where="commitment")
    return sign_statement(Statement((commitment.source,), KIND, predicate), key)


def open_commitment(data: bytes, key: PublicKey, *, now: datetime, where: str) -> Commitment:
    """Verify a commitment.

    Args:
        data: The envelope.
        key: The owner's public key, from elsewhere than the commitment.
        now: The present, against which `created` is held.
        where: Name of the file in messages.

    Raises:
        BrokenSeal: another signer, another kind, or an instant to come.
        MalformedEvidence: not of the schema, a recipient twice, or a threshold that is too low
            for the error it claims.
    """
    statement = open_envelope(data, {key.key_id: key}, where=where)
    if statement.predicate_type != KIND or len(statement.subjects) != 1:
        message = f"is {statement.predicate_type!r}, not a commitment about one model"
        raise BrokenSeal(message, where=where, hint=_ISSUER_HINT)
    found = _parsed(statement, where)
    if found.created > now:
        message = f"claims to be made at {format_instant(found.created)}, which is still to come"
        raise BrokenSeal(message, where=where, hint="compare clocks with the owner")
    lowest = threshold(found.method.family_error, len(found.recipients))
    if found.method.threshold < lowest:
        message = (
            f"names from z = {found.method.threshold} on; {len(found.recipients)} recipients "
            f"at an error of {found.method.family_error} need {lowest}"
        )
        raise MalformedEvidence(message, where=where)
    return Commitment(
        found.source, found.method, found.created, found.layout, found.recipients,
        digest=sha256_hex(data), signer=key.key_id,
    )  # fmt: skip


def _parsed(statement: Statement, where: str) -> Commitment:
    predicate = statement.predicate
    require_schema(predicate, "trace-commitment", where=where)
    created = exact_instant(cast("str", predicate["created"]), where=where)
    rows = cast("list[dict[str, str]]", predicate["recipients"])
    recipients = {row["pseudonym"]: row["commitment"] for row in rows}
    if len(recipients) != len(rows):
        raise MalformedEvidence("a recipient is listed twice", where=where)
    method = Method.from_json(cast("JsonObject", predicate["method"]))
    layout = cast("str", predicate["layout"])
    return Commitment(statement.subjects[0], method, created, layout, recipients)
