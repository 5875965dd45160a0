"""Five nodes over a bad wire hold the same case, byte for byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.server.storage import postgresql

from .federation import FIVE, Federation, Post

LOSS, DUPLICATES = 0.3, 0.2


def name_target(federation: Federation, case: str, name: str, handle: str) -> None:
    federation.say(name, case, "target", handle=handle, commitment=None, version="1", guardrail="")


@pytest.mark.parametrize("seed", range(20))
def test_five_nodes_converge_over_a_wire_that_loses_doubles_and_reorders(
    federate: Callable[..., Federation], seed: int, record_property: Callable[[str, object], None]
) -> None:
    five = federate()
    five.post = Post(seed, loss=LOSS, duplicates=DUPLICATES)
    case = five.open("coord", "lab-a", "lab-b", "lab-c", "deploy-d")
    for _ in range(6):
        five.round()
    said = 0
    with five.without("lab-b", "deploy-d"):
        for number in range(4):
            for name in ("lab-a", "lab-b", "lab-c"):
                if five.head(name, case):
                    name_target(five, case, name, f"model-{number}")
                    said += 1
            five.round()
    five.settle()
    assert len(five.heads(case)) == 1
    views = [five.chain(name, case).view for name in five.nodes]
    assert all(view == views[0] for view in views)
    assert (views[0].size, len(views[0].targets)) == (5 + said, said)
    record_property("sends_per_delivery", round(five.post.sent / five.post.arrived, 2))


def test_several_cases_of_several_hosts_converge_while_everybody_talks(
    five: Federation,
) -> None:
    five.post = Post(7, loss=LOSS, duplicates=DUPLICATES)
    guests = {"coord": ("lab-a", "lab-b", "lab-c"), "lab-a": ("coord", "lab-c", "deploy-d")}
    opened = {host: five.open(host, *names) for host, names in guests.items()}
    for number in range(6):
        five.round()
        for host, case in opened.items():
            for name in (host, *guests[host]):
                if name != "coord" and five.head(name, case):
                    name_target(five, case, name, f"model-{number}")
    five.settle()
    for host, case in opened.items():
        assert five.heads(case, host, *guests[host]) == {five.head(host, case)}
        assert five.chain(host, case).size > 16


def test_nodes_over_postgresql_converge_alike(
    federate: Callable[..., Federation], postgresql_server: str
) -> None:
    names = ("coord", "lab-a", "lab-b")
    urls = {
        name: postgresql.make_database(postgresql_server, f"federation_{name.replace('-', '_')}")
        for name in names
    }
    three = federate({name: FIVE[name] for name in names}, urls=urls)
    three.post = Post(3, loss=LOSS, duplicates=DUPLICATES)
    case = three.open("coord", "lab-a", "lab-b")
    for number in range(5):
        three.round()
        for name in ("lab-a", "lab-b"):
            if three.head(name, case):
                name_target(three, case, name, f"model-{number}")
    three.settle()
    assert len(three.heads(case)) == 1
    assert three.chain("coord", case).size > 5


def test_what_waits_is_signed_anew_after_a_refusal_and_stands_once(five: Federation) -> None:
    """Two events under way when a third of the same author comes first, by another way."""
    case = five.open("coord", "lab-a")
    five.settle()
    name_target(five, case, "lab-a", "model-1")
    name_target(five, case, "lab-a", "model-2")
    first, second = five.outgoing("lab-a")
    assert five.hand_over(second)
    assert five.hand_over(first)
    five.settle()
    assert [key[1] for key in five.chain("coord", case).view.targets] == ["model-1", "model-2"]
    assert five.heads(case, "coord", "lab-a") == {five.head("coord", case)}
