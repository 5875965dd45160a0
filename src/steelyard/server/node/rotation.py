"""New keys of an organization: made, spoken with, and told in every case.

Decides what is signed anew after a key was revoked. Where keys lie is decided by `identity`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import faults, heads, ownership, saying
from steelyard.server.node.identity import rotate_keys
from steelyard.server.node.letters import FAULT, HEAD, OBJECT, VOTE
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.storage import cases, followers, post
from steelyard.server.storage import organizations as cards

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from steelyard.attest import PrivateKey
    from steelyard.disclosure.case import Card, Chain
    from steelyard.server.node.identity import Identity
    from steelyard.server.node.node import Node
    from steelyard.server.storage.post import Head

_CARD: Final = "card"


def is_untold(node: Node, connection: Connection, chain: Chain) -> bool:
    """Whether a case knows an older card of this organization, and no newer is on its way to it."""
    member = chain.view.members.get(node.organization)
    if member is None or member.left or member.card.sequence >= node.identity.card.sequence:
        return False
    pending = cases.pending(connection, chain.case)
    return not any(claimed_event(row.event).kind == _CARD for row in pending)


def announce_card(node: Node, connection: Connection, chain: Chain) -> int:
    """Say the card of this organization in a case that knows an older one; 1 if it was said."""
    if not is_untold(node, connection, chain):
        return 0
    try:
        saying.say(node, connection, chain.case, _CARD, {"card": node.identity.card.to_json()})
    except NotSatisfied:
        return 0  # events of its own wait to be signed anew
    return 1


def rotate(
    node: Node, connection: Connection, folder: Path, root: PrivateKey, *, revoke: bool
) -> int:
    """Make new keys in a node's folder and speak with them, in one change; see `rotate_keys`.

    Of one SQLite file nobody else is a writer meanwhile: nothing is signed with a key that has
    ended. Beside another database, a server may do so until its next change begins.

    Returns:
        How many cases are told.
    """
    identity = rotate_keys(folder, root, node.now(), revoke=revoke)
    return take_identity(node, connection, identity)


def take_identity(node: Node, connection: Connection, identity: Identity) -> int:
    """Speak with new keys from now on, and tell every case; how many.

    What waits under a key that was revoked would be refused, so it is signed anew.
    """
    known = cards.find(connection, identity.organization)
    before = _revoked(known.card) if known else set[str]()
    node.identity = identity
    cards.keep(connection, identity.card, node.now(), trusted=True)
    if _revoked(identity.card) <= before:
        return _announce_everywhere(node, connection)
    letters = dict.fromkeys(post.waiting_heads(connection))
    post.drop_waiting(connection)
    waiting = {case: cases.pending(connection, case) for case in cases.case_ids(connection)}
    for case in waiting:
        cases.drop_pending(connection, case)
        followers.send_again(connection, case)
    told = _announce_everywhere(node, connection)
    for case, events in waiting.items():
        others = [item for item in events if claimed_event(item.event).kind != _CARD]
        saying.say_in_turn(node, connection, case, others)
    for letter in letters:
        chain = node.chains.find(connection, letter.case)
        if chain is None:
            continue  # asked for, and not here yet
        with suppress(NotSatisfied):  # it has left, or nothing is to be said any more
            _write_again(node, connection, chain, letter)
    return told


def _announce_everywhere(node: Node, connection: Connection) -> int:
    return sum(
        announce_card(node, connection, node.chains.get(connection, case))
        for case in cases.case_ids(connection)
    )


def _write_again(node: Node, connection: Connection, chain: Chain, letter: Head) -> None:
    """Say once more what a letter said that was taken back; the rest follows by itself."""
    to = letter.destination
    if letter.kind == OBJECT:
        saying.send_objects(node, connection, chain.case, to)
    elif letter.kind == FAULT:
        faults.show_again(node, connection, chain, to)
    elif letter.kind == VOTE:
        ownership.vote(node, connection, chain.case, to)
    elif letter.kind == HEAD and to == chain.view.host:
        heads.say_what_is_held(node, connection, chain)
    elif letter.body:
        said = Letter(letter.kind, chain.case, parse_json_object(letter.body.encode()))
        send_to(node, connection, chain.view.member(to).card, said)


def _revoked(card: Card) -> set[str]:
    """Ids of the keys that a card calls revoked."""
    return {item.key.key_id for item in card.keys if item.revoked}
