"""What is done with sealed weights so that it leaves a record, and a request serves once.

Decides the order (spec/weights-quorum.md, section 5; spec/access-log.md): what was decided is
on disk before a caller gets a reader, a header is replaced or an answer is given, also where
the answer is no. An answer that is given once waits on disk for its record (`held_answer`).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from steelyard.attest.recipients import Identity
from steelyard.kernel import write_atomically
from steelyard.kernel.errors import Expired, NotSatisfied, SteelyardError, StorageError, UsageError
from steelyard.kernel.files import require_absent
from steelyard.weights.access_log import TEXT_LIMIT, AccessLog, Event, read_log
from steelyard.weights.held_answer import HeldAnswer, held_answer
from steelyard.weights.quorum import QuorumOpening
from steelyard.weights.sealed import AgeIdentity, TensorReader
from steelyard.weights.sealed.freshness import remember_release, require_fresh
from steelyard.weights.sealed.header import read_header
from steelyard.weights.sealed.recipients import ReleasedKey, identity_name
from steelyard.weights.sealed.rewrap import replace_header, rewrapped
from steelyard.weights.staging import SPACE_HINT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from steelyard.weights.access_log import LoggedEvent
    from steelyard.weights.quorum import Request
    from steelyard.weights.sealed import Expect, Opening, SealedHeader
    from steelyard.weights.sealed.rewrap import Rewrapping

Opener = Identity | AgeIdentity | QuorumOpening
Result = TypeVar("Result")
OPENED: Final = "opened"
REWRAPPED: Final = "rewrapped"
APPROVED: Final = "approved"
RELEASED: Final = "released"
REFUSED: Final = "refused"
_ANSWER: Final = "answer"
"""Detail of what is released: SHA-256 of it, by which one that was not given is known."""
_REASON_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """Where something is recorded, when, and for what purpose people gave."""

    log: Path
    now: datetime
    purpose: str = ""

    def __post_init__(self) -> None:
        """Refuse a purpose that no entry can hold.

        Raises:
            UsageError: too long, or unprintable.
        """
        if len(self.purpose) > TEXT_LIMIT or not self.purpose.isprintable():
            message = f"a purpose is printable text of at most {TEXT_LIMIT} characters"
            raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a custodian or a broker gives to a requester.

    Attributes:
        name: `approved`, or `released`, which a request can be once.
        header: Of the sealed weights, verified.
        request: Verified.
        who: Key id of whoever answers.
        make: The content of the answer, or a refusal.
    """

    name: str
    header: SealedHeader
    request: Request
    who: str
    make: Callable[[], bytes]


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

    def decide() -> TensorReader:
        key = _released(identity, header)
        return TensorReader(path, key, expect=expect, how=how, header=header)

    who, detail = _detail(identity, record.purpose)
    once = identity.request if isinstance(identity, QuorumOpening) else None
    return _recorded(_event(OPENED, header, who, detail), record, decide, once)


def rewrap_recorded(
    path: Path, identity: Identity | AgeIdentity, expect: Expect, change: Rewrapping,
    marks: Path, record: Record,
) -> SealedHeader:  # fmt: skip
    """Change who can open sealed weights, after a record of it; or record why not.

    Args:
        path: Folder of sealed weights.
        identity: Opens them now.
        expect: The publisher, who signs again.
        change: Who can open from now on.
        marks: File of the highest releases opened so far.
        record: Where this is recorded.

    Raises:
        SteelyardError: as `rewrapped`, or an older release than one opened before.
        StorageError: the record cannot be kept, or the disk refused; the old header is kept.
    """
    header = read_header(path, expect)

    def decide() -> tuple[SealedHeader, bytes]:
        require_fresh(marks, header, expect)
        return rewrapped(header, identity, expect, change)

    edition = {"edition": str(header.edition + 1)}
    event = _event(REWRAPPED, header, identity_name(identity), edition)
    changed, envelope = _recorded(event, record, decide)
    replace_header(path, envelope)
    remember_release(marks, changed, expect)
    return changed


