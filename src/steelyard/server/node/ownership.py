"""Another host for a case whose host is silent: votes, and taking over.

Decides when this node becomes the host (spec/disclosure-case.md, section Ownership): when the
votes that reached it, applied to the prefix that they name, make it so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from steelyard.disclosure.case import Chain, Draft, sign_event
from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel.errors import CannotVerify, NotSatisfied
from steelyard.server.node import heads, ordering, saying
from steelyard.server.node.letters import VOTE
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.storage import cases, followers
from steelyard.server.storage.followers import Vote

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.server.node.node import Node


def vote(node: Node, connection: Connection, case: str, to: str) -> str:
    """Agree that another organization orders a case from what this node holds on.

    Returns:
        Digest of the vote.

    Raises:
        NotSatisfied: it is not in the case, or its vote would not stand.
    """
    chain = node.chains.get(connection, case)
    view = chain.view
    member = view.member(node.organization)
    body = {"to": to, "size": view.size, "head": view.head}
    draft = Draft(
        case,
        node.organization,
        member.sequence + 1,
        member.previous,
        view.size,
        view.head,
        node.now(),
        "transfer",
        {**body},
    )
    envelope = sign_event(draft, node.identity.key)
    chain.copied().admit(envelope, node.now())
    if to == node.organization:
        take_vote(node, connection, case, to, envelope)
    else:
        send_to(node, connection, view.member(to).card, Letter(VOTE, case, {}, (envelope,)))
    return claimed_event(envelope).digest


def take_vote(node: Node, connection: Connection, case: str, sender: str, envelope: bytes) -> None:
    """Keep a vote for this node; with the quorum's last one, go on as the host.

    A vote on more entries than are here waits for these, which are asked of who has cast it.

    Raises:
        NotSatisfied: a vote for another organization, or one that would not stand.
    """
    chain = node.chains.get(connection, case)
    event = claimed_event(envelope)
    if event.kind != "transfer" or event.body["to"] != node.organization:
        raise NotSatisfied("this is no vote for this node", where=case[:16])
    now = node.now()
    is_ahead = cast("int", event.body["size"]) > chain.size
    if not is_ahead:
        chain.copied().admit(envelope, now)
    followers.add_vote(connection, case, Vote(event.author, event.digest, envelope, now))
    if is_ahead:
        heads.fetch(node, connection, case, sender, chain.size)
        return
    count_again(node, connection, case)


def count_again(node: Node, connection: Connection, case: str) -> None:
    """Go on as the host of a case if the votes that are here make it so."""
    if not followers.votes(connection, case):
        return
    chain = node.chains.get(connection, case)
    after = _counted(chain, connection, node)
    if chain.view.host == node.organization or after.view.host != node.organization:
        return
    for item in after.since(chain.size):
        cases.add_entry(connection, after.view, item)
    followers.drop_votes(connection, case)
    node.chains.drop(case)
    node.chains.put(after)
    followers.forget(connection, case)
    follow_host(node, connection, after, chain.size)


def follow_host(node: Node, connection: Connection, chain: Chain, sent: int) -> None:
    """Say what waits to another host; or be it, of participants who were sent so many entries."""
    if chain.view.host == node.organization:
        ordering.follow_members(node, connection, chain, sent=sent)
    saying.sign_anew(node, connection, chain)


def require_precedence(chain: Chain, other: Chain, common: int) -> None:
    """Refuse one of two takeovers from the same entry on: everybody keeps the same one.

    Nobody's clock is asked which came first. That of the lesser hash stays.

    Raises:
        NotSatisfied: the other one gives way.
    """
    held = chain.since(common)
    if not any(item.event.kind == "transfer" for item in held):
        return
    before = chain.copied(common).view.host
    if chain.view.host != before and held[0].hash < other.since(common)[0].hash:
        raise NotSatisfied("another takeover of this case stands", where=chain.case[:16])


def _counted(chain: Chain, connection: Connection, node: Node) -> Chain:
    """The case with every vote that stands, in the order in which they came."""
    trial = chain.copied()
    for waiting in followers.votes(connection, chain.case):
        try:
            trial.admit(waiting.event, node.now())
        except (NotSatisfied, CannotVerify):
            continue  # of another prefix, or superseded
        if trial.view.host == node.organization:
            break
    return trial
