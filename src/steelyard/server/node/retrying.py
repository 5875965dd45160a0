"""Parcels that were given up: what they told is signed anew, as it stands now, and sent.

Decides what takes the place of a parcel. A receiver remembers one that it refused, and takes none
that was made long ago, so the same bytes would not arrive. What somebody asks for again, or what
follows from the next entry, is not written here.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node.letters import ENTRIES, EVENT
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.node.rotation import say_again
from steelyard.server.storage import cases, followers, post

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain
    from steelyard.server.node.node import Node
    from steelyard.server.storage.post import Head


def retry(node: Node, connection: Connection, parcels: Collection[str]) -> int:
    """Send anew what parcels told that were given up, all of it or nothing.

    What else was given up of the same kind, case and destination is told with it.

    Args:
        node: Whose parcels they are.
        connection: In a transaction.
        parcels: Their ids.

    Returns:
        How many parcels are no longer given up.

    Raises:
        NotSatisfied: nothing of one is left to tell, or its destination has left.
        UnknownName: the case of one is not here.
    """
    letters = post.given_up(connection, parcels)
    count = sum(post.drop_given_up(connection, letter) for letter in letters)
    for letter in letters:
        _write(node, connection, letter)
    return count


def _write(node: Node, connection: Connection, letter: Head) -> None:
    chain = node.chains.get(connection, letter.case)
    if letter.kind == ENTRIES:
        _send_entries(node, connection, chain, letter)
        return
    before = post.ids_under_way(connection, letter)
    if letter.kind == EVENT:
        _send_events(node, connection, chain, letter)
    else:
        say_again(node, connection, chain, letter)
    if post.ids_under_way(connection, letter) <= before:
        raise _refusal(letter, "nothing that it told is left to tell")


def _send_entries(node: Node, connection: Connection, chain: Chain, letter: Head) -> None:
    """Have a follower sent what it has not said that it holds."""
    row = followers.of_case(connection, chain.case).get(letter.destination)
    if chain.view.host != node.organization or row is None:
        raise _refusal(letter, "this node does not send it the entries of the case now")
    if row.held >= chain.size:
        raise _refusal(letter, "its receiver holds every entry")
    post.supersede(connection, letter.destination, ENTRIES, chain.case)
    followers.queue(connection, chain.case, letter.destination, row.held)


def _send_events(node: Node, connection: Connection, chain: Chain, letter: Head) -> None:
    """Send the host every event that it has neither ordered nor refused."""
    if letter.destination != chain.view.host:
        raise _refusal(letter, f"{chain.view.named(chain.view.host)} orders the case now")
    post.supersede(connection, letter.destination, EVENT, chain.case)
    host = chain.view.member(chain.view.host).card
    for item in takewhile(lambda item: not item.refused, cases.pending(connection, chain.case)):
        send_to(node, connection, host, Letter(EVENT, chain.case, {}, (item.event,)))


def _refusal(letter: Head, reason: str) -> NotSatisfied:
    return NotSatisfied(
        f"a parcel of kind {letter.kind!r} is not sent again: {reason}",
        where=letter.case[:16],
        hint="what is missing still is asked for, or told with the next event of the case",
    )
