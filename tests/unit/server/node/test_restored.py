"""Databases that came back from old copies: nothing that was signed is lost or signed twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import ordering, recovering, saying, timers
from steelyard.server.storage import cases

from .federation import FIVE, Federation
from .hostile import Forger

MEMBERS = ("coord", "lab-a", "lab-b", "lab-c")


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", *MEMBERS[1:])
    five.settle()
    return case


def name_target(five: Federation, case: str, name: str, number: int) -> None:
    handle = f"model-{number}"
    five.say(name, case, "target", handle=handle, commitment=None, version="1", guardrail="")


def settle_after_hold(five: Federation, case: str) -> None:
    """What a day brings: the host waits for other helpers, and everybody says what it holds."""
    five.settle()
    five.clock.forward(seconds=recovering.HOLD.total_seconds() + 1)
    five.settle()
    for _ in range(2):
        five.beat(case)
        five.settle()


def test_a_host_takes_back_what_it_lost_from_whoever_holds_it(five: Federation, case: str) -> None:
    backup = five.back_up("coord")
    for number in range(5):
        name_target(five, case, "lab-a", number)
        name_target(five, case, "lab-b", number)
        five.settle()
    lost = five.head("lab-a", case)
    five.restore("coord", backup)
    assert five.chain("coord", case).size == 4
    five.clock.forward(minutes=5)
    five.say("coord", case, "emergency", facts="said on the shorter history", told=[])
    settle_after_hold(five, case)
    assert len(five.heads(case, *MEMBERS)) == 1
    chain = five.chain("coord", case)
    assert chain.head_at(14) == lost
    assert [item.facts for item in chain.view.emergencies] == ["said on the shorter history"]
    assert all(("coord", "fork") in five.faults(name) for name in ("lab-a", "lab-b"))


def test_helpers_that_hold_more_and_less_bring_the_host_to_the_longest(
    five: Federation, case: str
) -> None:
    backup = five.back_up("coord")
    with five.without("lab-c"):
        for number in range(4):
            name_target(five, case, "lab-a", number)
            five.settle_among("coord", "lab-a", "lab-b")
        with five.without("lab-b"):
            for number in range(4, 8):
                name_target(five, case, "lab-a", number)
                five.settle_among("coord", "lab-a")
    longest = five.head("lab-a", case)
    five.drop("coord")
    five.restore("coord", backup)
    five.clock.forward(minutes=5)
    five.say("coord", case, "emergency", facts="after the loss", told=[])
    settle_after_hold(five, case)
    assert len(five.heads(case, *MEMBERS)) == 1
    assert five.chain("coord", case).head_at(12) == longest
    assert five.chain("coord", case).size == 13


def test_a_host_that_lost_hundreds_of_entries_takes_them_all_back(
    five: Federation, case: str
) -> None:
    backup = five.back_up("coord")
    names = ("lab-a", "lab-b", "lab-c")
    for step in range(10):
        for name in names:
            for number in range(11):
                handle, version = f"model-{number}", f"v{step}"
                five.say(
                    name, case, "target",
                    handle=handle, commitment=None, version=version, guardrail="",
                )  # fmt: skip
        five.settle()
    lost = five.head("lab-a", case)
    assert five.chain("lab-a", case).size == 334
    five.restore("coord", backup)
    five.clock.forward(minutes=5)
    five.say("coord", case, "emergency", facts="after the loss", told=[])
    settle_after_hold(five, case)
    assert len(five.heads(case, *MEMBERS)) == 1
    assert five.chain("coord", case).head_at(334) == lost
    assert five.chain("coord", case).size == 335


def test_who_came_in_on_the_shorter_history_follows_the_host_back(
    five: Federation, case: str
) -> None:
    backup = five.back_up("coord")
    for number in range(3):
        name_target(five, case, "lab-a", number)
        five.settle()
    five.restore("coord", backup)
    five.clock.forward(minutes=5)
    with five.without("lab-a", "lab-b", "lab-c"):
        five.invite("coord", case, "deploy-d")
        five.settle_among("coord", "deploy-d")
        five.say("deploy-d", case, "emergency", facts="said by the newcomer", told=[])
        five.settle_among("coord", "deploy-d")
    assert five.chain("deploy-d", case).size == 6
    settle_after_hold(five, case)
    assert len(five.heads(case, *FIVE)) == 1
    said = [item.facts for item in five.chain("lab-a", case).view.emergencies]
    assert said == ["said by the newcomer"]


def test_a_participant_from_an_old_backup_signs_no_event_twice_in_the_case(
    five: Federation, case: str
) -> None:
    backup = five.back_up("lab-a")
    name_target(five, case, "lab-a", 1)
    five.settle()
    five.restore("lab-a", backup)
    assert five.chain("lab-a", case).size == 4
    name_target(five, case, "lab-a", 2)
    five.settle()
    assert len(five.heads(case, *MEMBERS)) == 1
    own = [
        item.event
        for item in five.chain("lab-a", case).ordered
        if item.event.author == five.id("lab-a")
    ]
    assert [(event.sequence, event.body["handle"]) for event in own] == [
        (1, "model-1"),
        (2, "model-2"),
    ]
    assert waiting(five, "lab-a", case) == []


def test_what_is_said_to_a_host_that_lost_entries_stands_in_the_end(
    five: Federation, case: str
) -> None:
    """Its author saw more than the host knows: neither refuses the other for ever."""
    backup = five.back_up("coord")
    name_target(five, case, "lab-a", 1)
    five.settle()
    five.restore("coord", backup)
    five.clock.forward(minutes=5)
    name_target(five, case, "lab-a", 2)
    for _ in range(4):
        five.round()
    name_target(five, case, "lab-b", 1)
    settle_after_hold(five, case)
    assert len(five.heads(case, *MEMBERS)) == 1
    assert len(five.chain("coord", case).view.targets) == 3
    assert waiting(five, "lab-a", case) == []


def test_an_event_that_the_rules_refuse_is_kept_with_the_reason(
    five: Federation, case: str
) -> None:
    five.clock.forward(hours=1)
    five["coord"].now = lambda: five.clock.at - timedelta(hours=1)
    name_target(five, case, "lab-a", 1)
    five.settle()
    [event] = waiting(five, "lab-a", case)
    assert event.refused == "target: the author's clock is ahead of the host's"
    with pytest.raises(NotSatisfied, match="the host refused event 1 of yours"):
        name_target(five, case, "lab-a", 2)
    assert five.run("lab-a", lambda n, c: saying.forget_refused(n, c, case)) == 1
    five["coord"].now = five.clock
    name_target(five, case, "lab-a", 2)


def waiting(five: Federation, name: str, case: str) -> list[cases.PendingEvent]:
    with five[name].database.reading() as connection:
        return list(cases.pending(connection, case))


def test_a_restart_between_two_commits_changes_nothing(five: Federation, case: str) -> None:
    name_target(five, case, "lab-a", 1)
    five.restart("lab-a")
    [event] = waiting(five, "lab-a", case)
    assert claimed_event(event.event).sequence == 1
    five.round()
    five.restart("coord")
    five.settle()
    assert waiting(five, "lab-a", case) == []
    assert len(five.heads(case, *MEMBERS)) == 1


def fork(five: Federation, case: str, facts: str) -> Callable[[], bool]:
    """Another history that the host signs now; what gives it back later."""
    forged = Forger(five, "coord", case).begin(4)
    forged.say("emergency", facts=facts, told=[])
    entries, note, by = forged.entries[4:], forged.note(), five.id("lab-a")
    return lambda: five.run("coord", lambda n, c: recovering.recover(n, c, case, by, entries, note))


def order_and_sign(five: Federation, case: str, number: int) -> None:
    version = f"v{number}"
    five.say("lab-a", case, "target", handle="m", commitment=None, version=version, guardrail="")
    [item] = five.outgoing("lab-a")
    assert five.hand_over(item)
    five.drop("lab-a")
    five.run("coord", lambda n, c: ordering.checkpoint(n, c, n.chains.get(c, case)))


def test_a_host_that_forgot_when_it_first_signed_goes_back_to_nothing_later(
    five: Federation, case: str
) -> None:
    """To what it signed before that, it goes back all the same."""
    go_back_to_first = fork(five, case, "signed before")
    five.clock.forward(seconds=10)
    order_and_sign(five, case, 0)
    five.clock.forward(seconds=10)
    go_back_to_later = fork(five, case, "signed after")
    for number in range(five["coord"].limits.checkpoints + 5):
        five.clock.forward(seconds=10)
        order_and_sign(five, case, number + 1)
    sum(timers.tick(five["coord"]))
    chain = five.chain("coord", case)
    with five["coord"].database.reading() as connection:
        assert cases.checkpoint_note(connection, case, 5, chain.head_at(5)) is None
    with pytest.raises(NotSatisfied, match="another history was signed before this one, after 4"):
        go_back_to_later()
    assert five.head("coord", case) == chain.head
    assert go_back_to_first()
    said = [item.facts for item in five.chain("coord", case).view.emergencies]
    assert said == ["signed before"]
