"""What parcels told that were given up is signed anew and sent, when somebody says so."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.unit.server.web.machines.test_over_http import LIMIT_S, Listening

from steelyard.cli.disclose import node as commands
from steelyard.disclosure.delivery import outbox
from steelyard.disclosure.delivery.outbox import Attempt, Destination, Outgoing
from steelyard.disclosure.delivery.sending_policy import load_policy
from steelyard.kernel import utc_now
from steelyard.kernel.errors import NotSatisfied, UnknownName
from steelyard.server.node import Node, heads, retrying, saying
from steelyard.server.node.letters import ASK, ENTRIES, EVENT
from steelyard.server.node.limits import Limits
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.node.saying import Invitation, Opening
from steelyard.server.node.sending import Sender
from steelyard.server.storage import organizations as cards
from steelyard.server.storage import post
from steelyard.server.storage.post import DeadLetter

from .federation import Federation


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Listening]:
    made = Listening(tmp_path / "host", "Host")
    yield made
    made.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Listening]:
    made = Listening(tmp_path / "lab", "Lab")
    yield made
    made.close()


def invited(host: Listening, lab: Listening) -> str:
    """A case that an organization is invited to, and has not heard of."""
    node, opening = host.node, Opening("A flaw", "What was found.", ("coordinator",))
    case = node.run(lambda c: saying.open_case(node, c, opening)).case
    invitation = Invitation(lab.node.organization, ("developer",))
    node.run(lambda c: saying.invite(node, c, case, invitation))
    return case


def send_all(host: Listening, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send until so many parcels were delivered or given up."""
    ended: queue.Queue[str] = queue.Queue()
    keep = post.save

    def save(connection: Connection, item: Outgoing, to: Destination, error: str) -> None:
        keep(connection, item, to, error)
        ended.put(item.state)

    async def go() -> None:
        sending = asyncio.create_task(Sender(host.node, allow_private=True).run())
        states: list[str] = []
        while len(states) - states.count("waiting") < count:
            states.append(await asyncio.to_thread(ended.get, timeout=LIMIT_S))
        sending.cancel()
        await asyncio.wait([sending])

    with monkeypatch.context() as watched:
        watched.setattr(post, "save", save)
        asyncio.run(go())
    # One change after the other: the last end is on disk once this is.
    host.node.run(lambda _: None)


def given_up(node: Node) -> tuple[DeadLetter, ...]:
    with node.database.reading() as connection:
        return post.dead_letters(connection)


