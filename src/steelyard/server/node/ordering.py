"""What a node does as the host of a case: order events, sign checkpoints, keep followers up.

Decides which entries each follower is sent and when a checkpoint is signed
(spec/disclosure-case.md, section Checkpoints). Whether an event may stand is decided by the
chain.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import CaseCheckpoint, sign_checkpoint
from steelyard.disclosure.case.checkpoint import open_checkpoint
from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    NotSatisfied,
    SteelyardError,
    StorageError,
)
from steelyard.server.node import restoring
from steelyard.server.node.letters import ENTRIES, REFUSED, chunk, write_entries
from steelyard.server.node.posting import Letter, offer_to
from steelyard.server.storage import cases, early, followers, post
from steelyard.server.storage.early import Early

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain, Event, Ordered
    from steelyard.disclosure.case.event import Claim
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node

FAILURES: Final = logging.getLogger("steelyard.failures")
_MEMBERSHIP: Final = ("invite", "leave")


def admit(
    node: Node, connection: Connection, case: str, envelope: bytes, claim: Claim | None = None
) -> Ordered:
    """Order an event of any participant, or find that it stands already.

    Args:
        node: The host.
        connection: In a transaction.
        case: Its id.
        envelope: The signed event.
        claim: What was read of it already.

    Raises:
        UnknownName: no such case here.
        NotSatisfied: another node orders this case, or its rules forbid the event.
        BrokenSeal: not signed by its author, or out of its author's order.
        MalformedEvidence: no event.
        StorageError: the case waits for what its participants hold.
    """
    (admitted,) = admit_many(node, connection, [Offered(case, envelope, claim)])
    if isinstance(admitted, SteelyardError):
        raise admitted
    return admitted.ordered


@dataclass(frozen=True, slots=True)
class Offered:
    """An event that is to be ordered; see `admit`."""

    case: str
    envelope: bytes
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event that stands in its case.

    Attributes:
        head: Of the case once it was ordered.
        is_new: Whether it was ordered now.
    """

    ordered: Ordered
    head: str
    is_new: bool


def admit_many(
    node: Node, connection: Connection, offered: Iterable[Offered]
) -> list[Admitted | SteelyardError]:
    """Order events, each as if it had come alone; what is written for all is written once.

    Returns:
        For each event that it stands, or why it was refused; errors as of `admit`.
    """
    batch = _Batch(node, connection)
    found: list[Admitted | SteelyardError] = []
    for item in offered:
        try:
            found.append(batch.take(item))
        except SteelyardError as error:
            found.append(error)
    batch.write()
    return found


class _Batch:
    """Events that were taken into chains in memory, and are to be written together."""

    def __init__(self, node: Node, connection: Connection) -> None:
        self._node = node
        self._connection = connection
        self._chains: dict[str, Chain] = {}
        self._new: list[tuple[Chain, Ordered]] = []

    def take(self, item: Offered) -> Admitted:
        """Order one event in memory."""
        chain = self._chain(item.case)
        if chain.view.host != self._node.organization:
            host = chain.view.named(chain.view.host)
            message = f"{host} orders this case, not this node"
            raise NotSatisfied(message, where=item.case[:16])
        before = chain.size
        ordered = chain.admit(item.envelope, self._node.now(), item.claim)
        is_new = chain.size > before
        if is_new:
            self._new.append((chain, ordered))
        return Admitted(ordered, chain.head, is_new)

    def write(self) -> None:
        """Keep what was taken; what cannot be kept is forgotten in memory too."""
        try:
            cases.add_entries(
                self._connection, [(chain.view, ordered) for chain, ordered in self._new]
            )
            changed = {c.case for c, ordered in self._new if ordered.event.kind in _MEMBERSHIP}
            for case, chain in {chain.case: chain for chain, _ in self._new}.items():
                if case in changed:
                    # Who is invited after a restore holds nothing that was lost.
                    follow_members(self._node, self._connection, chain, is_new=True)
                if chain.view.host != self._node.organization:
                    _hand_over(self._node, self._connection, chain)
        except BaseException:
            for chain, _ in self._new:
                self._node.chains.drop(chain.case)
            raise

    def _chain(self, case: str) -> Chain:
        """The chain of a case, held against what is stored once for all events of a batch."""
        found = self._chains.get(case)
        if found is None:
            found = self._node.chains.get(self._connection, case)
            if self._node.restored is not None:
                restoring.require_recovered(self._node, self._connection, case)
            self._chains[case] = found
        return found


