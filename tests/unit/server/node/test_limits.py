"""What others bring is bounded, and one destination or case never stops the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from secrets import token_bytes

import pytest
from tests.unit.disclosure.delivery.test_sealed_object import dropped, parts_of, rebuilt

from steelyard.attest.recipients import generate_identity
from steelyard.disclosure.case.checkpoint import cosigned_by
from steelyard.disclosure.delivery.object_header import list_tag, read_container, wrap_key
from steelyard.disclosure.delivery.outbox import Outgoing
from steelyard.disclosure.delivery.sealed_object import object_id, seal_object
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.node import ordering, saying
from steelyard.server.node.faults import keys_of_host, open_note
from steelyard.server.node.letters import ENTRIES, FETCH, HEAD, OBJECT, write_entries
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.storage import cases, early, objects, post
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.tables import ENTRIES as ROWS

from .federation import FIVE, START, Federation
from .hostile import Forger

ELSEWHERE = "f" * 64


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", "lab-a", "lab-b")
    five.settle()
    return case


def hand(five: Federation, sender: str, to: str, letter: Letter) -> str:
    """Why a receiver does not take a letter; the sender may be told less."""
    card = five[to].identity.card
    five.run(sender, lambda n, c: send_to(n, c, card, letter))
    *_, last = [item for item in five.outgoing(sender) if item.receiver == to]
    five.hand_over(last)
    five.drop(sender)
    with five[to].database.reading() as connection:
        reasons = {item.parcel_id: item.reason for item in post.refused_letters(connection)}
    return reasons.get(five.post.outcomes[-1].parcel_id, "")


def sealed_for(five: Federation, name: str, content: bytes = b"x") -> bytes:
    card = five[name].identity.card
    readers = {card.organization: card.recipient}
    return seal_object(content, media_type="text/plain", recipients=readers, random=token_bytes)


def bring(five: Federation, case: str, sealed: bytes, sender: str = "lab-a") -> str:
    return hand(five, sender, "lab-b", Letter(OBJECT, case, {"id": object_id(sealed)}, (sealed,)))


def limit(five: Federation, name: str, **limits: int) -> None:
    five[name].limits = replace(five[name].limits, **limits)  # type: ignore[arg-type]


def test_objects_of_cases_that_are_not_here_are_bounded_by_sender(five: Federation) -> None:
    limit(five, "lab-b", stray_bytes=8_000)
    reasons = [bring(five, ELSEWHERE, sealed_for(five, "lab-b")) for _ in range(8)]
    assert "sent of cases that are not here" in reasons[-1]
    with five["lab-b"].database.reading() as connection:
        assert 0 < objects.size_bytes(connection, ELSEWHERE) <= 8_000
    assert bring(five, ELSEWHERE, sealed_for(five, "lab-b"), sender="lab-c") == ""


def test_objects_of_a_case_are_bounded_in_bytes(five: Federation, case: str) -> None:
    limit(five, "lab-b", objects_bytes=8_000)
    reasons = [bring(five, case, sealed_for(five, "lab-b")) for _ in range(8)]
    assert "the objects of this case would take" in reasons[-1]


def test_an_object_is_not_taken_from_its_case_nor_from_a_reader(
    five: Federation, case: str
) -> None:
    readers = {five.id(name): five[name].identity.card.recipient for name in ("lab-a", "lab-b")}
    sealed = seal_object(b"x", media_type="text/plain", recipients=readers, random=token_bytes)
    assert bring(five, case, sealed) == ""
    assert "belongs to another case" in bring(five, ELSEWHERE, sealed)
    header, body = parts_of(sealed)
    dropped(header)
    narrower = rebuilt(header, body)
    assert object_id(narrower) == object_id(sealed)
    assert "this copy has lost a reader" in bring(five, case, narrower)
    with five["lab-b"].database.reading() as connection:
        stored = objects.find(connection, object_id(sealed))
    assert stored is not None
    assert (stored.case, stored.sealed) == (case, sealed)


@dataclass(frozen=True)
class Copy:
    """How a copy of an object differs, and why it is not taken."""

    readers: tuple[str, ...]
    weaker: bool
    with_its_key: bool
    reason: str


@pytest.mark.parametrize(
    "copy",
    [
        Copy(("lab-a", "lab-b", "lab-c"), weaker=False, with_its_key=True, reason=""),
        Copy(("lab-b",), weaker=False, with_its_key=True, reason="has lost a reader"),
        Copy(("lab-a", "lab-b"), weaker=True, with_its_key=True, reason="a weaker key for a"),
        Copy(
            ("lab-a", "lab-b"),
            weaker=False,
            with_its_key=False,
            reason="the data key does not open the body",
        ),
    ],
)
def test_a_copy_takes_the_place_of_an_object_only_if_every_reader_still_reads(
    five: Federation, case: str, copy: Copy
) -> None:
    data_key = token_bytes(32)
    drawn = iter([data_key])
    recipients = {name: five[name].identity.card.recipient for name in FIVE}
    sealed = seal_object(
        b"x",
        media_type="text/plain",
        recipients={five.id(name): recipients[name] for name in ("lab-a", "lab-b")},
        random=lambda count: next(drawn, None) or token_bytes(count),
    )
    assert bring(five, case, sealed) == ""
    if copy.weaker:
        recipients["lab-a"] = generate_identity(hybrid=False).recipient
    container = read_container(sealed)
    key = data_key if copy.with_its_key else token_bytes(32)
    wraps = tuple(
        wrap_key(key, container.object_id, name, recipient)
        for name, recipient in sorted((five.id(name), recipients[name]) for name in copy.readers)
    )
    tag = list_tag(key, container.object_id, wraps)
    other = replace(container, wraps=wraps, tag=tag).to_bytes()
    assert copy.reason in (reason := bring(five, case, other))
    assert bool(reason) == bool(copy.reason)
    with five["lab-b"].database.reading() as connection:
        assert objects.get(connection, object_id(sealed)) == (sealed if reason else other)
    found = five.run("lab-b", lambda n, c: saying.read_object(n, c, object_id(sealed)))
    assert found.plaintext == b"x"


def test_a_stranger_fills_no_disk_with_cases(five: Federation) -> None:
    five["lab-b"].run(lambda c: cards.keep(c, five["coord"].identity.card, START, trusted=False))
    limit(five, "lab-b", stranger_cases=2)
    for _ in range(4):
        five.open("coord", "lab-b")
        five.settle()
    with five["lab-b"].database.reading() as connection:
        assert len(cases.case_ids(connection)) == 2
    assert "nobody trusts it" in five.refusals("lab-b")[0]
    five["lab-b"].run(lambda c: cards.keep(c, five["coord"].identity.card, START, trusted=True))
    case = five.open("coord", "lab-b")
    five.settle()
    assert five.head("lab-b", case)


def test_a_case_of_a_stranger_is_bounded_in_bytes(five: Federation, case: str) -> None:
    five["lab-b"].run(lambda c: cards.keep(c, five["coord"].identity.card, START, trusted=False))
    with five["lab-b"].database.reading() as connection:
        size = cases.size_bytes(connection, case)
    limit(five, "lab-b", stranger_case_bytes=size + 3_000)
    for number in range(4):
        five.say("coord", case, "emergency", facts=f"{number}" * 500, told=[])
        five.settle()
    assert five.chain("lab-b", case).size < five.chain("coord", case).size
    assert "the events of this case would take" in five.refusals("lab-b")[0]


def test_entries_of_a_case_that_is_not_here_are_not_kept(five: Federation, case: str) -> None:
    forged = Forger(five, "coord", case).begin()
    letter = Letter(ENTRIES, case, {"size": 3}, (write_entries(forged.entries[1:]),))
    assert hand(five, "coord", "deploy-d", letter) == ""
    with five["deploy-d"].database.reading() as connection:
        assert early.take(connection, case, "entries", len(forged.entries)) is None


def test_of_what_is_held_only_the_latest_word_waits(five: Federation, case: str) -> None:
    card = five["coord"].identity.card
    for size in range(20):
        letter = Letter(HEAD, case, {"size": size, "head": "0" * 64})
        five.run("lab-a", lambda n, c, it=letter: send_to(n, c, card, it))
        five.run(
            "lab-a", lambda n, c, z=size: send_to(n, c, card, Letter(FETCH, case, {"size": z}))
        )
    assert len(five.outgoing("lab-a")) == 2


def test_a_cosignature_that_waits_is_not_lost_to_a_later_word(five: Federation, case: str) -> None:
    five.say("coord", case, "emergency", facts="one", told=[])
    five.run("coord", ordering.pump)
    [entries] = [item for item in five.outgoing("coord") if item.receiver == "lab-a"]
    five.hand_over(entries)
    five.beat(case)
    five.settle_among("coord", "lab-a")
    chain = five.chain("coord", case)
    with five["coord"].database.reading() as connection:
        [note] = cases.latest_notes(connection, case)
    assert open_note(chain, note).size == chain.size
    cosigned_by(note, five.id("lab-a"), keys_of_host(chain, five.id("lab-a")))


def test_a_destination_gets_no_more_than_its_outbox_holds(five: Federation, case: str) -> None:
    limit(five, "lab-a", outbox_bytes=40_000)
    while sum(len(item.data) for item in five.outgoing("lab-a")) < 36_000:
        five.say("lab-a", case, "emergency", facts="x" * 900, told=[])
    with pytest.raises(NotSatisfied, match="bytes wait for"):
        five.say("lab-a", case, "emergency", facts="x" * 900, told=[])
    five.say("coord", case, "emergency", facts="goes on", told=[])
    five.settle_among("coord", "lab-b")
    assert five.chain("lab-b", case).size == five.chain("coord", case).size


def test_a_follower_that_takes_nothing_is_sent_a_bounded_number_of_parcels(
    five: Federation, case: str
) -> None:
    limit(five, "coord", under_way=3)
    with five.without("lab-b"):
        for number in range(12):
            handle = f"model-{number}"
            five.say("lab-a", case, "target", handle=handle, commitment=None, version="1",
                     guardrail="")  # fmt: skip
            five.settle_among("coord", "lab-a")
        waiting = [item for item in five.outgoing("coord") if item.receiver == "lab-b"]
        assert len(waiting) <= 4
    five.settle()
    assert five.head("lab-b", case) == five.head("coord", case)


def test_what_waits_for_a_dead_destination_hides_nothing_from_others(five: Federation) -> None:
    def sending(number: int, to: str) -> post.Sending:
        item = Outgoing(f"{number:064x}", to, five.clock.at, five.clock.at)
        return post.Sending(item, "head", ELSEWHERE, b"parcel")

    def fill(connection: object) -> None:
        for number in range(700):
            post.add(connection, sending(number, five.id("lab-b")))  # type: ignore[arg-type]
        post.add(connection, sending(700, five.id("lab-c")))  # type: ignore[arg-type]

    five["lab-a"].run(fill)
    with five["lab-a"].database.reading() as connection:
        due = post.waiting(connection, five.clock.at + timedelta(seconds=1))
    assert {item.destination for item in due} == {five.id("lab-b"), five.id("lab-c")}
    assert len(due) == 65


def test_a_case_that_cannot_be_read_does_not_stop_the_others(
    five: Federation, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = five.open("coord", "lab-a")
    five.settle()
    five.say("coord", case, "emergency", facts="one", told=[])
    five.say("coord", other, "emergency", facts="two", told=[])
    five["coord"].run(
        lambda c: c.execute(
            ROWS.update().where(ROWS.c.case_id == case, ROWS.c.place == 1).values(event=b"{}")
        )
    )
    five.restart("coord")
    five.run("coord", ordering.pump)
    five.settle()
    assert five.head("lab-a", other) == five.head("coord", other)
    assert f"case {case[:16]} is not sent" in caplog.text
