"""A host whose database came back from a backup asks before it orders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steelyard.disclosure.delivery.outbox import Outgoing
from steelyard.kernel.errors import StorageError
from steelyard.server.node import restoring
from steelyard.server.node.identity import load_root
from steelyard.server.node.inbox import receive
from steelyard.server.node.letters import ENTRIES, FETCH
from steelyard.server.node.rotation import announce_card, rotate
from steelyard.server.storage import organizations as cards
from steelyard.server.storage import post

from .federation import START, Federation, damage


def lose_two(five: Federation) -> tuple[str, str]:
    """A case of `coord`, restored to before its last two entries; its head before that."""
    case = five.open("coord", "lab-b")
    five.settle()
    backup = five.back_up("coord")
    for number in range(2):
        five.say("lab-b", case, "target", handle=f"model-{number}", **MODEL)
        five.settle()
    head = five.head("coord", case)
    five.restore("coord", backup)
    return case, head


MODEL = {"commitment": None, "version": "1", "guardrail": ""}


def test_a_restored_host_orders_nothing_until_it_was_answered(five: Federation) -> None:
    case, head = lose_two(five)
    coord = five["coord"]
    coord.run(lambda c: restoring.begin(coord, c))
    assert coord.run(lambda c: restoring.waiting(coord, c)) == (case,)
    with pytest.raises(StorageError) as refused:
        five.invite("coord", case, "lab-c")
    assert refused.value.hint == "try again; the case goes on once they have answered"
    five.settle()
    assert five.head("coord", case) == head
    assert coord.restored is None
    five.invite("coord", case, "lab-c")
    five.clock.forward(hours=1)
    five.settle()
    assert five.head("lab-b", case) == five.head("coord", case) != head


def test_a_participant_that_holds_no_more_says_so(five: Federation) -> None:
    case = five.open("coord", "lab-b")
    five.settle()
    coord = five["coord"]
    coord.run(lambda c: restoring.begin(coord, c))
    five.settle()
    assert coord.restored is None
    five.invite("coord", case, "lab-c")


def test_who_is_silent_is_waited_for_a_day_if_another_answers(five: Federation) -> None:
    case = five.open("coord", "lab-b", "lab-c")
    five.settle()
    coord = five["coord"]
    coord.run(lambda c: restoring.begin(coord, c))
    with five.without("lab-c"):
        five.settle_among("coord", "lab-b")
        with pytest.raises(StorageError):
            five.invite("coord", case, "deploy-d")
        five.clock.forward(hours=25)
        five.invite("coord", case, "deploy-d")


def test_who_has_no_room_for_a_question_keeps_nobody_from_being_asked(five: Federation) -> None:
    case = five.open("coord", "lab-b", "lab-c")
    five.settle()
    coord = five["coord"]
    coord.limits = replace(coord.limits, outbox_bytes=100_000)
    waiting = Outgoing("f" * 64, five.id("lab-b"), START, START)
    coord.run(lambda c: post.add(c, post.Sending(waiting, ENTRIES, case, bytes(100_000))))
    coord.run(lambda c: restoring.begin(coord, c))
    assert coord.restored is not None
    with coord.database.reading() as connection:
        asked = {item.destination for item in post.waiting_heads(connection) if item.kind == FETCH}
    assert asked == {five.id("lab-c")}


def test_waiting_outlives_a_restart(five: Federation) -> None:
    case, _ = lose_two(five)
    coord = five["coord"]
    coord.run(lambda c: restoring.begin(coord, c))
    with coord.database.reading() as connection:
        assert cards.restored_since(connection) == coord.restored
        assert restoring.waits(coord, connection, case)


@pytest.mark.parametrize("revoke", [False, True])
def test_new_keys_are_told_in_a_case_that_waits_once_it_was_answered(
    five: Federation, *, revoke: bool
) -> None:
    case, head = lose_two(five)
    coord, folder = five["coord"], five.folder / "coord"
    coord.run(lambda c: restoring.begin(coord, c))
    five.clock.forward(minutes=5)
    root = load_root(folder)
    assert coord.run(lambda c: rotate(coord, c, folder, root, revoke=revoke)) == 0
    with coord.database.reading() as connection:
        known = cards.find(connection, coord.organization)
    assert known is not None
    assert known.card.sequence == 2
    assert five.run("coord", lambda n, c: announce_card(n, c, n.chains.get(c, case))) == 0
    five.settle()
    assert five.head("coord", case) == head
    five.clock.forward(hours=1)
    assert five.run("coord", lambda n, c: announce_card(n, c, n.chains.get(c, case))) == 1
    five.settle()
    assert five.chain("lab-b", case).view.members[coord.organization].card.sequence == 2
    assert five.faults("lab-b") == []


def test_a_damaged_case_keeps_no_other_from_asking(
    five: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, case = five.open("coord", "lab-b"), five.open("coord", "lab-b")
    five.settle()
    coord = five["coord"]
    damage(coord, damaged)
    coord.run(lambda c: restoring.begin(coord, c))
    with coord.database.reading() as connection:
        assert [item.case for item in post.waiting_heads(connection)] == [case]
        assert set(restoring.waiting(coord, connection)) == {damaged, case}
    assert f"participants of case {damaged[:16]} are not asked: " in caplog.text


def test_who_is_invited_after_a_restore_is_not_waited_for(five: Federation) -> None:
    """Beside a case that cannot be verified, which waits until it is mended."""
    damaged, alone = five.open("coord", "lab-b"), five.open("coord")
    five.settle()
    coord = five["coord"]
    damage(coord, damaged)
    coord.run(lambda c: restoring.begin(coord, c))
    five.clock.forward(minutes=5)
    five.invite("coord", alone, "lab-c")
    assert coord.run(lambda c: restoring.waiting(coord, c)) == (damaged,)
    five.settle()
    assert five.head("lab-c", alone) == five.head("coord", alone)
    five.invite("coord", alone, "deploy-d")


def test_what_is_about_a_damaged_case_is_put_off_and_taken_once_it_is_mended(
    five: Federation,
) -> None:
    """Its sender would give it up otherwise, and stand in its own way from then on."""
    case = five.open("coord", "lab-b")
    five.settle()
    backup = five.back_up("coord")
    coord = five["coord"]
    damage(coord, case)
    five.say("lab-b", case, "target", handle="model-1", **MODEL)
    [parcel] = [item for item in five.outgoing("lab-b") if item.receiver == "coord"]
    with pytest.raises(StorageError, match="this node has to be restored first"):
        coord.run(lambda c: receive(coord, c, parcel.data))
    with coord.database.reading() as connection:
        assert post.received(connection, parcel.parcel_id) is None
    five.restore("coord", backup)
    assert five.hand_over(parcel)
    five.settle()
    assert five.head("lab-b", case) == five.head("coord", case)
    assert five.chain("coord", case).size == 3
