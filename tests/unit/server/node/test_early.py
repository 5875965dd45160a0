"""What comes before what it follows: bounded, never lost in silence, and never replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steelyard.disclosure.case.event import claimed_event
from steelyard.disclosure.delivery.parcel import open_parcel
from steelyard.server.node.letters import EVENT, REFUSED
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.storage import cases, early
from steelyard.server.storage.early import Early, Room

from .federation import START, Federation


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", "lab-a", "lab-b")
    five.settle()
    return case


def bring(five: Federation, case: str, envelope: bytes) -> bool:
    """Whether the host acknowledges an event of lab-a's that came by itself."""
    card = five["coord"].identity.card
    letter = Letter(EVENT, case, {}, (envelope,))
    five.run("lab-a", lambda n, c: send_to(n, c, card, letter))
    *_, last = five.outgoing("lab-a")
    five.drop("lab-a")
    return five.hand_over(last)


def signed(five: Federation, case: str, count: int) -> list[bytes]:
    """Events of lab-a's that were not sent."""
    for number in range(count):
        five.say("lab-a", case, "emergency", facts=f"{number}", told=[])
    five.drop("lab-a")
    with five["lab-a"].database.reading() as connection:
        return [item.event for item in cases.pending(connection, case)]


def refusals(five: Federation) -> list[str]:
    """Why the host refused events of lab-a's, as it tells lab-a."""
    host, guest = five["coord"], five["lab-a"]
    keys = {item.key.key_id: item.key for item in host.identity.card.keys}
    opened = [
        open_parcel(item.data, guest.identity.receiver, lambda _: keys).parcel
        for item in five.outgoing("coord")
        if item.receiver == "lab-a"
    ]
    return [str(parcel.body["reason"]) for parcel in opened if parcel.kind == REFUSED]


def test_a_line_is_bounded_in_number_and_bytes_and_what_came_first_stays(
    five: Federation, case: str
) -> None:
    room = Room(3, 2_000)
    with five["lab-b"].database.writing() as connection:
        kept = [
            early.keep(connection, case, "line", Early(number, digest, b"x" * length, START), room)
            for number, digest, length in (
                (5, "five", 600), (6, "six", 600), (6, "other", 100), (6, "other", 9_000),
                (9, "nine", 900), (7, "seven", 0), (8, "eight", 0),
            )
        ]  # fmt: skip
        assert kept == ["five", "six", "six", "six", None, "seven", None]
        assert early.take(connection, case, "line", 6) == Early(6, "six", b"x" * 600, START)


def test_one_line_takes_no_room_from_another(five: Federation, case: str) -> None:
    room = Room(3, 1_000)
    with five["lab-b"].database.writing() as connection:
        for line in ("one", "two"):
            first = Early(5, line, b"x" * 900, START)
            assert early.keep(connection, case, line, first, room) == line
        assert early.keep(connection, case, "one", Early(6, "six", b"x" * 200, START), room) is None
        found = early.take(connection, case, "one", 6)
    assert found == Early(5, "one", b"x" * 900, START)


def test_an_event_that_came_early_is_acknowledged_only_if_it_is_kept(
    five: Federation, case: str
) -> None:
    five["coord"].limits = replace(five["coord"].limits, early=Room(2, 1 << 20))
    events, size = signed(five, case, 4), five.chain("coord", case).size
    assert [bring(five, case, item) for item in events[1:]] == [True, True, False]
    assert bring(five, case, events[0])
    assert five.chain("coord", case).size == size + 3
    assert bring(five, case, events[3])
    assert five.chain("coord", case).size == size + 4


@pytest.mark.parametrize("stands", [False, True])
def test_a_second_event_under_a_number_is_refused_with_both_digests(
    five: Federation, case: str, *, stands: bool
) -> None:
    opening, first, last = signed(five, case, 3)
    five["lab-a"].run(lambda c: cases.drop_pending(c, case))
    five.clock.forward(minutes=1)
    _, second, _ = signed(five, case, 3)
    for envelope in (opening, first, last) if stands else (first,):
        assert bring(five, case, envelope)
    assert bring(five, case, second)
    [reason] = refusals(five)
    assert all(claimed_event(item).digest in reason for item in (first, second))
    for envelope in (opening, last):
        assert bring(five, case, envelope)
    assert five.chain("coord", case).index_of(claimed_event(first).digest) is not None