def test_an_invitation_that_was_refused_arrives_once_its_host_is_trusted(
    host: Listening,
    lab: Listening,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    host.knows(lab)
    card, folder = host.node.identity.card, tmp_path / "host"
    lab.node.run(lambda c: cards.keep(c, card, lab.node.now()))
    opened = {invited(host, lab) for _ in range(1 + Limits().stranger_cases)}
    send_all(host, len(opened), monkeypatch)
    [letter] = given_up(host.node)
    case = letter.case
    assert (letter.kind, lab.size(case)) == (ENTRIES, 0)
    assert {lab.size(other) for other in opened - {case}} == {2}
    commands.status(node=folder)
    told = capsys.readouterr().out
    assert f"\ngiven up {letter.parcel_id[:12]} for Lab: entries, the receiver refused" in told
    commands.status(node=tmp_path / "lab")
    told = capsys.readouterr().out
    assert f"\nrefused {letter.parcel_id[:12]} from Host: entries, " in told
    lab.knows(host)
    # Within one second the same would be told by the same parcel.
    host.node.now = lab.node.now = lambda: utc_now() + timedelta(seconds=20)
    commands.retry([letter.parcel_id[:12], letter.parcel_id[:12]], node=folder)
    assert capsys.readouterr().err == "1 to be sent again\n"
    assert given_up(host.node) == ()
    host.send(lab, case, 2)
    assert lab.size(case) == 2


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", "lab-a", "lab-b")
    five.settle()
    five.beat(case)
    five.settle()
    return case


def leave(five: Federation, name: str) -> list[str]:
    """Have everything that waits given up, as receivers left their addresses; its ids."""
    policy, node = load_policy(), five[name]

    def end(connection: Connection, item: Outgoing) -> None:
        item, to = outbox.begin(policy, item, Destination(item.destination), node.now())
        ended, to = outbox.finish(policy, item, to, Attempt(node.now(), "410"), 0.0)
        post.save(connection, ended, to, "gone")

    with node.database.reading() as connection:
        items = post.listed(connection, ("waiting",))
    for item in items:
        node.run(lambda c, item=item: end(c, item))
    five.clock.forward(hours=1)
    return [item.parcel_id for item in items]


def retry(five: Federation, name: str, *parcels: str) -> int:
    return five.run(name, lambda n, c: retrying.retry(n, c, parcels))


def test_an_event_is_told_by_another_parcel(five: Federation, case: str) -> None:
    for facts in ("first", "second"):
        five.say("lab-a", case, "emergency", facts=facts, told=[])
    first, second = leave(five, "lab-a")
    five.settle()
    assert five.chain("coord", case).view.emergencies == ()
    assert retry(five, "lab-a", first) == 2
    sent = {item.parcel_id for item in five.outgoing("lab-a")}
    assert len(sent - {first, second}) == 2
    five.settle()
    told = [item.facts for item in five.chain("lab-b", case).view.emergencies]
    assert (told, given_up(five["lab-a"])) == (["first", "second"], ())


def test_an_object_is_sent_again(five: Federation, case: str) -> None:
    reference = five.seal("coord", case, b"what was found", "lab-a")
    five.say("coord", case, "note", object=reference, about=None)
    [lost] = leave(five, "coord")
    five.settle()
    name = str(reference["id"])
    with pytest.raises(UnknownName):
        five.run("lab-a", lambda n, c: saying.read_object(n, c, name))
    assert retry(five, "coord", lost) == 1
    assert [item.parcel_id for item in five.outgoing("coord")] != [lost]
    five.settle()
    opened = five.run("lab-a", lambda n, c: saying.read_object(n, c, name))
    assert opened.plaintext == b"what was found"


def test_a_question_for_entries_is_asked_of_what_is_lacking_now(
    five: Federation, case: str
) -> None:
    five.run("lab-a", lambda n, c: heads.fetch(n, c, case, five.id("coord"), 0))
    [lost] = leave(five, "lab-a")
    assert retry(five, "lab-a", lost) == 1
    [sent] = five.outgoing("lab-a")
    assert (sent.parcel_id != lost, given_up(five["lab-a"])) == (True, ())


HINT = "what is missing still is asked for, or told with the next event of the case"


def refused(five: Federation, name: str, *parcels: str) -> str:
    """Why nothing of some parcels is sent; all of them are still given up."""
    before = given_up(five[name])
    with pytest.raises(NotSatisfied) as error:
        retry(five, name, *parcels)
    assert error.value.hint == HINT
    assert given_up(five[name]) == before
    return error.value.message


def test_an_event_that_stands_is_not_told_again(five: Federation, case: str) -> None:
    five.say("lab-a", case, "emergency", facts="told", told=[])
    [carried] = five.outgoing("lab-a")
    assert five.hand_over(carried)
    [lost] = leave(five, "lab-a")
    five.settle()
    reason = refused(five, "lab-a", lost)
    assert (
        reason == "a parcel of kind 'event' is not sent again: nothing that it told is left to tell"
    )


def test_entries_that_arrived_by_another_way_are_not_sent_again(
    five: Federation, case: str
) -> None:
    five.say("coord", case, "emergency", facts="told", told=[])
    with five.without("lab-a", "lab-b"):
        five.round()
    for carried in five.outgoing("coord"):
        assert five.hand_over(carried)
    lost = leave(five, "coord")
    five.settle()
    assert len(lost) == 2
    assert refused(five, "coord", *lost).endswith(": its receiver holds every entry")


def test_who_is_no_longer_followed_is_sent_no_entries(five: Federation, case: str) -> None:
    five.say("coord", case, "emergency", facts="told", told=[])
    with five.without("lab-a", "lab-b"):
        five.round()
    lost = leave(five, "coord")
    for name in ("lab-a", "lab-b"):
        five.say(name, case, "leave", reason="done")
    five.settle()
    reason = refused(five, "coord", *lost)
    assert reason.endswith(": this node does not send it the entries of the case now")


def test_what_is_asked_for_again_by_itself_keeps_all_that_is_named_with_it(
    five: Federation, case: str
) -> None:
    ask = Letter(ASK, case, {"ids": ["0" * 64]})
    five.run("lab-a", lambda n, c: send_to(n, c, five["coord"].identity.card, ask))
    five.say("lab-a", case, "emergency", facts="told", told=[])
    lost = leave(five, "lab-a")
    assert {item.kind for item in given_up(five["lab-a"])} == {ASK, EVENT}
    assert refused(five, "lab-a", *lost).startswith("a parcel of kind 'ask' is not sent again")
    assert five.outgoing("lab-a") == []


def test_the_beginning_of_two_ids_names_neither(tmp_path: Path) -> None:
    two = [
        DeadLetter(f"abcd{end}", "org:x", EVENT, "", utc_now(), "refused") for end in ("e0", "e1")
    ]
    named = commands._given_up  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(UnknownName, match="begins the id of 2 parcels"):
        named(two, "abcde", tmp_path)
    with pytest.raises(UnknownName, match="begins the id of 1 parcels"):
        named(two[:1], "abc", tmp_path)
    assert named(two, "ABCDE1", tmp_path) == "abcde1"


@pytest.mark.parametrize("text", ["", "nothing"])
def test_what_was_not_given_up_is_not_sent_again(five: Federation, case: str, text: str) -> None:
    five.say("lab-a", case, "emergency", facts="told", told=[])
    leave(five, "lab-a")
    folder = five.folder / "lab-a"
    with pytest.raises(UnknownName) as unknown:
        commands.retry([text], node=folder)
    assert unknown.value.message.endswith("parcels given up in the last 400 days, need one")
    assert unknown.value.hint == (
        f"those marked given up: steelyard disclose node status --node {folder}"
    )
