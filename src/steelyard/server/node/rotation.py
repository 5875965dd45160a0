"""New keys of an organization: made, spoken with, and told in every case.

Decides what is signed anew after a key was revoked, and that a case which cannot hear of new keys
yet keeps no other from it. Where keys lie is decided by `identity`.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import NotSatisfied, SteelyardError
from steelyard.server.node import faults, heads, ownership, restoring, saying
from steelyard.server.node.identity import rotate_keys
from steelyard.server.node.letters import FAULT, FETCH, HEAD, OBJECT, VOTE
from steelyard.server.node.ordering import FAILURES
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.storage import cases, followers, post
from steelyard.server.storage import organizations as cards

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sqlalchemy import Connection

    from steelyard.attest import PrivateKey
    from steelyard.disclosure.case import Card, Chain
    from steelyard.server.node.identity import Identity
    from steelyard.server.node.node import Node
    from steelyard.server.storage.post import Head

_CARD: Final = "card"


def is_untold(node: Node, connection: Connection, chain: Chain) -> bool:
    """Whether a case knows an older card of this organization, and may be told of the newer one.

    It is told once, and as its host not before its participants have said what they hold.
    """
    member = chain.view.members.get(node.organization)
    if member is None or member.left or member.card.sequence >= node.identity.card.sequence:
        return False
    if chain.view.host == node.organization and restoring.waits(node, connection, chain.case):
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

    What waits under a key that was revoked would be refused, so it is signed anew. A case that
    cannot be told is looked at again when cases are looked after.
    """
    known = cards.find(connection, identity.organization)
    before = _revoked(known.card) if known else set[str]()
    node.identity = identity
    cards.keep(connection, identity.card, node.now(), trusted=True)
    is_revoked = not _revoked(identity.card) <= before
    letters = dict.fromkeys(post.waiting_heads(connection)) if is_revoked else {}
    if is_revoked:
        post.drop_waiting(connection)
    told = 0
    for case in cases.case_ids(connection):
        if is_revoked:
            followers.send_again(connection, case)
        with _apart(node, connection, case):
            told += _tell(node, connection, case, is_revoked=is_revoked)
    for letter in letters:
        with _apart(node, connection, letter.case):
            _write_again(node, connection, letter)
    return told


@contextmanager
def _apart(node: Node, connection: Connection, case: str) -> Generator[None]:
    """What goes wrong in one case is undone, and keeps no other from being told."""
    savepoint = connection.begin_nested()
    try:
        yield
    except SteelyardError as error:
        savepoint.rollback()
        node.chains.drop(case)
        FAILURES.error("case %s is not told of new keys: %s", case[:16], error)
    else:
        savepoint.commit()


def _tell(node: Node, connection: Connection, case: str, *, is_revoked: bool) -> int:
    """Tell a case of new keys; where the old one was revoked, say anew what waits to be ordered."""
    waiting = cases.pending(connection, case) if is_revoked else ()
    if waiting:
        cases.drop_pending(connection, case)
    told = announce_card(node, connection, node.chains.get(connection, case))
    others = [item for item in waiting if claimed_event(item.event).kind != _CARD]
    saying.say_in_turn(node, connection, case, others)
    return told


def _write_again(node: Node, connection: Connection, letter: Head) -> None:
    """Say once more what a letter said that was taken back; the rest follows by itself."""
    chain = node.chains.find(connection, letter.case)
    if chain is None:
        return  # asked for, and not here yet
    with suppress(NotSatisfied):  # it has left, or nothing is to be said any more
        say_again(node, connection, chain, letter)


def say_again(node: Node, connection: Connection, chain: Chain, letter: Head) -> None:
    """Say what a letter said, as it stands now, unless it follows by itself.

    Raises:
        NotSatisfied: its destination has left, too much waits for it, or a vote would not stand.
    """
    to = letter.destination
    if letter.kind == OBJECT:
        saying.send_objects(node, connection, chain.case, to)
    elif letter.kind == FAULT:
        faults.show_again(node, connection, chain, to)
    elif letter.kind == VOTE:
        ownership.vote(node, connection, chain.case, to)
    elif letter.kind == HEAD and to == chain.view.host:
        heads.say_what_is_held(node, connection, chain)
    elif letter.kind == FETCH:
        heads.fetch(node, connection, chain.case, to, chain.size)
    elif letter.body:
        said = Letter(letter.kind, chain.case, parse_json_object(letter.body.encode()))
        send_to(node, connection, chain.view.member(to).card, said)


def _revoked(card: Card) -> set[str]:
    """Ids of the keys that a card calls revoked."""
    return {item.key.key_id for item in card.keys if item.revoked}