def follow_members(
    node: Node, connection: Connection, chain: Chain, *, sent: int = 0, is_new: bool = False
) -> None:
    """Keep count of what each participant but this node was sent; forget who left.

    Args:
        node: The host.
        connection: In a transaction.
        chain: The case.
        sent: Entries that another host sent before.
        is_new: Whether who is not followed yet was invited just now, and holds none.
    """
    others = {
        name: member.left
        for name, member in chain.view.members.items()
        if name != node.organization
    }
    present = [name for name, left in others.items() if not left]
    heard = node.now() if is_new else None
    followers.add(connection, chain.case, present, queued=sent, heard=heard)
    followers.leave(connection, chain.case, [name for name, left in others.items() if left])


def _hand_over(node: Node, connection: Connection, chain: Chain) -> None:
    """Send everybody the last entries that this node ordered; another organization goes on."""
    for row in followers.of_case(connection, chain.case).values():
        _send_entries(node, connection, chain, None, row)
    followers.forget(connection, chain.case)


def take_event(node: Node, connection: Connection, case: str, envelope: bytes) -> None:
    """Order a participant's event that came by post, once those before it are there.

    A refusal goes back to its author, who would wait for ever otherwise.

    Raises:
        UnknownName: no such case here.
        MalformedEvidence: no event.
        StorageError: too much of its author waits already; it is sent again.
    """
    event = claimed_event(envelope)
    member = node.chains.get(connection, case).view.members.get(event.author)
    if member is not None and event.sequence > member.sequence + 1:
        _keep_early(node, connection, case, event, envelope)
        return
    try:
        admit(node, connection, case, envelope)
    except (NotSatisfied, CannotVerify) as error:
        if member is not None:
            _refuse(node, connection, case, event, error)
        return
    after = early.take(connection, case, event.author, event.sequence + 1)
    if after is not None:
        take_event(node, connection, case, after.item)


def _keep_early(
    node: Node, connection: Connection, case: str, event: Event, envelope: bytes
) -> None:
    item = Early(event.sequence, event.digest, envelope, node.now())
    first = early.keep(connection, case, event.author, item, node.limits.early)
    if first is None:
        message = f"no room for event {event.sequence} of its author before those that it follows"
        raise StorageError(message, where=case[:16], hint="it is sent again later")
    if first != event.digest:
        text = f"event {event.sequence} of its author is {first} here, this is {event.digest}"
        _refuse(node, connection, case, event, BrokenSeal(text, where=event.kind))


def take_waiting(node: Node, connection: Connection, case: str) -> None:
    """Order events that came early and follow now, as entries that were lost are back."""
    for name, member in node.chains.get(connection, case).view.members.items():
        found = early.take(connection, case, name, member.sequence + 1)
        if found is not None:
            take_event(node, connection, case, found.item)


def _refuse(
    node: Node, connection: Connection, case: str, event: Event, error: SteelyardError
) -> None:
    view = node.chains.get(connection, case).view
    body: JsonObject = {
        "digest": event.digest,
        "reason": "".join(char if char.isprintable() else " " for char in str(error))[:2000],
        # Out of order: its author has signed it in ignorance of what stands here.
        "anew": isinstance(error, BrokenSeal),
        "size": view.size,
    }
    offer_to(node, connection, view.members[event.author].card, Letter(REFUSED, case, body))


