"""What a node does with a parcel: open it, take it once, or say why not.

Decides which kind of parcel leads where (spec/disclosure-node.md, section 4). A parcel
that was taken is remembered with what became of it, so that a second delivery changes nothing;
one that cannot be taken is kept as a dead letter with the reason. Who is not in a case is answered
alike whether the case is here or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from steelyard.disclosure.case.event import claimed_event
from steelyard.disclosure.delivery.framing import HYBRID
from steelyard.disclosure.delivery.parcel import open_parcel
from steelyard.disclosure.delivery.sealed_object import object_id, recipients_of
from steelyard.kernel import format_instant
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    NotSatisfied,
    SteelyardError,
    StorageError,
)
from steelyard.server.node import (
    faults,
    following,
    heads,
    limits,
    missing,
    ordering,
    ownership,
    recovering,
    saying,
    witnessing,
)
from steelyard.server.node.letters import (
    ASK,
    ENTRIES,
    EVENT,
    FAULT,
    FETCH,
    HEAD,
    OBJECT,
    RECOVERY,
    REFUSED,
    VOTE,
    body_of,
    read_entries,
)
from steelyard.server.storage import cases, objects, post
from steelyard.server.storage import followers as following_rows
from steelyard.server.storage.objects import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from steelyard.disclosure.delivery.parcel import Parcel
    from steelyard.server.node.node import Node

Result = Literal["taken", "known", "refused"]
RECENT: Final = timedelta(days=90)
"""How long after it was made a parcel is taken, and known again."""
AHEAD: Final = timedelta(days=1)
"""How far ahead the clock of who made it may be."""
REMEMBERED: Final = RECENT + 2 * AHEAD
"""How long what came is remembered: a parcel that is forgotten is no longer taken."""
NOT_HERE: Final = "there is nothing here, or not for you"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a parcel.

    Attributes:
        result: `known` for one that was taken before.
        reason: Why it was refused.
    """

    parcel_id: str
    sender: str
    result: Result
    reason: str = ""


def receive(node: Node, connection: Connection, data: bytes) -> Outcome:
    """Take a parcel.

    Raises:
        MalformedEvidence, NotSatisfied, BrokenSeal: it cannot be opened, or its sender is
            unknown, or it is too old: nothing of it is kept.
        StorageError: the disk refused, or what it is about cannot be verified here; it may be
            sent again.
    """
    signed = open_parcel(
        data, node.identity.receiver, lambda sender: node.parcel_keys(connection, sender)
    )
    node.require_spoke(connection, signed)
    _require_recent(node, signed.parcel)
    parcel, name = signed.parcel, signed.parcel_id
    node.chains.find_or_put_off(connection, _case(parcel))
    before = post.received(connection, name)
    if before is not None:
        # Answered as it was the first time, as that answer may have been lost.
        outcome, reason = before
        result = "refused" if outcome == "refused" else "known"
        return Outcome(name, parcel.sender, result, _told(node, connection, parcel, reason))
    savepoint = connection.begin_nested()
    try:
        _take(node, connection, parcel)
    except StorageError:
        savepoint.rollback()
        raise
    except SteelyardError as error:
        # What a fault or an early entry has left stands; a half-taken change does not.
        if isinstance(error, BrokenSeal):
            savepoint.commit()
        else:
            savepoint.rollback()
        node.chains.drop(parcel.case or "")
        _remember(node, connection, parcel, name, "refused", str(error))
        return Outcome(name, parcel.sender, "refused", _told(node, connection, parcel, str(error)))
    savepoint.commit()
    _remember(node, connection, parcel, name, "taken", "")
    return Outcome(name, parcel.sender, "taken")


def _require_recent(node: Node, parcel: Parcel) -> None:
    """Refuse a parcel of a time of which nothing is remembered: it may have come before.

    Raises:
        NotSatisfied: made too long ago, or ahead of the clock here.
    """
    if not -AHEAD <= node.now() - parcel.made <= RECENT:
        raise NotSatisfied(
            f"a parcel made at {format_instant(parcel.made)} is not taken now",
            where=parcel.kind,
            hint=f"parcels are taken for {RECENT.days} days; ask its sender for what it said",
        )


