"""Opening sealed weights so that it leaves a record, and a request opens once.

Decides the order (spec/weights-quorum.md, section 5; spec/access-log.md): what was decided is
on disk before a caller gets a reader, also where the answer is no.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.attest.recipients import Identity
from steelyard.kernel.errors import NotSatisfied, SteelyardError
from steelyard.weights.access_log import AccessLog, Event, read_log
from steelyard.weights.quorum import QuorumOpening
from steelyard.weights.sealed import AgeIdentity, TensorReader
from steelyard.weights.sealed.header import read_header
from steelyard.weights.sealed.recipients import ReleasedKey, identity_name

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from steelyard.weights.quorum import Request
    from steelyard.weights.sealed import Expect, Opening, SealedHeader

Opener = Identity | AgeIdentity | QuorumOpening
OPENED: Final = "opened"
REFUSED: Final = "refused"
_REASON_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """Where an opening is recorded, when, and for what purpose people gave."""

    log: Path
    now: datetime
    purpose: str = ""


def open_recorded(
    path: Path, identity: Opener, expect: Expect, how: Opening, record: Record
) -> TensorReader:
    """Open sealed weights and record it, or record why not.

    Raises:
        NotSatisfied: this identity may not open, approvals do not suffice, or the request
            opened these weights before.
        Expired: the request is over.
        CannotVerify: not sealed, not as expected, or changed.
        StorageError: the record cannot be kept; nothing is opened.
    """
    header = read_header(path, expect)
    core = header.core
    who, detail = _detail(identity, record.purpose)
    log = AccessLog(record.log)
    try:
        try:
            if isinstance(identity, QuorumOpening):
                require_unused(record.log, identity.request, OPENED)
            reader = TensorReader(path, _released(identity, header), expect=expect, how=how)
        except SteelyardError as error:
            why = detail | {"reason": str(error)[:_REASON_LIMIT]}
            log.append(Event(REFUSED, core.model, core.digest, who, why), record.now)
            raise
        head = log.append(Event(OPENED, core.model, core.digest, who, detail), record.now)
        if isinstance(identity, QuorumOpening):
            require_unused(record.log, identity.request, OPENED, before=head.entries - 1)
    finally:
        log.close()
    return reader


def _released(identity: Opener, header: SealedHeader) -> Identity | AgeIdentity | ReleasedKey:
    if not isinstance(identity, QuorumOpening):
        return identity
    if header.custody is None:
        message = "these weights are in nobody's custody"
        raise NotSatisfied(message, hint="use a recipient's key")
    core = bytes.fromhex(header.core.digest)
    return ReleasedKey(identity.content_key(header.custody, core))


def _detail(identity: Opener, purpose: str) -> tuple[str, dict[str, str]]:
    if isinstance(identity, QuorumOpening):
        request = identity.request
        return request.requester, {
            "purpose": request.purpose,
            "request": request.digest,
            "nonce": request.nonce,
            "approvals": str(len(identity.approvals)),
        }
    return identity_name(identity), {"purpose": purpose} if purpose else {}


def require_unused(log: Path, request: Request, event: str, before: int | None = None) -> None:
    """Refuse a request whose nonce served before; two at once are told apart by their entries.

    Args:
        log: Where it would stand.
        request: With its nonce.
        event: `opened`, or `released` in a broker's log.
        before: Number of our own entry; None for all that there are.

    Raises:
        NotSatisfied: with the number of the entry.
    """
    for entry in read_log(log, allow_cut=True)[0][:before]:
        if entry.event.name == event and entry.event.detail.get("nonce") == request.nonce:
            message = f"this request {event} the weights before, entry {entry.seq} of the log"
            raise NotSatisfied(message, hint="ask anew: steelyard weights request")
