"""Custody: weights that open only when custodians of several organizations approve.

`sharing` is the arithmetic, `custody` what a header carries, `request`, `approval` and
`opening` the three steps of one opening (spec/weights-quorum.md).
"""

from steelyard.weights.quorum.approval import approve, open_approval
from steelyard.weights.quorum.custody import Custody, Member, take_into_custody
from steelyard.weights.quorum.opening import QuorumOpening
from steelyard.weights.quorum.release import open_half, release_half
from steelyard.weights.quorum.request import Request, open_request, sign_request

__all__ = [
    "Custody",
    "Member",
    "QuorumOpening",
    "Request",
    "approve",
    "open_approval",
    "open_half",
    "open_request",
    "release_half",
    "sign_request",
    "take_into_custody",
]
