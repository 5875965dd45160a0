"""Counting approvals and putting shares together.

Decides whether a request may open the weights (spec/weights-quorum.md, section 5), and names
every approval that did not count with its reason, so that a bad share is traced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.kernel import format_instant
from steelyard.kernel.errors import BrokenSeal, NotSatisfied, SteelyardError
from steelyard.weights.quorum.approval import open_approval, require_another
from steelyard.weights.quorum.custody import HALF_BYTES, canonical_name, release_info
from steelyard.weights.quorum.request import CLOCK_TOLERANCE
from steelyard.weights.quorum.sharing import combine, require_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from steelyard.attest.recipients import Identity
    from steelyard.weights.quorum.approval import Approval
    from steelyard.weights.quorum.custody import Custodian, Custody
    from steelyard.weights.quorum.request import Request


@dataclass(frozen=True, slots=True)
class Counted:
    """Approvals that count, by custodian, and why each of the others does not."""

    approvals: dict[int, Approval]
    refused: tuple[str, ...]

    def require(self, threshold: int) -> dict[int, Approval]:
        """The first `threshold` approvals.

        Raises:
            NotSatisfied: there are fewer; the message says why each other did not count.
        """
        if len(self.approvals) < threshold:
            reasons = "; ".join(self.refused) or "no more were given"
            raise NotSatisfied(f"{len(self.approvals)} of {threshold} approvals count: {reasons}")
        return dict(list(self.approvals.items())[:threshold])


@dataclass(frozen=True, slots=True)
class QuorumOpening:
    """A request with its approvals: what opens a model in custody.

    Attributes:
        request: Verified by its requester's key.
        approvals: Envelopes, as they came.
        identity: Private half of the request's recipient.
        now: The present.
        half: The broker's half, where the custody has one.
    """

    request: Request
    approvals: Sequence[bytes]
    identity: Identity
    now: datetime
    half: bytes = b""

    def content_key(self, custody: Custody, core: bytes) -> bytes:
        """The content key, if enough custodians approved.

        Raises:
            NotSatisfied: too few approvals count; the message says why each other did not.
            Expired: the request is over.
            BrokenSeal: the request is for another model.
        """
        if self.request.subject.sha256 != core.hex():
            raise BrokenSeal("the request is for another model, or another release of it")
        if self.half and not custody.broker_half:
            message = "these weights have no broker, and a half was given"
            raise NotSatisfied(message, hint="leave out --half")
        if custody.broker_half and len(self.half) != HALF_BYTES:
            message = "this model needs the broker's half as well"
            raise NotSatisfied(message, hint="ask the broker: steelyard weights release")
        if self.identity.recipient.key_id != self.request.recipient.key_id:
            message = "the approvals are sealed to another key than the one given"
            raise NotSatisfied(message, hint="give the key that the request names")
        shares: dict[int, int] = {}

        def fits(approval: Approval) -> None:
            shares[approval.custodian] = self._share(approval, custody, core)

        counted = count_approvals(custody, self.request, self.approvals, self.now, fits)
        used = counted.require(custody.threshold)
        return custody.unwrap(combine({index: shares[index] for index in used}), self.half, core)

    def _share(self, approval: Approval, custody: Custody, core: bytes) -> int:
        info = release_info(core, bytes.fromhex(self.request.digest))
        try:
            share = int.from_bytes(self.identity.decrypt(approval.share, info), "big")
            return require_fit(share, approval.custodian, custody.commitments)
        except BrokenSeal as error:
            name = custody.custodians[approval.custodian - 1].name
            raise BrokenSeal(f"a bad share: {error.message}", where=name) from error


def count_approvals(
    custody: Custody,
    request: Request,
    approvals: Sequence[bytes],
    now: datetime,
    check: Callable[[Approval], None] = lambda _approval: None,
) -> Counted:
    """Hold every approval against request, custody and clock.

    Args:
        custody: Of the verified header.
        request: Verified.
        approvals: Envelopes.
        now: The present.
        check: A further demand; raises where an approval does not meet it.

    Raises:
        Expired: the request is over.
    """
    request.require_current(now)
    counted: dict[int, Approval] = {}
    refused: list[str] = []
    organizations: set[str] = set()
    for position, envelope in enumerate(approvals, start=1):
        try:
            approval = _require_current(open_approval(envelope, custody, request), request, now)
            custodian = custody.custodians[approval.custodian - 1]
            require_another(custody, custodian, request)
            _require_new(custodian, organizations)
            check(approval)
        except SteelyardError as error:
            refused.append(f"approval {position}: {error}")
            continue
        organizations.add(canonical_name(custodian.organization))
        counted[approval.custodian] = approval
    return Counted(counted, tuple(refused))


def _require_new(custodian: Custodian, organizations: set[str]) -> None:
    if canonical_name(custodian.organization) in organizations:
        message = f"{custodian.organization} is counted already"
        raise NotSatisfied(message, where=custodian.name)


def _require_current(approval: Approval, request: Request, now: datetime) -> Approval:
    if approval.approved + CLOCK_TOLERANCE < request.created:
        raise NotSatisfied("approved before the request was made")
    if approval.approved > now + CLOCK_TOLERANCE:
        raise NotSatisfied("approved in the future")
    if now > approval.expires or approval.expires > request.expires:
        raise NotSatisfied(f"expired {format_instant(approval.expires)}")
    return approval
