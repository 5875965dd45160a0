"""A disk that fails, or power that goes, at any statement: memory and disk stay equal."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from threading import Event

import pytest

from steelyard.disclosure.case import replay
from steelyard.kernel.errors import NotSatisfied, StorageError
from steelyard.server.node import ordering, saying
from steelyard.server.storage import cases

from .disks import failing
from .federation import Federation


def on_disk(federation: Federation, name: str, case: str) -> str:
    with federation[name].database.reading() as connection:
        return replay(case, cases.entries(connection, case)).head


def agree(federation: Federation, name: str, case: str) -> bool:
    """Whether what is stored, its summary and what is in memory are one case."""
    with federation[name].database.reading() as connection:
        summary = cases.stands(connection, case)
    chain = federation.chain(name, case)
    return summary == (chain.size, chain.head) and chain.head == on_disk(federation, name, case)


def emergency(federation: Federation, case: str, name: str, facts: str) -> None:
    federation.say(name, case, "emergency", facts=facts, told=[])


@pytest.fixture
def case(five: Federation) -> str:
    case = five.open("coord", "lab-a")
    five.settle()
    return case


def target(federation: Federation, case: str, name: str, turn: int) -> None:
    handle = f"model-{turn % 50}"
    federation.say(
        name, case, "target", handle=handle, commitment=None, version=f"{turn}", guardrail=""
    )


def test_whatever_statement_fails_memory_and_disk_stay_equal(
    federate: Callable[..., Federation],
) -> None:
    two = federate({"coord": ("coordinator", "deployer"), "lab-a": ("developer",)})
    case = two.open("coord", "lab-a")
    two.settle()
    failures, turn = 0, 0
    while True:
        turn += 1
        with failing(two, "coord") as disk:
            disk.fails_at = turn
            try:
                target(two, case, "coord", turn)
            except StorageError:
                failures += 1
            seen = disk.statements
            disk.fails_at = 0
            assert agree(two, "coord", case)
        if seen < turn:
            break
    assert failures == turn - 1 > 3
    two.settle()
    assert len(two.heads(case, "coord", "lab-a")) == 1


def test_entries_that_were_half_taken_are_taken_again(
    federate: Callable[..., Federation],
) -> None:
    five = federate({"coord": ("coordinator", "deployer"), "lab-a": ("developer",)})
    case = five.open("coord", "lab-a")
    five.settle()
    failures, turn = 0, 0
    while True:
        turn += 1
        target(five, case, "coord", turn)
        five.run("coord", ordering.pump)
        [parcel] = [item for item in five.outgoing("coord") if item.receiver == "lab-a"]
        with failing(five, "lab-a") as disk:
            disk.fails_at = turn
            failures += not five.hand_over(parcel)
            seen = disk.statements
            disk.fails_at = 0
            assert agree(five, "lab-a", case)
        five.settle()
        assert five.heads(case, "coord", "lab-a") == {on_disk(five, "lab-a", case)}
        if seen < turn:
            break
    assert failures == turn - 1 > 10


def test_a_commit_that_fails_leaves_nothing_in_memory(five: Federation, case: str) -> None:
    before = five.head("coord", case)
    with failing(five, "coord") as disk:
        disk.fails_to_commit = True
        with pytest.raises(StorageError):
            emergency(five, case, "coord", "lost")
        disk.fails_to_commit = False
    assert five.head("coord", case) == before
    assert agree(five, "coord", case)
    emergency(five, case, "coord", "kept")
    five.settle()
    assert [item.facts for item in five.chain("lab-a", case).view.emergencies] == ["kept"]


def test_a_change_that_fails_after_it_ordered_leaves_nothing_in_memory(
    five: Federation, case: str
) -> None:
    def order_and_fail(connection: object) -> None:
        saying.say(five["coord"], connection, case, "emergency", {"facts": "x", "told": []})  # type: ignore[arg-type]
        raise NotSatisfied("something else went wrong")

    before = five.head("coord", case)
    with pytest.raises(NotSatisfied):
        five["coord"].run(order_and_fail)
    assert five.head("coord", case) == before
    assert agree(five, "coord", case)


def test_who_gives_up_waiting_does_not_stop_the_writer(five: Federation, case: str) -> None:
    """A request that was cut off cancels its change; those after it are made."""
    node, gate = five["coord"], Event()
    node.change(lambda _: gate.wait())
    given_up = node.change(lambda c: saying.forget_refused(node, c, case))
    assert given_up.cancel()
    gate.set()
    emergency(five, case, "coord", "made all the same")
    with pytest.raises(CancelledError):
        given_up.result()
    assert agree(five, "coord", case)