def answer_recorded(answer: Answer, out: Path, record: Record) -> None:
    """Write an answer to a request into the new file `out`, after a record of it.

    One that is given once and was recorded, but not given, is given by a repetition into the
    same folder.

    Raises:
        UsageError: `out` exists; nothing is recorded.
        NotSatisfied: the answer is no, or was given before where it is given once.
        Expired: the request is over.
        CannotVerify: what it is made from was changed.
        StorageError: the record cannot be kept, or the disk refused; nothing is given.
    """
    require_absent(out)
    request = answer.request
    detail = _request_detail(request) | {"requester": request.requester}
    event = _event(answer.name, answer.header, answer.who, detail)
    if answer.name == RELEASED:
        with held_answer(out, request.digest) as held:
            if _is_recorded(held, request, record.log):
                _require_in_time(held, answer, event, record)
            else:
                _hold(held, answer, event, record)
            held.give()
        return
    data = _recorded(event, record, answer.make)
    require_absent(out)
    write_atomically(out, data, hint=SPACE_HINT)


def _hold(held: HeldAnswer, answer: Answer, event: Event, record: Record) -> None:
    """Put an answer on disk and record it; one that was not recorded does not stay."""

    def decide() -> str:
        return held.hold(answer.make())

    try:
        _recorded(event, record, decide, answer.request, lambda digest: {_ANSWER: digest})
    except (NotSatisfied, Expired, StorageError):
        held.drop()
        raise


def _require_in_time(held: HeldAnswer, answer: Answer, event: Event, record: Record) -> None:
    """Refuse to give what waits once its request is over; it waits no longer then."""
    try:
        answer.request.require_current(record.now)
    except Expired as error:
        with closing(AccessLog(record.log)) as log:
            _append_refusal(log, event, error, record)
        held.drop()
        raise


def _is_recorded(held: HeldAnswer, request: Request, log: Path) -> bool:
    """Whether the answer that waits is the one that the log says was released."""
    digest = held.digest()
    if digest is None or not log.exists():
        return False
    entry = _first_use(log, request, RELEASED)
    return entry is not None and entry.event.detail.get(_ANSWER) == digest


def _recorded(
    event: Event,
    record: Record,
    decide: Callable[[], Result],
    once: Request | None = None,
    more: Callable[[Result], dict[str, str]] = lambda _result: {},
) -> Result:
    """Decide, and have what was decided on disk; a request that serves once is looked up twice.

    Args:
        event: To record, or to name in the record of a refusal.
        record: Where and when.
        decide: Gives what was decided, or refuses.
        once: A request that may serve once.
        more: What a record says of the decision beside the details of the event.
    """
    with closing(AccessLog(record.log)) as log:
        try:
            if once is not None:
                _require_unused(record.log, once, event.name)
            result = decide()
        except SteelyardError as error:
            _append_refusal(log, event, error, record)
            raise
        head = log.append(replace(event, detail={**event.detail, **more(result)}), record.now)
        if once is not None:
            _require_unused(record.log, once, event.name, before=head.entries - 1)
    return result


def _append_refusal(log: AccessLog, event: Event, error: SteelyardError, record: Record) -> None:
    why = {**event.detail, "act": event.name, "reason": str(error)[:_REASON_LIMIT]}
    log.append(replace(event, name=REFUSED, detail=why), record.now)


def _event(name: str, header: SealedHeader, who: str, detail: dict[str, str]) -> Event:
    return Event(name, header.core.model, header.core.digest, who, detail)


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
        approvals = {"approvals": str(len(identity.approvals))}
        return identity.request.requester, _request_detail(identity.request) | approvals
    return identity_name(identity), {"purpose": purpose} if purpose else {}


def _request_detail(request: Request) -> dict[str, str]:
    return {"purpose": request.purpose, "request": request.digest, "nonce": request.nonce}


def _require_unused(log: Path, request: Request, event: str, before: int | None = None) -> None:
    """Refuse a request whose nonce served before; two at once are told apart by their entries.

    Raises:
        NotSatisfied: with the number of the entry.
    """
    if entry := _first_use(log, request, event, before):
        message = f"this request {event} the weights before, entry {entry.seq} of the log"
        raise NotSatisfied(message, hint="ask anew: steelyard weights request")


def _first_use(
    log: Path, request: Request, event: str, before: int | None = None
) -> LoggedEvent | None:
    """The first entry of what a request served for.

    Args:
        log: Where it would stand.
        request: With its nonce.
        event: `opened`, or `released` in a broker's log.
        before: Number of our own entry; None for all that there are.
    """
    for entry in read_log(log, allow_cut=True)[0][:before]:
        if entry.event.name == event and entry.event.detail.get("nonce") == request.nonce:
            return entry
    return None
