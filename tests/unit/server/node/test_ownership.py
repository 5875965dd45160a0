"""A host that falls silent: votes, a quorum, another host, and the old one coming back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import ownership

from .federation import Federation

SILENT_DAYS = 3
MEMBERS = ("coord", "lab-a", "lab-b", "lab-c")


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", *MEMBERS[1:], silent_days=SILENT_DAYS)
    five.settle()
    return case


def vote(five: Federation, case: str, name: str, to: str) -> None:
    five.run(name, lambda n, c: ownership.vote(n, c, case, five.id(to)))


def host(five: Federation, case: str, name: str) -> str:
    return five.name_of(five.chain(name, case).view.host)


def say(five: Federation, case: str, name: str, facts: str) -> None:
    five.say(name, case, "emergency", facts=facts, told=[])


def facts(five: Federation, case: str, name: str) -> set[str]:
    return {item.facts for item in five.chain(name, case).view.emergencies}


def test_a_quorum_makes_another_host_and_the_old_one_follows(five: Federation, case: str) -> None:
    with five.without("coord"):
        say(five, case, "coord", "said by the old host, heard by nobody")
        say(five, case, "lab-b", "said to a silent host")
        five.clock.forward(days=SILENT_DAYS)
        for name in ("lab-b", "lab-a", "lab-c"):
            vote(five, case, name, "lab-a")
        five.settle_among("lab-a", "lab-b", "lab-c")
        assert {host(five, case, name) for name in ("lab-a", "lab-b", "lab-c")} == {"lab-a"}
    five.drop("lab-b")
    five.settle()
    five.settle()
    assert {host(five, case, name) for name in MEMBERS} == {"lab-a"}
    assert len(five.heads(case, *MEMBERS)) == 1
    assert facts(five, case, "lab-c") == {
        "said by the old host, heard by nobody",
        "said to a silent host",
    }


def test_no_vote_counts_before_the_host_was_silent_long_enough(five: Federation, case: str) -> None:
    five.clock.forward(days=SILENT_DAYS - 1)
    with pytest.raises(NotSatisfied, match="the host is silent for 2 days, need 3"):
        vote(five, case, "lab-a", "lab-a")


def test_nobody_takes_over_without_the_reporter_and_a_majority(five: Federation, case: str) -> None:
    five.clock.forward(days=SILENT_DAYS + 1)
    with five.without("coord"):
        for name in ("lab-b", "lab-c"):
            vote(five, case, name, "lab-b")
        five.settle_among("lab-b", "lab-c")
        assert host(five, case, "lab-b") == "coord"
        vote(five, case, "lab-a", "lab-b")
        five.settle_among("lab-a", "lab-b", "lab-c")
        assert host(five, case, "lab-b") == "lab-b"


def test_a_candidate_that_lacks_entries_gets_them_from_who_votes(
    five: Federation, case: str
) -> None:
    with five.without("lab-a"):
        say(five, case, "lab-b", "missed by the candidate")
        five.settle_among("coord", "lab-b", "lab-c")
    five.drop("coord")
    five.clock.forward(days=SILENT_DAYS + 1)
    with five.without("coord"):
        assert five.chain("lab-a", case).size == 4
        for name in ("lab-b", "lab-c"):
            vote(five, case, name, "lab-a")
        five.settle_among("lab-a", "lab-b", "lab-c")
        assert five.chain("lab-a", case).size == 5
        vote(five, case, "lab-a", "lab-a")
        five.settle_among("lab-a", "lab-b", "lab-c")
        assert host(five, case, "lab-c") == "lab-a"


def test_the_old_host_comes_back_with_entries_that_only_some_have_seen(
    five: Federation, case: str
) -> None:
    with five.without("lab-a", "lab-b"):
        say(five, case, "coord", "heard by one")
        five.settle_among("coord", "lab-c")
    five.drop("coord")
    five.clock.forward(days=SILENT_DAYS + 1)
    with five.without("coord", "lab-c"):
        for name in ("lab-b", "lab-a"):
            vote(five, case, name, "lab-a")
        five.settle_among("lab-a", "lab-b")
    assert (host(five, case, "lab-a"), host(five, case, "lab-c")) == ("lab-a", "coord")
    five.settle()
    five.settle()
    assert {host(five, case, name) for name in MEMBERS} == {"lab-a"}
    assert len(five.heads(case, *MEMBERS)) == 1
    assert facts(five, case, "lab-b") == {"heard by one"}


EQUALS = ("coord", "lab-a", "lab-b", "lab-c", "lab-d")


def developers(federate: Callable[..., Federation]) -> tuple[Federation, str]:
    """Five developers, and a case of the first with all of them."""
    five = federate(dict.fromkeys(EQUALS, ("developer",)))
    five.clock.forward(days=1)
    case = five.open(*EQUALS, silent_days=SILENT_DAYS)
    five.settle()
    return five, case


def test_of_two_takeovers_in_a_partition_everybody_keeps_the_same(
    federate: Callable[..., Federation],
) -> None:
    five, case = developers(federate)
    five.clock.forward(days=SILENT_DAYS + 1)
    with five.without("coord", "lab-d"):
        for name in ("lab-a", "lab-b", "lab-c"):
            vote(five, case, name, "lab-a")
        with five.without("lab-b"):
            five.settle_among("lab-a", "lab-c")
    with five.without("coord", "lab-a", "lab-c"):
        vote(five, case, "lab-d", "lab-d")
        five.drop("lab-b")
        vote(five, case, "lab-b", "lab-d")
        five.settle_among("lab-b", "lab-d")
    five.settle()
    five.settle()
    assert len({host(five, case, name) for name in EQUALS}) == 1
    assert len(five.heads(case, *EQUALS)) == 1


def test_of_a_handover_and_a_takeover_in_a_partition_the_lesser_hash_stays(
    federate: Callable[..., Federation],
) -> None:
    """A host that hands over and a quorum without it have nobody in common."""
    five, case = developers(federate)
    size = five.chain("coord", case).size
    five.clock.forward(days=SILENT_DAYS + 1)
    with five.without("lab-b", "lab-c", "lab-d"):
        body = {"to": five.id("lab-a"), "size": size, "head": five.head("coord", case)}
        for name in ("coord", "lab-a"):
            five.say(name, case, "transfer", **body)
            five.settle_among("coord", "lab-a")
    with five.without("coord", "lab-a"):
        for name in ("lab-b", "lab-c", "lab-d"):
            vote(five, case, name, "lab-d")
        five.settle_among("lab-b", "lab-c", "lab-d")
    assert [host(five, case, name) for name in EQUALS] == ["lab-a"] * 2 + ["lab-d"] * 3
    parted = {five.chain(name, case).head_at(size + 1): name for name in ("lab-a", "lab-d")}
    five.settle()
    five.settle()
    assert {host(five, case, name) for name in EQUALS} == {parted[min(parted)]}
    assert len(five.heads(case, *EQUALS)) == 1


def test_a_host_hands_a_case_over_at_any_time(five: Federation, case: str) -> None:
    body = {"to": five.id("lab-a"), "size": 4, "head": five.head("coord", case)}
    five.say("coord", case, "transfer", **body)
    five.settle()
    five.say("lab-a", case, "transfer", **body)
    five.settle()
    assert {host(five, case, name) for name in MEMBERS} == {"lab-a"}
    say(five, case, "coord", "to the new host")
    five.settle()
    assert facts(five, case, "lab-b") == {"to the new host"}
    assert len(five.heads(case, *MEMBERS)) == 1
