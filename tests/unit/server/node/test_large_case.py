"""A large case costs no more for each event than a small one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, event

from steelyard.server.node import Node, chains, ordering, saying
from steelyard.server.storage import followers

from .federation import Federation

ENTRIES = 600


def fill(federation: Federation, case: str, count: int) -> None:
    """Events of a participant, ordered by the host without the post between."""

    def order(node: Node, connection: Connection) -> None:
        before = node.chains.get(connection, case).size
        for number in range(before, before + count):
            body = {"handle": f"m{number % 50}", "commitment": None, "version": f"v{number}"}
            saying.say(node, connection, case, "target", {**body, "guardrail": ""})

    federation.run("coord", order)


def statements(federation: Federation, name: str, make: Callable[[], object]) -> int:
    """How many statements a node's database is asked."""
    asked: list[str] = []
    engine = federation[name].database.engine

    def note(*args: object) -> None:
        asked.append(str(args[2]))

    event.listen(engine, "before_cursor_execute", note)
    make()
    event.remove(engine, "before_cursor_execute", note)
    return len(asked)


def test_pumping_asks_as_little_of_a_long_case_and_of_many_cases(
    federate: Callable[..., Federation],
) -> None:
    two = federate({"coord": ("coordinator", "deployer"), "lab-a": ("developer",)})
    case = two.open("coord", "lab-a")
    two.settle()
    few = statements(two, "coord", lambda: two.run("coord", ordering.pump))
    fill(two, case, ENTRIES)
    others = [two.open("coord", "lab-a") for _ in range(20)]
    two.settle()
    assert two.heads(case) == {two.head("coord", case)}
    assert two.chain("lab-a", case).size == ENTRIES + 2
    assert statements(two, "coord", lambda: two.run("coord", ordering.pump)) == few
    two["coord"].chains.drop_all()
    two.run("coord", ordering.pump)
    assert all(two["coord"].chains.held(name) is None for name in (case, *others))


def test_a_member_that_joins_late_is_sent_a_long_case_in_few_parcels(
    federate: Callable[..., Federation],
) -> None:
    two = federate({"coord": ("coordinator", "deployer"), "lab-a": ("developer",)})
    case = two.open("coord", "lab-a")
    fill(two, case, ENTRIES)
    two.run("coord", ordering.pump)
    sent = two.outgoing("coord")
    assert len(sent) == 3
    for parcel in reversed(sent):
        two.hand_over(parcel)
    two.settle()
    assert two.heads(case) == {two.head("coord", case)}


def test_chains_in_memory_are_bounded_by_their_entries(
    federate: Callable[..., Federation],
) -> None:
    two = federate({"coord": ("coordinator", "deployer"), "lab-a": ("developer",)})
    opened = [two.open("coord") for _ in range(6)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chains, "_HELD_ENTRIES", 3)
        two["coord"].chains.drop_all()
        for case in opened:
            assert two.chain("coord", case).size == 1
    held = [case for case in opened if two["coord"].chains.held(case) is not None]
    assert held == opened[-3:]


def test_who_left_is_followed_no_longer(five: Federation) -> None:
    case = five.open("coord", "lab-a", "lab-b")
    five.settle()
    five.say("lab-b", case, "leave", reason="")
    five.settle()
    with five["coord"].database.reading() as connection:
        assert set(followers.of_case(connection, case)) == {five.id("lab-a")}
    five.say("coord", case, "emergency", facts="x", told=[])
    five.settle()
    assert five.head("lab-b", case) != five.head("coord", case)