def checkpoint(node: Node, connection: Connection, chain: Chain) -> CaseCheckpoint:
    """The signed checkpoint of a case as it stands, made once for each size.

    Its time is never before that of an earlier one: a clock set back would make a fault of it.
    """
    case, size, head = chain.case, chain.size, chain.head
    at = max((node.now(), *cases.signed_times(connection, case, node.organization)))
    keys = chain.view.members[node.organization].card.keys_at(at)
    note = cases.checkpoint_note(connection, case, size, head)
    if note is not None:
        try:
            return open_checkpoint(note, case, node.organization, keys)
        except BrokenSeal:
            pass  # signed by a key that was rotated since
    signed = open_checkpoint(
        sign_checkpoint(case, size, head, host=node.organization, key=node.identity.key, at=at),
        case,
        node.organization,
        keys,
    )
    cases.add_checkpoint(connection, signed)
    return signed


def pump(node: Node, connection: Connection) -> int:
    """Put into the outbox what followers of this node's cases lack; how many parcels."""
    return sum(pump_one(node, connection, case) for case in to_pump(node, connection))


def to_pump(node: Node, connection: Connection) -> tuple[str, ...]:
    """Cases of this node of which a follower lacks something, and may be sent it now."""
    if node.restored is not None and not restoring.waiting(node, connection):
        restoring.finish(node, connection)
    behind = cases.behind(connection, node.organization)
    return tuple(case for case in behind if _may_speak(node, connection, case))


def _may_speak(node: Node, connection: Connection, case: str) -> bool:
    """Whether this host knows its own case well enough to sign what it looks like."""
    until = node.restoring.get(case)
    if until is not None and node.now() < until:
        return False
    node.restoring.pop(case, None)
    return not restoring.waits(node, connection, case)


def pump_one(node: Node, connection: Connection, case: str) -> int:
    """One case; what is wrong with it must not keep the others from being sent."""
    savepoint = connection.begin_nested()
    try:
        sent = _pump_case(node, connection, case)
    except StorageError:
        savepoint.rollback()
        raise
    except SteelyardError as error:
        savepoint.rollback()
        FAILURES.error("case %s is not sent: %s", case[:16], error)
        return 0
    savepoint.commit()
    return sent


def _pump_case(node: Node, connection: Connection, case: str) -> int:
    chain = node.chains.get(connection, case)
    behind = [
        row
        for row in followers.of_case(connection, case).values()
        if row.queued < chain.size and has_room(node, connection, case, row.organization)
    ]
    if not behind:
        return 0
    signed = checkpoint(node, connection, chain)
    return sum(_send_entries(node, connection, chain, signed, row) for row in behind)


def has_room(node: Node, connection: Connection, case: str, follower: str) -> bool:
    """Whether so few parcels of a case wait for a follower that it is sent more."""
    return post.under_way(connection, follower, ENTRIES, case) < node.limits.under_way


def _send_entries(
    node: Node,
    connection: Connection,
    chain: Chain,
    signed: CaseCheckpoint | None,
    row: followers.Follower,
) -> int:
    """Send a follower what it lacks; where its outbox is full, the rest follows later."""
    card = chain.view.members[row.organization].card
    missing, sent = [item.entry for item in chain.since(row.queued)], 0
    while missing and sent < node.limits.under_way:
        part = chunk(missing)
        missing = missing[len(part) :]
        attachments = (write_entries(part), *((signed.note,) if signed and not missing else ()))
        letter = Letter(ENTRIES, chain.case, {"size": chain.size}, attachments)
        if not offer_to(node, connection, card, letter):
            break
        followers.queue(connection, chain.case, row.organization, part[-1].index + 1)
        sent += 1
    return sent


def answer_head(node: Node, connection: Connection, case: str, follower: str, size: int) -> None:
    """A follower says what it holds: what it lacks and is not on its way is sent anew."""
    chain = node.chains.get(connection, case)
    followers.add(connection, case, [follower])
    held = min(size, chain.size)
    followers.hear(connection, case, follower, held, node.now())
    row = followers.of_case(connection, case)[follower]
    if held < row.queued and not post.under_way(connection, follower, ENTRIES, case):
        followers.queue(connection, case, follower, held)
