"""Keys that are rotated or revoked while cases run and parcels are under way."""

from __future__ import annotations

import pytest

from steelyard.server.node import ordering
from steelyard.server.node.identity import load_root, rotate_keys
from steelyard.server.node.rotation import take_identity
from steelyard.server.storage import post

from .federation import Federation

MEMBERS = ("coord", "lab-a", "lab-b")


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", *MEMBERS[1:])
    five.settle()
    five.clock.forward(hours=1)
    return case


def rotate(five: Federation, name: str, *, revoke: bool = False) -> None:
    folder = five.folder / name
    identity = rotate_keys(folder, load_root(folder), five.clock.at, revoke=revoke)
    five.run(name, lambda n, c: take_identity(n, c, identity))


@pytest.mark.parametrize("name", ["coord", "lab-a"])
@pytest.mark.parametrize("revoke", [False, True])
def test_a_case_goes_on_with_new_keys(
    five: Federation, case: str, name: str, *, revoke: bool
) -> None:
    rotate(five, name, revoke=revoke)
    five.settle()
    five.clock.forward(minutes=1)
    five.say(name, case, "emergency", facts="with the new key", told=[])
    five.settle()
    assert len(five.heads(case, *MEMBERS)) == 1
    chain = five.chain("lab-b", case)
    assert chain.view.members[five.id(name)].card.sequence == 2
    assert [item.facts for item in chain.view.emergencies] == ["with the new key"]
    assert all(five.faults(member) == [] for member in MEMBERS)


def test_parcels_under_way_to_and_from_old_keys_are_still_taken(
    five: Federation, case: str
) -> None:
    five.say("lab-a", case, "emergency", facts="signed before", told=[])
    five.say("coord", case, "emergency", facts="sent to the old key", told=[])
    five.run("coord", ordering.pump)
    five.clock.forward(minutes=5)
    rotate(five, "lab-a")
    five.settle()
    assert len(five.heads(case, *MEMBERS)) == 1
    facts = {item.facts for item in five.chain("lab-b", case).view.emergencies}
    assert facts == {"signed before", "sent to the old key"}


def test_a_parcel_of_a_revoked_key_is_refused(five: Federation, case: str) -> None:
    five.say("lab-a", case, "emergency", facts="signed by a thief", told=[])
    [stolen] = five.outgoing("lab-a")
    rotate(five, "lab-a", revoke=True)
    five.settle()
    size = five.chain("coord", case).size
    assert not five.hand_over(stolen)
    assert five.chain("coord", case).size == size


def test_what_was_signed_by_a_revoked_key_and_waits_is_signed_anew(
    five: Federation, case: str
) -> None:
    five.say("lab-a", case, "emergency", facts="said before", told=[])
    rotate(five, "lab-a", revoke=True)
    assert all(item.parcel_id for item in five.outgoing("lab-a"))
    five.settle()
    five.settle()
    chain = five.chain("lab-b", case)
    assert [item.facts for item in chain.view.emergencies] == ["said before"]
    with five["lab-a"].database.reading() as connection:
        assert post.dead_letters(connection) == ()
