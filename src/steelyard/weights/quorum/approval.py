"""A custodian's approval: a share, released to one requester for one request.

Decides when a custodian's tool gives its share away, and what an approval says
(spec/weights-quorum.md, section 4). Whether approvals suffice is for `opening`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from steelyard.attest import Statement, open_envelope, predicate_type, sign_statement
from steelyard.kernel import exact_instant, format_instant
from steelyard.kernel.errors import BrokenSeal, NotSatisfied
from steelyard.standard import require_schema
from steelyard.weights.quorum.custody import canonical_name, release_info, share_info
from steelyard.weights.quorum.sharing import require_fit, to_bytes

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.attest import PrivateKey
    from steelyard.attest.recipients import Identity
    from steelyard.weights.quorum.custody import Custodian, Custody
    from steelyard.weights.quorum.request import Request

APPROVAL_KIND: Final = "opening-approval"


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval whose signature is that of the custodian it names."""

    custodian: int
    approved: datetime
    expires: datetime
    share: bytes


def approve(
    custody: Custody, request: Request, key: PrivateKey, identity: Identity, now: datetime
) -> bytes:
    """Release the share of the custodian whose keys these are, for one request.

    Args:
        custody: Of the verified header.
        request: Verified, about that header's core.
        key: Signs the approval; names the custodian.
        identity: Opens the custodian's sealed share.
        now: The present.

    Raises:
        NotSatisfied: no custodian has this key, or the requester may not be approved by it.
        Expired: the request is over.
        BrokenSeal: the share is not for this identity, or does not fit the commitments.
    """
    request.require_current(now)
    index, custodian = _own(custody, key)
    require_another(custody, custodian, request)
    core = bytes.fromhex(request.subject.sha256)
    share = int.from_bytes(identity.decrypt(custodian.share, share_info(core, index)), "big")
    require_fit(share, index, custody.commitments)
    info = release_info(core, bytes.fromhex(request.digest))
    predicate: dict[str, Any] = {
        "custodian": index,
        "request": request.digest,
        "requester": request.requester,
        "purpose": request.purpose,
        "approved": format_instant(now),
        "expires": format_instant(request.expires),
        "share": base64.b64encode(request.recipient.encrypt(to_bytes(share), info)).decode(),
    }
    statement = Statement((request.subject,), predicate_type(APPROVAL_KIND), predicate)
    return sign_statement(statement, key)


def open_approval(envelope: bytes, custody: Custody, request: Request) -> Approval:
    """Verify that an approval is by a custodian, for this request.

    Raises:
        BrokenSeal: signed by nobody of the custody or by another than it names, changed, or
            for another model, request, requester or purpose.
    """
    keys = {custodian.key.key_id: custodian.key for custodian in custody.custodians}
    statement = open_envelope(envelope, keys, where=APPROVAL_KIND)
    if statement.predicate_type != predicate_type(APPROVAL_KIND):
        raise BrokenSeal("this is no approval", where=APPROVAL_KIND)
    require_schema(statement.predicate, APPROVAL_KIND, where=APPROVAL_KIND)
    fields: dict[str, Any] = dict(statement.predicate)
    if statement.subjects != (request.subject,):
        raise BrokenSeal("the approval is of another model", where=APPROVAL_KIND)
    if fields["custodian"] > len(custody.custodians):
        raise BrokenSeal("the approval names no custodian of this model", where=APPROVAL_KIND)
    position: int = fields["custodian"]
    custodian = custody.custodians[position - 1]
    open_envelope(envelope, {custodian.key.key_id: custodian.key}, where=custodian.name)
    for name, wanted in (
        ("request", request.digest),
        ("requester", request.requester),
        ("purpose", request.purpose),
    ):
        if fields[name] != wanted:
            raise BrokenSeal(f"the approval is for another {name}", where=custodian.name)
    return Approval(
        custodian=fields["custodian"],
        approved=exact_instant(fields["approved"], where=APPROVAL_KIND),
        expires=exact_instant(fields["expires"], where=APPROVAL_KIND),
        share=base64.b64decode(fields["share"]),
    )


def require_another(custody: Custody, custodian: Custodian, request: Request) -> None:
    """Refuse a requester that is the custodian, or a custodian of its organization.

    A requester is known by the key that signed, and by the key that answers are sealed to.

    Raises:
        NotSatisfied: with the reason.
    """
    own = canonical_name(custodian.organization)
    for other in custody.custodians:
        if other.key.key_id != request.requester and other.recipient_id != request.recipient.key_id:
            continue
        if other == custodian:
            raise NotSatisfied("nobody approves a request of their own", where=custodian.name)
        if canonical_name(other.organization) == own:
            message = f"the requester is of the same organization, {other.organization}"
            raise NotSatisfied(message, where=custodian.name)


def _own(custody: Custody, key: PrivateKey) -> tuple[int, Custodian]:
    for index, custodian in enumerate(custody.custodians, start=1):
        if custodian.key == key.public_key:
            return index, custodian
    message = f"key {key.public_key.key_id[:16]} is none of this model's custodians"
    hint = "custodians: " + ", ".join(c.name for c in custody.custodians)
    raise NotSatisfied(message, hint=hint)