def _take(node: Node, connection: Connection, parcel: Parcel) -> None:
    body = body_of(parcel)
    _TAKERS[parcel.kind](node, connection, parcel, body)


def _ask(node: Node, connection: Connection, parcel: Parcel, body: dict[str, Any]) -> None:
    _require_member(node, connection, parcel)
    missing.answer(node, connection, _case(parcel), parcel.sender, body)


def _entries(node: Node, connection: Connection, parcel: Parcel, _body: dict[str, Any]) -> None:
    entries = read_entries(parcel.attachments[0])
    note = parcel.attachments[1] if len(parcel.attachments) > 1 else None
    following.take_entries(node, connection, _case(parcel), parcel.sender, entries, note)


def _event(node: Node, connection: Connection, parcel: Parcel, _body: dict[str, Any]) -> None:
    case, envelope = _case(parcel), parcel.attachments[0]
    _require_own(parcel, claimed_event(envelope).author)
    if parcel.sender not in node.chains.get(connection, case).view.members:
        raise NotSatisfied("the author is not in this case", where=EVENT)
    ordering.take_event(node, connection, case, envelope)
    chain = node.chains.get(connection, case)
    if claimed_event(envelope).seen_size > chain.size:
        heads.fetch(node, connection, case, parcel.sender, chain.size)


def _fetch(node: Node, connection: Connection, parcel: Parcel, body: dict[str, Any]) -> None:
    case = _case(parcel)
    _require_member(node, connection, parcel)
    chain = node.chains.get(connection, case)
    if chain.view.host == parcel.sender:
        recovering.answer_host(node, connection, case, body["size"])
    elif chain.view.host != node.organization:
        recovering.lend(node, connection, case, parcel.sender, body["size"])
    else:
        following_rows.add(connection, case, [parcel.sender])
        following_rows.queue(connection, case, parcel.sender, min(body["size"], chain.size))


def _head(node: Node, connection: Connection, parcel: Parcel, body: dict[str, Any]) -> None:
    case = _case(parcel)
    _require_member(node, connection, parcel)
    chain = node.chains.get(connection, case)
    if chain.view.host == node.organization and body["size"] > chain.size:
        heads.fetch(node, connection, case, parcel.sender, chain.size)
    elif chain.view.host == node.organization:
        ordering.answer_head(node, connection, case, parcel.sender, body["size"])
    for note in parcel.attachments:
        witnessing.take_note(node, connection, case, parcel.sender, note)


def _object(node: Node, connection: Connection, parcel: Parcel, body: dict[str, Any]) -> None:
    sealed, name = parcel.attachments[0], body["id"]
    if object_id(sealed) != name:
        raise BrokenSeal("the object is another than it is said to be", where=OBJECT)
    case = _case(parcel)
    chain = node.chains.find(connection, case)
    if chain is not None:
        if parcel.sender not in chain.view.members:
            return  # let go; where it belongs here after all, it is asked for later
        _require_member(node, connection, parcel)
        known = chain.view.payloads.get(name)
        if known is not None and node.organization not in known.recipients:
            raise NotSatisfied("the case does not name this organization as its reader")
    before = objects.find(connection, name)
    if before is None:
        limits.require_room_for_object(node.limits, connection, case, parcel.sender, len(sealed))
    else:
        _require_wider(node, connection, case, before, sealed)
    # A reader could hand on a copy that it spoilt: refused, it is asked of somebody else.
    node.identity.open(sealed)
    objects.put(connection, name, Stored(case, parcel.sender, sealed), node.now())


def _require_wider(
    node: Node, connection: Connection, case: str, before: Stored, sealed: bytes
) -> None:
    """Refuse a copy that would take an object from its case, or from somebody who can read it.

    A copy that does not open here gives way to any other.

    Raises:
        NotSatisfied: it would.
    """
    if before.case != case and cases.stands(connection, before.case) is not None:
        raise NotSatisfied("this object belongs to another case", where=OBJECT)
    if sealed == before.sealed or not _opens(node, before.sealed):
        return
    kinds, copied = (
        {name: kind for name, _, kind in recipients_of(data)} for data in (before.sealed, sealed)
    )
    if kinds.keys() - copied.keys():
        raise NotSatisfied("this copy has lost a reader", where=OBJECT)
    if any(kind == HYBRID and copied[name] != HYBRID for name, kind in kinds.items()):
        raise NotSatisfied("this copy has a weaker key for a reader", where=OBJECT)


