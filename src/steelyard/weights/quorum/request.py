"""The request to open sealed weights once: who, what, why, until when.

Decides what a request says (spec/weights-quorum.md, section 3) and when it can no longer
be approved. Time is an argument.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from steelyard.attest import (
    Statement,
    Subject,
    open_envelope,
    predicate_type,
    sign_statement,
)
from steelyard.attest.recipients import Recipient, parse_recipient
from steelyard.kernel import check_label, exact_instant, format_instant, sha256_hex
from steelyard.kernel.errors import BrokenSeal, CannotVerify, Expired, UsageError
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from steelyard.attest import PrivateKey, PublicKey

REQUEST_KIND: Final = "opening-request"
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_LONGEST: Final = timedelta(days=7)
_NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Request:
    """A verified request.

    Attributes:
        subject: Name and core digest of the sealed model.
        requester: Key id of who signed it.
        purpose: For people.
        recipient: Key that answers are sealed to.
        nonce: Makes the request one of its kind.
        created: From when it holds.
        expires: Until when.
        digest: SHA-256 of its envelope, hex: what approvals name.
    """

    subject: Subject
    requester: str
    purpose: str
    recipient: Recipient
    nonce: str
    created: datetime
    expires: datetime
    digest: str

    def require_current(self, now: datetime) -> None:
        """Refuse a request outside its time.

        Raises:
            Expired: too late.
            CannotVerify: it lies in the future.
        """
        if now > self.expires:
            message = f"the request expired {format_instant(self.expires)}"
            raise Expired(message, hint="ask anew: steelyard weights request")
        if self.created > now + CLOCK_TOLERANCE:
            message = f"the request is of {format_instant(self.created)}, later than now"
            raise CannotVerify(message, hint="check this machine's clock")


def sign_request(
    subject: Subject, purpose: str, recipient: Recipient, until: tuple[datetime, datetime],
    key: PrivateKey,
) -> bytes:  # fmt: skip
    """Sign a request.

    Args:
        subject: Name and core digest of the sealed model.
        purpose: Why, for the custodians.
        recipient: Key that answers are sealed to.
        until: Now, and when the request expires.
        key: Of the requester.

    Raises:
        UsageError: an unprintable purpose, or a time that ends before it begins or after 7 days.
    """
    try:
        check_label(purpose)
    except ValueError as error:
        raise UsageError(f"purpose: {error}") from error
    now, expires = until
    if not now < expires <= now + _LONGEST:
        message = f"expires {format_instant(expires)}: a request lasts at most 7 days from now"
        raise UsageError(message)
    predicate = {
        "purpose": purpose,
        "recipient": recipient.pem.decode("ascii"),
        "nonce": os.urandom(_NONCE_BYTES).hex(),
        "created": format_instant(now),
        "expires": format_instant(expires),
    }
    statement = Statement((subject,), predicate_type(REQUEST_KIND), dict(predicate))
    return sign_statement(statement, key)


def open_request(envelope: bytes, key: PublicKey) -> Request:
    """Verify a request by the requester's key.

    Raises:
        BrokenSeal: another signer, changed, or no request.
    """
    statement = open_envelope(envelope, {key.key_id: key}, where=REQUEST_KIND)
    if statement.predicate_type != predicate_type(REQUEST_KIND) or len(statement.subjects) != 1:
        raise BrokenSeal("this is no request to open sealed weights", where=REQUEST_KIND)
    require_schema(statement.predicate, REQUEST_KIND, where=REQUEST_KIND)
    predicate = cast("dict[str, str]", statement.predicate)
    request = Request(
        subject=statement.subjects[0],
        requester=key.key_id,
        purpose=predicate["purpose"],
        recipient=parse_recipient(predicate["recipient"].encode(), where=REQUEST_KIND),
        nonce=predicate["nonce"],
        created=exact_instant(predicate["created"], where=REQUEST_KIND),
        expires=exact_instant(predicate["expires"], where=REQUEST_KIND),
        digest=sha256_hex(envelope),
    )
    if not request.created < request.expires <= request.created + _LONGEST:
        raise BrokenSeal("the request lasts longer than 7 days", where=REQUEST_KIND)
    return request
