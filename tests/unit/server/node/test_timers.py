"""What falls due by itself, whatever the clock and the power supply do."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from steelyard.kernel import format_instant
from steelyard.server.node import legal, restoring, timers
from steelyard.server.node.identity import load_root, rotate_keys
from steelyard.server.storage import notices as rows

from .federation import Federation

MEMBERS = ("coord", "lab-a", "lab-b")
FACTS = """
schema: steelyard/disclosure-facts/1
subject: {subject}
events:
  - {{event: severe-incident-aware, at: "2026-11-02T12:00:00Z"}}
conditions: {{eu-product-manufacturer: true}}
zones: {{eu-member-state: Europe/Berlin}}
"""


def facts_of(case: str) -> str:
    return FACTS.format(subject=legal.subject(case))


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", *MEMBERS[1:], rsvp_days=7)
    five.settle()
    return case


def tick(five: Federation, name: str) -> int:
    return sum(timers.tick(five[name]))


def embargo(five: Federation, case: str, days: int = 60) -> str:
    until = format_instant(five.clock.at + timedelta(days=days))
    terms = five.say("lab-a", case, "propose", until=until, text="Say nothing.").digest
    five.settle()
    five.say("coord", case, "accept", terms=terms)
    five.settle()
    return terms


def consent(five: Federation, case: str, of: str, at: str = "lab-a") -> str:
    return five.chain(at, case).view.states.participant(five.id(of)).pec


def test_an_invitation_that_nobody_answers_lapses_for_everybody(
    five: Federation, case: str
) -> None:
    embargo(five, case)
    tick(five, "coord")
    assert consent(five, case, "lab-b") == "invited"
    five.clock.forward(days=8)
    five.restart("coord")
    tick(five, "coord")
    tick(five, "coord")
    five.settle()
    assert consent(five, case, "lab-b") == "lapsed"
    said = [item.event.kind for item in five.chain("lab-b", case).ordered]
    assert said.count("lapse") == 1


def test_a_clock_set_back_and_forth_lapses_nothing_early_or_twice(
    five: Federation, case: str
) -> None:
    embargo(five, case)
    five.clock.forward(days=6)
    tick(five, "coord")
    five.clock.forward(days=-3)
    tick(five, "coord")
    assert consent(five, case, "lab-b", at="coord") == "invited"
    five.clock.forward(days=6)
    tick(five, "coord")
    assert consent(five, case, "lab-b", at="coord") == "lapsed"
    five.clock.forward(days=-6)
    tick(five, "coord")
    assert consent(five, case, "lab-b", at="coord") == "lapsed"


def test_what_others_bring_is_ordered_between_any_two_cases(five: Federation) -> None:
    five.clock.forward(days=1)
    cases, node = [five.open("coord", *MEMBERS[1:], rsvp_days=7) for _ in range(12)], five["coord"]
    five.settle()
    for case in cases:
        embargo(five, case)
    five.clock.forward(days=8)
    folder = five.folder / "coord"
    node.identity = rotate_keys(folder, load_root(folder), node.now(), revoke=False)
    brought: list[Future[tuple[int, int]]] = []

    def look(connection: Connection) -> tuple[int, int]:
        """In how many cases a new card stands, and a lapse."""
        views = [node.chains.get(connection, case).view for case in cases]
        states = [view.states.participant(five.id("lab-b")).pec for view in views]
        told = [view.members[node.organization].card.sequence == 2 for view in views]
        return sum(told), states.count("lapsed")

    def clock() -> datetime:
        """Has something brought while each change is made."""
        if threading.current_thread().name == "writer":
            brought.append(node.change(look))
        return five.clock.at

    node.now = clock
    assert sum(timers.tick(node)) == 2 * len(cases)
    seen = {item.result() for item in brought}
    assert seen >= {(count, count) for count in range(1, len(cases))}


def test_what_is_done_daily_is_done_again_where_it_was_cut_off(five: Federation, case: str) -> None:
    next(timers.tick(five["lab-a"]))
    five.drop("lab-a")
    assert tick(five, "lab-a") == 1
    assert tick(five, "lab-a") == 0
    assert case


def test_a_case_that_waits_after_a_restore_keeps_no_other_from_being_looked_after(
    five: Federation, case: str
) -> None:
    embargo(five, case)
    others = [five.open("lab-a", "coord") for _ in range(8)]
    five.settle()
    five.run("coord", restoring.begin)
    five.clock.forward(days=8)
    assert tick(five, "coord") == len(others)
    assert consent(five, case, "lab-b", at="coord") == "invited"


def test_a_reporter_publishes_after_a_silent_vendor_when_the_embargo_is_over(
    five: Federation, case: str
) -> None:
    embargo(five, case, days=20)
    five.clock.forward(days=21)
    tick(five, "coord")
    five.settle()
    reference = five.seal("lab-a", case, b"an advisory", *MEMBERS)
    five.say("lab-a", case, "draft", object=reference, advisory="a" * 64)
    five.settle()
    five.say("lab-b", case, "dissent", advisory="a" * 64, text="Not like this.")
    five.settle()
    five.say("lab-a", case, "publish", advisory="a" * 64, references=[])
    five.settle()
    for name in MEMBERS:
        view = five.chain(name, case).view
        assert view.publication.published is not None
        assert [item.text for item in view.publication.dissents] == ["Not like this."]
        assert view.states.em == "exited"


@pytest.mark.usefixtures("case")
def test_participants_say_what_they_hold_once_a_day(five: Federation) -> None:
    tick(five, "lab-a")
    five.settle()
    five.clock.forward(hours=1)
    assert tick(five, "lab-a") == 0
    five.clock.forward(hours=24)
    assert tick(five, "lab-a") == 1
    assert [item.receiver for item in five.outgoing("lab-a")] == ["coord"]


def test_a_node_that_was_off_until_its_parcels_were_given_up_is_sent_them_again(
    five: Federation, case: str
) -> None:
    with five.without("lab-b"):
        five.say("coord", case, "emergency", facts="missed", told=[])
        five.settle_among("coord", "lab-a")
    five.drop("coord")
    five.drop("lab-a")
    assert five.head("lab-b", case) != five.head("coord", case)
    five.clock.forward(days=20)
    tick(five, "lab-b")
    five.settle()
    assert len(five.heads(case, *MEMBERS)) == 1


def test_entries_that_a_host_withholds_are_asked_for_until_they_come(
    five: Federation, case: str
) -> None:
    with five.without("lab-b"):
        five.say("coord", case, "emergency", facts="withheld", told=[])
        five.settle_among("coord", "lab-a")
    five.drop("coord")
    five.settle()
    tick(five, "lab-b")
    five.drop("lab-b")
    five.clock.forward(minutes=11)
    assert tick(five, "lab-b") >= 1
    five.settle()
    assert len(five.heads(case, *MEMBERS)) == 1


def test_deadlines_run_from_what_the_case_says_and_survive_everything(
    five: Federation, case: str
) -> None:
    def board(name: str = "lab-a") -> dict[str, str]:
        found = five.run(name, lambda n, c: legal.followed(n, c, case))
        return {} if found is None else {item.rule.id: item.status for item in found.deadlines}

    assert board() == {}
    entering = legal.read_entered(case, facts_of(case))
    five.run("lab-a", lambda n, c: legal.enter(n, c, entering))
    assert board()["cra-14-2-a"] == "waiting"
    five.say("lab-a", case, "world", event="A", evidence="seen in the wild")
    five.settle()
    assert board()["cra-14-2-a"] == "open"
    five.clock.forward(hours=30)
    assert board()["cra-14-2-a"] == "missed"
    five.restart("lab-a")
    five.clock.forward(hours=-20)
    assert board()["cra-14-2-a"] == "missed"
    tick(five, "lab-a")
    with five["lab-a"].database.reading() as connection:
        assert rows.due(connection, five.clock.at, 10) == ()