def _opens(node: Node, sealed: bytes) -> bool:
    try:
        node.identity.open(sealed)
    except (NotSatisfied, CannotVerify):
        return False
    return True


def _refused(node: Node, connection: Connection, parcel: Parcel, body: dict[str, Any]) -> None:
    case = _case(parcel)
    chain = node.chains.get(connection, case)
    if chain.view.host != parcel.sender:
        raise NotSatisfied("only the host of a case refuses events", where=REFUSED)
    # On one line, so that it cannot look like lines of ours where it is shown.
    reason = saying.ANEW if body["anew"] else " ".join(body["reason"].split())
    cases.refuse_pending(connection, case, body["digest"], reason)
    if body["anew"] and chain.size >= body["size"]:
        saying.sign_anew(node, connection, chain)
    elif body["anew"]:
        heads.say_what_is_held(node, connection, chain)


def _recovery(node: Node, connection: Connection, parcel: Parcel, body: dict[str, Any]) -> None:
    case, sender = _case(parcel), parcel.sender
    _require_member(node, connection, parcel)
    *parts, note = parcel.attachments
    entries = [entry for part in parts for entry in read_entries(part)]
    if not recovering.recover(node, connection, case, sender, entries, note):
        return
    chain = node.chains.get(connection, case)
    ordering.follow_members(node, connection, chain)
    ordering.take_waiting(node, connection, case)
    if entries[-1].index + 1 < body["size"]:
        heads.fetch(node, connection, case, sender, entries[-1].index + 1)
    else:
        following_rows.hear(connection, case, sender, body["size"], node.now())


def _fault(node: Node, connection: Connection, parcel: Parcel, body: dict[str, Any]) -> None:
    _require_member(node, connection, parcel)
    first, second = parcel.attachments
    faults.believe_fault(node, connection, _case(parcel), body["culprit"], (first, second))


def _vote(node: Node, connection: Connection, parcel: Parcel, _body: dict[str, Any]) -> None:
    _require_member(node, connection, parcel)
    envelope = parcel.attachments[0]
    _require_own(parcel, claimed_event(envelope).author)
    ownership.take_vote(node, connection, _case(parcel), parcel.sender, envelope)


_TAKERS: Final[Mapping[str, Callable[[Node, Connection, Parcel, dict[str, Any]], None]]] = {
    ASK: _ask,
    ENTRIES: _entries,
    EVENT: _event,
    FAULT: _fault,
    FETCH: _fetch,
    HEAD: _head,
    OBJECT: _object,
    RECOVERY: _recovery,
    REFUSED: _refused,
    VOTE: _vote,
}


def _case(parcel: Parcel) -> str:
    return parcel.case or ""


def _require_member(node: Node, connection: Connection, parcel: Parcel) -> None:
    node.chains.get(connection, _case(parcel)).view.member(parcel.sender)


def _require_own(parcel: Parcel, author: str) -> None:
    if author != parcel.sender:
        raise NotSatisfied("an event is sent by its author", where=parcel.kind)


def _told(node: Node, connection: Connection, parcel: Parcel, reason: str) -> str:
    """What the sender reads of why its parcel was refused: all of it in a case of its own."""
    chain = node.chains.find(connection, _case(parcel)) if reason else None
    is_own = chain is not None and parcel.sender in chain.view.members
    return reason if is_own or not reason else NOT_HERE


def _remember(
    node: Node, connection: Connection, parcel: Parcel, name: str, outcome: str, reason: str
) -> None:
    letter = post.DeadLetter(name, parcel.sender, parcel.kind, _case(parcel), node.now(), reason)
    post.remember(connection, letter, outcome)
