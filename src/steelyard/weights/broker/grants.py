"""Grants: two approvers of two organizations let one principal load a whole model.

Decides whether signed statements make a grant (spec/broker.md, section 4), and whether they are
a review that lifts an alarm. Nobody approves their own request, or that of their organization.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from steelyard.attest import (
    Statement,
    Subject,
    claimed_key_id,
    open_envelope,
    predicate_type,
    sign_statement,
)
from steelyard.kernel import digest_json, exact_instant, format_instant, parse_json_object
from steelyard.kernel.errors import BrokenSeal, Expired, MalformedEvidence, NotSatisfied
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.kernel import JsonObject

GRANT_KIND: Final = "broker-grant"
APPROVERS_NEEDED: Final = 2
GRANT_LIMIT_DAYS: Final = 7

Purpose = Literal["full-load", "review"]


@dataclass(frozen=True, slots=True)
class Approver:
    """Who may approve, and for which organization."""

    name: str
    organization: str
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Grant:
    """What is granted.

    Attributes:
        purpose: A full load by one principal, or a review of everybody's budgets.
        model: Name of the model.
        artifact: Core digest of its sealed weights, hex.
        principal: Key id of who may load; empty for a review.
        issued: When.
        expires: Until when, at most seven days later.
        nonce: 16 random bytes in hex.
    """

    purpose: Purpose
    model: str
    artifact: str
    principal: str
    issued: datetime
    expires: datetime
    nonce: str

    def to_json(self) -> JsonObject:
        """The predicate."""
        return {
            "purpose": self.purpose,
            "principal": self.principal,
            "issued": format_instant(self.issued),
            "expires": format_instant(self.expires),
            "nonce": self.nonce,
        }

    @property
    def digest(self) -> str:
        """By what a request names it: digest of model, artifact and predicate."""
        return digest_json({"model": self.model, "artifact": self.artifact, **self.to_json()})

    def approve(self, key: PrivateKey) -> bytes:
        """An approval: the statement in its envelope."""
        subject = Subject(self.model, self.artifact)
        statement = Statement((subject,), predicate_type(GRANT_KIND), self.to_json())
        return sign_statement(statement, key)


def open_grant(
    envelopes: Sequence[bytes],
    approvers: Mapping[str, Approver],
    organizations: Mapping[str, str],
    now: datetime,
) -> Grant:
    """Verify approvals of one grant.

    Args:
        envelopes: One approval each.
        approvers: By key id.
        organizations: Of principals, by key id.
        now: The instant.

    Raises:
        BrokenSeal: not signed by an approver, or of different grants.
        Expired: not valid at `now`.
        NotSatisfied: too few organizations, or the principal's own approved.
    """
    keys = {key_id: approver.key for key_id, approver in approvers.items()}
    grants: set[Grant] = set()
    signers: list[Approver] = []
    for number, data in enumerate(envelopes, 1):
        grant, key_id = _opened(data, keys, f"approval {number}")
        grants.add(grant)
        signers.append(approvers[key_id])
    if len(grants) != 1:
        raise BrokenSeal(f"the approvals are of {len(grants)} grants, need one", where="grant")
    grant = grants.pop()
    _require_valid(grant, now)
    own = organizations.get(grant.principal)
    if grant.purpose == "full-load" and own is None:
        raise NotSatisfied("the principal is not known here", where="grant")
    counted = {
        one.organization
        for one in signers
        if one.organization != own and one.key.key_id != grant.principal
    }
    if len(counted) < APPROVERS_NEEDED:
        message = (
            f"approved by {len(counted)} organizations other than the principal's, "
            f"need {APPROVERS_NEEDED}"
        )
        raise NotSatisfied(message, where="grant")
    return grant


def read_unverified(data: bytes, *, where: str) -> Grant:
    """What an approval says, for an approver to read before agreeing; nobody's word yet.

    Raises:
        BrokenSeal: it approves no grant.
        MalformedEvidence: not an envelope, or it breaks the schema.
    """
    payload = parse_json_object(data, where=where).get("payload", "")
    try:
        decoded = base64.b64decode(str(payload), validate=True)
    except ValueError as error:
        raise MalformedEvidence("the payload is not base64", where=where) from error
    return _grant(Statement.from_bytes(decoded, where=where), where)


def _opened(data: bytes, keys: Mapping[str, PublicKey], where: str) -> tuple[Grant, str]:
    key_id = claimed_key_id(data, where=where)
    return _grant(open_envelope(data, keys, where=where), where), key_id


def _grant(statement: Statement, where: str) -> Grant:
    if statement.predicate_type != predicate_type(GRANT_KIND) or len(statement.subjects) != 1:
        raise BrokenSeal("this approves no grant", where=where)
    require_schema(statement.predicate, GRANT_KIND, where=where)
    fields: dict[str, Any] = dict(statement.predicate)
    subject = statement.subjects[0]
    issued, expires = (exact_instant(fields[key], where=where) for key in ("issued", "expires"))
    purpose, principal, nonce = (fields[key] for key in ("purpose", "principal", "nonce"))
    return Grant(purpose, subject.name, subject.sha256, principal, issued, expires, nonce)


def _require_valid(grant: Grant, now: datetime) -> None:
    length_s = (grant.expires - grant.issued).total_seconds()
    if not 0 < length_s <= GRANT_LIMIT_DAYS * 86_400:
        raise BrokenSeal(f"a grant lasts at most {GRANT_LIMIT_DAYS} days", where="grant")
    if not grant.issued <= now < grant.expires:
        message = (
            f"the grant is valid from {format_instant(grant.issued)} to "
            f"{format_instant(grant.expires)}, not at {format_instant(now)}"
        )
        raise Expired(message, where="grant")
