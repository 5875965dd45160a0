"""Strangers that bring more than anybody needs: what is kept of it, and what they are told.

The attacker opens cases, sends objects, cards, events, calls emergencies. It is told that there is
no room; the victim keeps a bounded amount, its other cases go on, and its people get few notices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.server.node.federation import Federation

from steelyard.disclosure.delivery.sealed_object import object_id, seal_object
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import notices, ordering
from steelyard.server.node.inbox import NOT_HERE, Outcome, receive
from steelyard.server.node.letters import OBJECT
from steelyard.server.node.limits import Limits
from steelyard.server.node.posting import Letter, send_to
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


def give(federation: Federation, sender: str, receiver: str) -> list[Outcome]:
    """Hand over what waits, and what became of each."""
    node, from_ = federation[receiver], federation[sender]
    from_.run(lambda c: ordering.pump(from_, c))
    items = [item for item in federation.outgoing(sender) if item.receiver == receiver]
    found = [node.run(lambda c, data=item.data: receive(node, c, data)) for item in items]
    federation.drop(sender)
    return found


def test_a_stranger_hosts_sixteen_cases_here_and_no_more(two: Federation) -> None:
    outcomes = []
    for _ in range(18):
        two.open("flood", "victim")
        outcomes += give(two, "flood", "victim")
    results = [item.result for item in outcomes]
    assert results == ["taken"] * 16 + ["refused"] * 2
    assert outcomes[-1].reason == NOT_HERE
    assert "hosts 16 cases here already, and nobody trusts it" in two.refusals("victim")[-1]
    with two["victim"].database.reading() as connection:
        assert len(cases.list_cases(connection)) == 16


def test_objects_of_cases_that_are_not_here_take_bounded_room(two: Federation) -> None:
    victim, flood = two["victim"], two["flood"]
    victim.limits = replace(Limits(), stray_bytes=200_000)
    card = victim.identity.card
    for number in range(6):
        sealed = seal_object(
            b"x" * 50_000, media_type="text/plain",
            recipients={victim.organization: card.recipient}, random=flood.random,
        )  # fmt: skip
        letter = Letter(OBJECT, f"{number:064x}", {"id": object_id(sealed)}, (sealed,))
        flood.run(lambda c, letter=letter: send_to(flood, c, card, letter))
    outcomes = give(two, "flood", "victim")
    assert sorted({item.result for item in outcomes}) == ["refused", "taken"]
    assert sum(item.result == "taken" for item in outcomes) <= 3
    assert {item.reason for item in outcomes if item.result == "refused"} == {NOT_HERE}
    assert "of cases that are not here would take" in two.refusals("victim")[0]


def test_a_strangers_case_grows_to_its_bound_and_other_cases_go_on(two: Federation) -> None:
    victim = two["victim"]
    victim.limits = replace(Limits(), stranger_case_bytes=60_000)
    case = two.open("flood", "victim")
    give(two, "flood", "victim")
    for number in range(40):
        sealed = {"id": f"{number:064x}", "media_type": "text/plain", "bytes": 1, "tier": "h1",
                  "recipients": [two.id("flood")]}  # fmt: skip
        two.say("flood", case, "note", object=sealed, about=None)
        two.clock.forward(seconds=1)
        two.round()
    outcomes = two.post.outcomes
    assert any("the events of this case would take" in item.reason for item in outcomes)
    with victim.database.reading() as connection:
        assert cases.size_bytes(connection, case) <= 60_000
    own = two.open("victim", "flood")
    two.say("victim", own, "emergency", facts="ours", told=[])
    assert two.chain("victim", own).size == 3


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

    assert write() == notices.MOST_A_DAY
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
