"""The broker's half of a wrapping key: released for an approved request, to its requester."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel.errors import BrokenSeal, NotSatisfied
from steelyard.weights.quorum.custody import HALF_BYTES, half_info, release_info
from steelyard.weights.quorum.opening import count_approvals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.attest.recipients import Identity
    from steelyard.weights.quorum.custody import Custody
    from steelyard.weights.quorum.request import Request


def release_half(
    custody: Custody, request: Request, approvals: Sequence[bytes], broker: Identity, now: datetime
) -> bytes:
    """Seal the broker's half to a requester, if enough custodians signed.

    The broker cannot read the shares, which are sealed to the requester, so it checks every
    signature and binding, but no share.

    Args:
        custody: Of the verified header.
        request: Verified, about that header's core.
        approvals: Envelopes.
        broker: The broker's own key.
        now: The present.

    Raises:
        NotSatisfied: no broker holds a half, or too few custodians of different
            organizations approved.
        Expired: the request is over.
        BrokenSeal: this is not the broker of these weights.
    """
    if not custody.broker_half:
        message = "these weights have no broker, so there is no half to release"
        raise NotSatisfied(message, hint="approvals suffice: steelyard weights open")
    count_approvals(custody, request, approvals, now).require(custody.threshold)
    core = bytes.fromhex(request.subject.sha256)
    half = broker.decrypt(custody.broker_half, half_info(core))
    return request.recipient.encrypt(half, release_info(core, bytes.fromhex(request.digest)))


def open_half(sealed: bytes, request: Request, identity: Identity) -> bytes:
    """The half that a broker released, for the request's recipient.

    Raises:
        BrokenSeal: for another request or recipient, or changed.
    """
    core = bytes.fromhex(request.subject.sha256)
    half = identity.decrypt(sealed, release_info(core, bytes.fromhex(request.digest)))
    if len(half) != HALF_BYTES:
        raise BrokenSeal(f"a broker's half has {HALF_BYTES} bytes, found {len(half)}")
    return half
