"""What a node does as the host of a case: order events, sign checkpoints, keep followers up.

Decides which entries each follower is sent and when a checkpoint is signed
(spec/disclosure-case.md, section Checkpoints). Whether an event may stand is decided by the
chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import CaseCheckpoint, sign_checkpoint
from steelyard.disclosure.case.checkpoint import open_checkpoint
from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel.errors import BrokenSeal, CannotVerify, NotSatisfied
from steelyard.server.node.letters import ENTRIES, REFUSED, chunk, write_entries
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.storage import cases, followers, post
from steelyard.server.storage.cases import Early

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain, Event, Ordered
    from steelyard.disclosure.case.event import Claim
    from steelyard.kernel import JsonObject
    from steelyard.kernel.errors import SteelyardError
    from steelyard.server.node.node import Node

_EARLY: Final = 64


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
    """
    chain = node.chains.get(connection, case)
    if chain.view.host != node.organization:
        host = chain.view.named(chain.view.host)
        raise NotSatisfied(f"{host} orders this case, not this node", where=case[:16])
    before = chain.size
    try:
        ordered = chain.admit(envelope, node.now(), claim)
        if chain.size > before:
            cases.add_entry(connection, chain.view, ordered)
    except BaseException:
        if chain.size > before:
            node.chains.drop(case)
        raise
    return ordered


def take_event(node: Node, connection: Connection, case: str, envelope: bytes) -> None:
    """Order a participant's event that came by post, once those before it are there.

    A refusal goes back to its author, who would wait for ever otherwise.

    Raises:
        UnknownName: no such case here.
        MalformedEvidence: no event.
    """
    event = claimed_event(envelope)
    member = node.chains.get(connection, case).view.members.get(event.author)
    if member is not None and event.sequence > member.sequence + 1:
        early = Early(event.sequence, event.digest, envelope, node.now())
        cases.keep_early(connection, case, event.author, early, most=_EARLY)
        return
    try:
        admit(node, connection, case, envelope)
    except (NotSatisfied, CannotVerify) as error:
        if member is not None:
            _refuse(node, connection, case, event, error)
        return
    after = cases.take_early(connection, case, event.author, event.sequence + 1)
    if after is not None:
        take_event(node, connection, case, after.item)


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
    send_to(node, connection, view.members[event.author].card, Letter(REFUSED, case, body))


def checkpoint(node: Node, connection: Connection, chain: Chain) -> CaseCheckpoint:
    """The signed checkpoint of a case as it stands, made once for each size."""
    case, size, head = chain.case, chain.size, chain.head
    note = cases.checkpoint_note(connection, case, size, head)
    if note is None:
        note = sign_checkpoint(
            case, size, head, host=node.organization, key=node.identity.key, at=node.now()
        )
    keys = chain.view.members[node.organization].card.keys_at(node.now())
    signed = open_checkpoint(note, case, node.organization, keys)
    cases.add_checkpoint(connection, signed)
    return signed


def pump(node: Node, connection: Connection) -> int:
    """Put into the outbox what followers of this node's cases lack; how many parcels."""
    return sum(
        _pump_case(node, connection, row.id)
        for row in cases.list_cases(connection)
        if row.host == node.organization
    )


def _pump_case(node: Node, connection: Connection, case: str) -> int:
    chain = node.chains.get(connection, case)
    others = [
        name
        for name, member in chain.view.members.items()
        if name != node.organization and not member.left
    ]
    followers.add(connection, case, others)
    behind = [
        row
        for name, row in followers.of_case(connection, case).items()
        if name in others and row.queued < chain.size
    ]
    if not behind:
        return 0
    signed = checkpoint(node, connection, chain)
    return sum(_send_entries(node, connection, chain, signed, row) for row in behind)


def _send_entries(
    node: Node,
    connection: Connection,
    chain: Chain,
    signed: CaseCheckpoint,
    row: followers.Follower,
) -> int:
    """Send a follower all it lacks; an outbox that is full is tried again later."""
    card = chain.view.members[row.organization].card
    missing, sent = [item.entry for item in chain.since(row.queued)], 0
    while missing:
        part = chunk(missing)
        missing = missing[len(part) :]
        attachments = (write_entries(part), *((signed.note,) if not missing else ()))
        try:
            letter = Letter(ENTRIES, chain.case, {"size": chain.size}, attachments)
            send_to(node, connection, card, letter)
        except NotSatisfied:
            return sent
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
    on_their_way = any(
        item.kind == ENTRIES and item.case == case
        for item in post.waiting_for(connection, follower, 512)
    )
    if held < row.queued and not on_their_way:
        followers.queue(connection, case, follower, held)
