"""Counting approvals and putting shares together.

Decides whether a request may open the weights (spec/weights-quorum.md, section 5), and names
every approval that did not count with its reason, so that a bad share is traced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.kernel import format_instant
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, NotSatisfied
from steelyard.weights.quorum.approval import open_approval, require_another
from steelyard.weights.quorum.custody import HALF_BYTES, release_info
from steelyard.weights.quorum.request import CLOCK_TOLERANCE
from steelyard.weights.quorum.sharing import combine, require_fit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.attest.recipients import Identity
    from steelyard.weights.quorum.custody import Custody
    from steelyard.weights.quorum.request import Request


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of the approvals.

    Attributes:
        shares: Share by custodian, of those that count.
        names: Those custodians' names.
        refused: Why each of the others did not count.
    """

    shares: dict[int, int]
    names: tuple[str, ...]
    refused: tuple[str, ...]


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
        if bool(custody.broker_half) != (len(self.half) == HALF_BYTES):
            message = "this model needs the broker's half as well"
            raise NotSatisfied(message, hint="ask the broker to release it for this request")
        counted = self.count(custody, core)
        if len(counted.shares) < custody.threshold:
            reasons = "; ".join(counted.refused) or "no more were given"
            message = f"{len(counted.shares)} of {custody.threshold} approvals count: {reasons}"
            raise NotSatisfied(message)
        used = dict(list(counted.shares.items())[: custody.threshold])
        return custody.unwrap(combine(used), self.half, core)

    def count(self, custody: Custody, core: bytes) -> Counted:
        """Hold every approval against request, custody and clock.

        Raises:
            Expired: the request is over.
        """
        self.request.require_current(self.now)
        shares: dict[int, int] = {}
        refused: list[str] = []
        organizations: set[str] = set()
        for position, envelope in enumerate(self.approvals, start=1):
            try:
                index, share = self._share(envelope, custody, core)
            except (BrokenSeal, MalformedEvidence, NotSatisfied) as error:
                refused.append(f"approval {position}: {error}")
                continue
            custodian = custody.custodians[index - 1]
            if custodian.organization in organizations:
                already = f"{custodian.organization} is counted already"
                refused.append(f"approval {position}: {already}")
                continue
            organizations.add(custodian.organization)
            shares[index] = share
        names = tuple(custody.custodians[index - 1].name for index in shares)
        return Counted(shares, names, tuple(refused))

    def _share(self, envelope: bytes, custody: Custody, core: bytes) -> tuple[int, int]:
        approval = open_approval(envelope, custody, self.request)
        custodian = custody.custodians[approval.custodian - 1]
        require_another(custody, custodian, self.request.requester)
        if not self.request.created <= approval.approved + CLOCK_TOLERANCE:
            raise NotSatisfied("approved before the request was made", where=custodian.name)
        if approval.approved > self.now + CLOCK_TOLERANCE:
            raise NotSatisfied("approved in the future", where=custodian.name)
        if self.now > approval.expires or approval.expires > self.request.expires:
            message = f"expired {format_instant(approval.expires)}"
            raise NotSatisfied(message, where=custodian.name)
        info = release_info(core, bytes.fromhex(self.request.digest))
        try:
            share = int.from_bytes(self.identity.decrypt(approval.share, info), "big")
            return approval.custodian, require_fit(share, approval.custodian, custody.commitments)
        except BrokenSeal as error:
            raise BrokenSeal(f"a bad share: {error.message}", where=custodian.name) from error
