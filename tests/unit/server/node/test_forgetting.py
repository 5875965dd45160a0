"""What a node forgets by itself, and what it keeps because it proves something."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import inbox, ordering, recovering, timers
from steelyard.server.storage import cases
from steelyard.server.storage.tables import CHECKPOINTS, INBOX

from .federation import Carried, Federation
from .hostile import Forger


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", "lab-a")
    five.settle()
    return case


def remembered(five: Federation, name: str) -> set[str]:
    with five[name].database.reading() as connection:
        return set(connection.execute(select(INBOX.c.parcel_id)).scalars())


def sizes(five: Federation, name: str, case: str) -> list[int]:
    query = select(CHECKPOINTS.c.size).where(CHECKPOINTS.c.case_id == case)
    with five[name].database.reading() as connection:
        return sorted(connection.execute(query).scalars())


def name_targets(five: Federation, case: str, count: int) -> None:
    """So many more entries, each under a checkpoint of its own."""
    for number in range(count):
        five.clock.forward(seconds=10)
        body = {"commitment": None, "version": f"v{number}", "guardrail": ""}
        five.say("lab-a", case, "target", handle="model", **body)
        for _ in range(3):
            five.round()


def sent(five: Federation, case: str) -> Carried:
    """A parcel of lab-a's that coord has taken."""
    five.say("lab-a", case, "emergency", facts="once", told=[])
    [item] = five.outgoing("lab-a")
    assert five.hand_over(item)
    five.drop("lab-a")
    return item


def test_a_parcel_is_known_again_until_it_is_no_longer_taken(five: Federation, case: str) -> None:
    item = sent(five, case)
    five.clock.forward(days=inbox.RECENT.days)
    sum(timers.tick(five["coord"]))
    assert five.hand_over(item)
    assert five.post.outcomes[-1].result == "known"
    five.clock.forward(days=3)
    sum(timers.tick(five["coord"]))
    assert item.parcel_id not in remembered(five, "coord")
    assert not five.hand_over(item)
    assert item.parcel_id not in remembered(five, "coord")


def test_a_parcel_of_a_time_to_come_is_not_taken(five: Federation, case: str) -> None:
    five["lab-a"].now = lambda: five.clock.at + timedelta(days=2)
    five.say("lab-a", case, "emergency", facts="early", told=[])
    [item] = five.outgoing("lab-a")
    assert not five.hand_over(item)
    five.clock.forward(days=2)
    assert five.hand_over(item)


def test_old_checkpoints_go_but_for_some_and_for_those_that_prove(
    five: Federation, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "STRETCH", 4)
    name_targets(five, case, 14)
    five["lab-a"].limits = replace(five["lab-a"].limits, checkpoints=3)
    forged = Forger(five, "coord", case).begin(5)
    forged.say("emergency", facts="another history", told=[])
    forged.show("lab-a", forged.note())
    before = sizes(five, "lab-a", case)
    assert before == [2, *range(3, 7), 6, *range(7, 17)]
    five.clock.forward(days=2)
    sum(timers.tick(five["lab-a"]))
    assert sizes(five, "lab-a", case) == [2, 4, 6, 8, 12, 14, 15, 16]
    sum(timers.tick(five["lab-a"]))
    assert len(sizes(five, "lab-a", case)) == 8
    five.settle()
    assert five.heads(case, "coord", "lab-a") == {five.head("coord", case)}


def test_a_host_goes_back_to_no_history_that_it_signed_later(five: Federation, case: str) -> None:
    """Also where only its latest checkpoints are of after that history."""
    name_targets(five, case, 2)
    forged = Forger(five, "coord", case).begin(3)
    forged.say("emergency", facts="another history", told=[])
    note = forged.note()
    name_targets(five, case, 4)
    five["coord"].limits = replace(five["coord"].limits, checkpoints=2)
    head = five.head("coord", case)
    with five["coord"].database.reading() as connection:
        assert len(cases.notes_between(connection, case, 3, None)) > 2
    with pytest.raises(NotSatisfied, match="another history was signed before this one"):
        five.run(
            "coord",
            lambda n, c: recovering.recover(n, c, case, five.id("lab-a"), forged.entries[3:], note),
        )
    assert five.head("coord", case) == head
    five.run("coord", ordering.pump)
