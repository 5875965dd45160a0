"""A stranger that calls for attention all day, or speaks from tomorrow.

The attacker opens cases and calls emergencies in each, or has its clock run ahead. It is told that
a case has room for four of them, or that its clock is ahead; the victim's people get a bounded
number of notices a day, which say nothing of the flaw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.server.node.federation import Federation

from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import notices
from steelyard.server.storage import cases
from steelyard.server.storage import notices as rows

TWO = {"flood": ("coordinator", "reporter"), "victim": ("developer",)}
Federate = Callable[..., Federation]


@pytest.fixture
def two(federate: Federate) -> Federation:
    """A stranger, and a victim that knows its card and trusts it not."""
    made = federate(TWO)
    made.introduce(trusted=False)
    return made


def test_many_emergencies_write_few_notices_a_day(two: Federation) -> None:
    victim = two["victim"]
    card = replace(victim.identity.card, contacts=(("emergency", "mailto:duty@example.org"),))
    victim.identity = replace(victim.identity, card=card)
    opened = [two.open("flood", "victim") for _ in range(13)]
    for number in range(4):
        two.clock.forward(seconds=1)
        for case in opened:
            two.say("flood", case, "emergency", facts=f"{number}", told=[])
    with pytest.raises(NotSatisfied, match="at most 4 emergencies"):
        two.say("flood", opened[0], "emergency", facts="one more", told=[])
    two.settle()
    chains = [two.chain("victim", case) for case in opened]
    assert sum(len(chain.view.emergencies) for chain in chains) == 52

    def write() -> int:
        return sum(
            victim.run(lambda c, chain=chain: notices.write(victim, c, chain)) for chain in chains
        )

    assert write() == notices.MOST_A_DAY == 48
    assert write() == 0
    with victim.database.reading() as connection:
        texts = {item.text for item in rows.due(connection, two.clock.at, 100)}
    assert not any("a title" in text or "flood" in text for text in texts)
    two.clock.forward(days=1, seconds=1)
    assert 0 < write() <= notices.MOST_A_DAY


def test_an_event_of_tomorrow_waits_for_nobody(two: Federation) -> None:
    """An author whose clock is far ahead is refused, is told so, and moves no deadline."""
    case = two.open("victim", "flood")
    two.settle()
    two["flood"].now = lambda: two.clock.at + timedelta(hours=2)
    two.say("flood", case, "emergency", facts="from tomorrow", told=[])
    two.settle()
    assert two.chain("victim", case).size == 2
    with two["flood"].database.reading() as connection:
        [waiting] = cases.pending(connection, case)
    assert "clock" in waiting.refused
