"""Objects that this organization may read and has not got, as after a restore: asked for again.

Decides whom to ask, and how often: the author and the other readers in turn, one question for an
object every few minutes. Who asks is given what the case names it as a reader of, and nothing else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from steelyard.server.node.letters import ASK, OBJECT
from steelyard.server.node.posting import Letter, offer_to, send_to
from steelyard.server.storage import cases, objects, post

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.disclosure.case import View
    from steelyard.disclosure.case.view import Payload
    from steelyard.server.node.node import Node

EVERY: Final = timedelta(seconds=10)
_GRACE: Final = timedelta(seconds=20)
_AGAIN: Final = timedelta(minutes=10)
_MOST: Final = 32


def ask(node: Node, connection: Connection) -> int:
    """Ask for what is missing for a while; how many objects were asked for."""
    return sum(_ask_case(node, connection, case) for case in cases.case_ids(connection))


def answer(node: Node, connection: Connection, case: str, asker: str, body: dict[str, Any]) -> None:
    """Send an organization the objects that it asks for, as far as they are its to read."""
    view = node.chains.get(connection, case).view
    card = view.member(asker).card
    for name in body["ids"]:
        payload, sealed = view.payloads.get(name), objects.get(connection, name)
        if post.under_way(connection, asker, OBJECT, case) >= node.limits.under_way:
            return
        if payload is not None and sealed is not None and asker in payload.recipients:
            send_to(node, connection, card, Letter(OBJECT, case, {"id": name}, (sealed,)))


def _ask_case(node: Node, connection: Connection, case: str) -> int:
    view, now = node.chains.get(connection, case).view, node.now()
    here = objects.stored_ids(connection, case)
    due: list[Payload] = []
    for name, payload in view.payloads.items():
        if name in here or node.organization not in payload.recipients:
            node.asked.pop(name, None)
            continue
        # An object that travels beside its event is given time to arrive.
        tries, at = node.asked.setdefault(name, (0, now + _GRACE))
        if now >= at and len(due) < _MOST:
            node.asked[name] = (tries + 1, now + _AGAIN)
            due.append(payload)
    for payload in due:
        holder = _holder(node, view, payload)
        if holder:
            letter = Letter(ASK, case, {"ids": [payload.id]})
            offer_to(node, connection, view.members[holder].card, letter)
    return len(due)


def _holder(node: Node, view: View, payload: Payload) -> str:
    """Whom to ask this time; empty for nobody."""
    names = [
        name
        for name in dict.fromkeys((payload.author, *payload.recipients))
        if name != node.organization and name in view.members and not view.members[name].left
    ]
    return names[(node.asked[payload.id][0] - 1) % len(names)] if names else ""
