"""What was given up, and what people were told, is forgotten long after."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import Connection, select

from steelyard.cli.disclose import node as commands
from steelyard.disclosure.delivery import outbox
from steelyard.disclosure.delivery.outbox import Destination
from steelyard.disclosure.delivery.sending_policy import load_policy
from steelyard.kernel.errors import UnknownName
from steelyard.server.node import ordering, timers
from steelyard.server.storage import notices as rows
from steelyard.server.storage import post
from steelyard.server.storage.notices import Notice
from steelyard.server.storage.tables import NOTICES

from .federation import Federation


def give_up(five: Federation, name: str) -> None:
    """Give up what has waited for too long, as a sender does."""
    with five[name].database.reading() as connection:
        found = [
            outbox.lapse(load_policy(), item, five.clock.at)
            for item in post.waiting(connection, five.clock.at)
        ]
    for item in found:
        to = Destination(item.destination)
        five[name].run(lambda c, item=item, to=to: post.save(c, item, to, item.reason))


def dead(five: Federation, name: str) -> list[tuple[str, datetime]]:
    with five[name].database.reading() as connection:
        return [(item.parcel_id, item.at) for item in post.dead_letters(connection)]


def tell(five: Federation, matter: str) -> None:
    notice = Notice(matter, "mailto:desk@lab-a.example", "something is due")
    five["lab-a"].run(lambda c: rows.add(c, notice, five.clock.at))


def attempt(five: Federation, connection: Connection, matter: str, state: str) -> None:
    notice = Notice(matter, "mailto:desk@lab-a.example", "")
    rows.save(connection, notice, state, "", five.clock.at)


def matters(five: Federation, name: str) -> set[str]:
    with five[name].database.reading() as connection:
        return set(connection.execute(select(NOTICES.c.matter)).scalars())


def test_a_parcel_that_was_given_up_can_be_sent_again_for_400_days(five: Federation) -> None:
    begun = five.clock.at
    five.open("coord", "lab-a")
    five.run("coord", ordering.pump)
    [waits] = five.outgoing("coord")
    five.clock.forward(days=500)
    give_up(five, "coord")
    sum(timers.tick(five["coord"]))
    five.clock.forward(days=400)
    sum(timers.tick(five["coord"]))
    assert dead(five, "coord") == [(waits.parcel_id, begun)]
    five.clock.forward(days=1, seconds=1)
    sum(timers.tick(five["coord"]))
    assert dead(five, "coord") == []
    with pytest.raises(UnknownName, match="0 parcels given up"):
        commands.retry([waits.parcel_id], node=five.folder / "coord")


def test_what_people_were_told_is_forgotten_once_it_is_over(five: Federation) -> None:
    """Of an emergency, which is in its case for ever, nobody is told a second time."""
    node, case = five["lab-a"], five.open("coord", "lab-a")
    five.settle()
    card = replace(node.identity.card, contacts=(("general", "mailto:desk@lab-a.example"),))
    node.identity = replace(node.identity, card=card)
    five.say("coord", case, "emergency", facts="It burns.", told=[])
    five.settle()
    sum(timers.tick(node))
    [emergency] = matters(five, "lab-a")
    over, elsewhere, waits = f"{case}:asked:", f"{'0' * 64}:asked:", f"{case}:embargo:"
    for matter in (over, elsewhere, waits):
        tell(five, matter)
    for matter, state in ((emergency, "sent"), (over, "dead"), (elsewhere, "sent")):
        node.run(lambda c, told=(matter, state): attempt(five, c, *told))
    five.clock.forward(days=400)
    sum(timers.tick(node))
    assert {emergency, over, elsewhere, waits} <= matters(five, "lab-a")
    five.clock.forward(days=1, seconds=1)
    new = matters(five, "lab-a") - {emergency, over, elsewhere, waits}
    sum(timers.tick(node))
    assert matters(five, "lab-a") == {emergency, waits, *new}
    with node.database.reading() as connection:
        due = [item.matter for item in rows.due(connection, five.clock.at, 10)]
    assert emergency not in due
