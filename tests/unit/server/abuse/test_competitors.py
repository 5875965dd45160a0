"""A competitor in a case: what it can learn of others, and what it cannot do with a query.

The attacker is a lab in the case, or a node that is not. It sees who is in its own cases and that
others have answered, and nothing of what; the victim's answer reaches the coordinator alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from tests.unit.disclosure.case.cast import sealed_answer
from tests.unit.disclosure.delivery.test_watermark import TEXT
from tests.unit.server.node.federation import Federation

from steelyard.disclosure.case.findings import find
from steelyard.disclosure.delivery import mark, trace
from steelyard.disclosure.reproducer.query import Query, sign_query
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel import format_instant, parse_json_object
from steelyard.kernel.errors import NotSatisfied, UnknownName
from steelyard.server.node import saying
from steelyard.server.storage import cases, objects
from steelyard.server.web.pages.agenda import silent

FOUR = {
    "coord": ("coordinator", "reporter"),
    "lab-a": ("developer",),
    "lab-b": ("developer",),
    "lab-c": ("developer",),
}
LABS = ("lab-a", "lab-b", "lab-c")
Federate = Callable[..., Federation]


@pytest.fixture
def four(federate: Federate) -> Federation:
    """A coordinator and three labs."""
    return federate(FOUR)


@pytest.fixture
def case(four: Federation) -> str:
    made = four.open("coord", *LABS)
    four.settle()
    return made


def ask(four: Federation, case: str, by: str, *to: str) -> Query:
    now = four.clock.at
    asked = Query(case, "c" * 64, "verdict", "0" * 32, now, now + timedelta(days=7))
    envelope = parse_json_object(sign_query(asked, four[by].identity.key))
    four.say(by, case, "query", query=envelope, to=[four.id(name) for name in to])
    return asked


def answer(four: Federation, case: str, name: str, asked: Query, verdict: Verdict) -> str:
    node, case_id = four[name], case
    four.say(name, case, "target", handle="m1", commitment=None, version="1", guardrail="")
    for event in ("acknowledge", "run"):
        four.say(name, case, "progress", target="m1", event=event)

    class Signer:
        key = node.identity.key

    data = sealed_answer(Signer, asked, verdict, four.clock.at)  # type: ignore[arg-type]
    material = saying.Material(data, "application/json", "h1", (four.id("coord"),))
    sealed = four.run(name, lambda n, c: saying.put_object(n, c, case_id, material))
    four.say(name, case, "answer", target="m1", query=asked.digest, object=sealed)
    return str(sealed["id"])


def found(four: Federation, name: str, case: str) -> dict[str, str]:
    node, chain = four[name], four.chain(name, case)
    with node.database.reading() as connection:
        opened = saying.readable(node, connection, chain.view)
    targets = find(chain, opened).targets
    return {four.name_of(key[0]): item.state for key, item in targets.items()}


def test_a_lab_asks_nobody(four: Federation, case: str) -> None:
    ask(four, case, "lab-b", "lab-a")
    four.settle()
    assert four.chain("coord", case).view.queries == {}
    assert four.chain("lab-a", case).size == 4
    with four["lab-b"].database.reading() as connection:
        [waiting] = cases.pending(connection, case)
    assert "query" in waiting.refused


def test_a_competitor_learns_that_a_lab_answered_and_not_what(four: Federation, case: str) -> None:
    asked = ask(four, case, "coord", *LABS)
    four.settle()
    sealed = {
        name: answer(four, case, name, asked, verdict)
        for name, verdict in (("lab-a", Verdict.AFFECTED), ("lab-c", Verdict.NOT_AFFECTED))
    }
    four.settle()
    states = found(four, "lab-b", case)
    assert (states["lab-a"], states["lab-c"]) == ("answered", "answered")
    states = found(four, "coord", case)
    assert (states["lab-a"], states["lab-c"]) == ("affected", "not_affected")
    for name in sealed.values():
        with four["lab-b"].database.reading() as connection:
            assert objects.get(connection, name) is None
        with pytest.raises(UnknownName):
            four.run("lab-b", lambda n, c, name=name: saying.read_object(n, c, name))
    counts: dict[str, Any] = {"affected": 1, "not_affected": 1, "undetermined": 0}
    with pytest.raises(NotSatisfied, match="counts are told 3 answers at a time"):
        four.say("coord", case, "counts", query=asked.digest, answers=2, by_verdict=counts)


def test_a_copy_that_leaked_names_its_reader_and_everybody_sees_the_embargo_end(
    four: Federation, case: str
) -> None:
    until = format_instant(four.clock.at + timedelta(days=60))
    four.say("coord", case, "propose", until=until, text="Say nothing.")
    four.settle()
    terms = four.chain("coord", case).view.table
    assert terms is not None
    for name in LABS:
        four.say(name, case, "accept", terms=terms.digest)
    material = saying.Material(b"the payload", "text/plain", "h3", (four.id("lab-a"),))
    sealed = four.run("coord", lambda n, c: saying.put_object(n, c, case, material))
    four.say("coord", case, "note", object=sealed, about=None)
    four.settle()
    assert {four.chain(name, case).view.states.em for name in FOUR} == {"active"}
    secret, readers = sha256(b"of the coordinator").digest(), [four.id(name) for name in LABS]
    copies = {name: mark(TEXT, secret, name) for name in readers}
    assert len(set(copies.values())) == len(readers)
    assert {" ".join(copy.split()) for copy in copies.values()} == {" ".join(TEXT.split())}
    traced = trace(copies[four.id("lab-b")], secret, readers, TEXT)
    assert traced.named == (four.id("lab-b"),)
    odds = {score.organization: score.probability for score in traced.scores}
    assert odds[four.id("lab-b")] <= traced.false_accusation
    four.say("coord", case, "world", event="P", evidence="https://leaks.example/1")
    four.settle()
    for name in FOUR:
        view = four.chain(name, case).view
        assert view.states.em == "exited"
        assert view.payloads[str(sealed["id"])].tier == "h3"
    with pytest.raises(NotSatisfied, match="embargo"):
        four.say("coord", case, "propose", until=until, text="Again.")


def test_a_host_that_takes_and_orders_nothing_is_seen_by_what_waits(
    four: Federation, case: str
) -> None:
    four.say("lab-a", case, "emergency", facts="heard by nobody", told=[])
    with four.without("coord"):
        # The host acknowledges what it is sent, and does nothing with it.
        four.drop("lab-a")
        own = four.open("lab-a", "lab-b")
        four.settle_among("lab-a", "lab-b")
        assert four.head("lab-b", own) == four.head("lab-a", own)
    view = four.chain("lab-a", case).view
    assert (view.size, view.emergencies) == (4, ())
    with four["lab-a"].database.reading() as connection:
        [waiting] = cases.pending(connection, case)
    assert waiting.refused == ""
    days = timedelta(days=view.policy.silent_days)
    assert list(silent(view, four.id("lab-a"), view.ordered + days - timedelta(seconds=1))) == []
    for name in ("lab-a", "lab-b"):
        first, *_ = silent(view, four.id(name), view.ordered + days)
        assert f"has ordered nothing for {days.days} d" in first.text
