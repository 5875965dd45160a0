"""Objects that this organization may read and has not got, as after a restore: asked for again.

Decides whom to ask, and how often: the author and the other readers in turn, one question for an
object every few minutes, and ever more seldom once all were asked, as it may open for nobody. Cases
are looked at a few at a time, beside the thread that writes, and not again before they go on. Who
asks is given what the case names it as a reader of, no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from steelyard.kernel.errors import SteelyardError, StorageError
from steelyard.server.node.letters import ASK, OBJECT
from steelyard.server.node.ordering import FAILURES
from steelyard.server.node.posting import Letter, offer_to, send_to
from steelyard.server.storage import cases, objects, post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Card, View
    from steelyard.disclosure.case.view import Payload
    from steelyard.server.node.node import Node

CASES: Final = 16
"""How many cases are looked at in one go."""
_EVERY: Final = timedelta(seconds=10)
_GRACE: Final = timedelta(seconds=20)
_AGAIN: Final = timedelta(minutes=10)
_DOUBLINGS: Final = 7
_MOST: Final = 32


@dataclass(slots=True)
class Seeker:
    """Asks for what a node lacks, over and over.

    Args:
        node: Whose objects they are.
    """

    node: Node
    _next_round: datetime | None = None
    _last: str = ""
    # Cases that lack nothing, with the head that they had then.
    _whole: dict[str, str] = field(default_factory=dict[str, str])
    # How often an object was asked for, and when it may be next.
    _asked: dict[str, tuple[int, datetime]] = field(
        default_factory=dict[str, "tuple[int, datetime]"]
    )

    def seek(self) -> int:
        """Look at the next few cases, if it is time; how many objects were asked for."""
        now = self.node.now()
        if self._next_round is not None and now < self._next_round:
            return 0
        with self.node.database.reading() as connection:
            found = cases.standing_after(connection, self._last, CASES)
            due = [item for row in found for item in self._lacking(connection, *row)]
        self._last = found[-1][0] if len(found) == CASES else ""
        self._next_round = None if self._last else now + _EVERY
        if due:
            self.node.run(lambda connection: self._ask(connection, due))
        return len(due)

    def _ask(self, connection: Connection, due: list[tuple[Card, Letter]]) -> None:
        for card, letter in due:
            offer_to(self.node, connection, card, letter)

    def _lacking(
        self, connection: Connection, case: str, head: str
    ) -> Iterator[tuple[Card, Letter]]:
        """What to ask whom about a case; it must not keep the others from being looked at."""
        if self._whole.get(case) == head:
            return
        try:
            view = self.node.chains.get(connection, case).view
        except StorageError:
            raise
        except SteelyardError as error:
            FAILURES.error("nothing is asked for in case %s: %s", case[:16], error)
            self._whole[case] = head
            return
        due, is_whole = self._due(connection, view)
        if is_whole:
            self._whole[case] = head
        for holder, name in due:
            yield view.members[holder].card, Letter(ASK, case, {"ids": [name]})

    def _due(self, connection: Connection, view: View) -> tuple[list[tuple[str, str]], bool]:
        """Whom to ask for which objects now, and whether none is missing."""
        here, now = objects.stored_ids(connection, view.case), self.node.now()
        due: list[tuple[str, str]] = []
        is_whole = True
        for name, payload in view.payloads.items():
            if name in here or self.node.organization not in payload.recipients:
                self._asked.pop(name, None)
                continue
            is_whole = False
            # An object that travels beside its event is given time to arrive.
            tries, at = self._asked.setdefault(name, (0, now + _GRACE))
            holders = self._holders(view, payload)
            if holders and now >= at and len(due) < _MOST:
                rounds, place = divmod(tries, len(holders))
                self._asked[name] = (tries + 1, now + _AGAIN * 2 ** min(rounds, _DOUBLINGS))
                due.append((holders[place], name))
        return due, is_whole

    def _holders(self, view: View, payload: Payload) -> list[str]:
        """Who may have an object, in the order in which they are asked."""
        return [
            name
            for name in dict.fromkeys((payload.author, *payload.recipients))
            if name != self.node.organization
            and name in view.members
            and not view.members[name].left
        ]


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
