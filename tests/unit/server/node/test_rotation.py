"""Keys that are rotated or revoked while cases run and parcels are under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.cli.disclose import node as commands
from steelyard.disclosure.case import Card
from steelyard.disclosure.case.event import read_claim
from steelyard.kernel import utc_now
from steelyard.server.node import About, Node, create_identity, open_node, ordering, saying
from steelyard.server.node.identity import load_root, rotate_keys
from steelyard.server.node.inbox import receive
from steelyard.server.node.letters import FAULT, FETCH, OBJECT
from steelyard.server.node.rotation import announce_card
from steelyard.server.node.rotation import rotate as rotate_in
from steelyard.server.node.saying import Invitation, Material, Opening
from steelyard.server.storage import cases, followers, post
from steelyard.server.storage import organizations as cards

from .federation import Federation, damage
from .hostile import Forger

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
    root = load_root(folder)
    five.run(name, lambda n, c: rotate_in(n, c, folder, root, revoke=revoke))


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


def test_proof_against_a_host_that_waits_is_shown_under_the_new_key(
    five: Federation, case: str
) -> None:
    forged = Forger(five, "coord", case).begin()
    five.say("coord", case, "emergency", facts="to all others", told=[])
    five.settle()
    forged.name("to lab-a alone")
    with five.without("lab-b"):
        forged.send("lab-a", len(forged.entries) - 1)
        rotate(five, "lab-a", revoke=True)
        with five["lab-a"].database.reading() as connection:
            kinds = {item.kind for item in post.waiting_heads(connection)}
    assert FAULT in kinds
    five.settle()
    assert five.faults("lab-b") == [("coord", "fork")]


def test_a_refusal_that_waits_is_said_under_the_new_key(five: Federation, case: str) -> None:
    for number in range(5):
        five.say("lab-a", case, "emergency", facts=f"{number}", told=[])
    for item in five.outgoing("lab-a"):
        assert five.hand_over(item)
    five.drop("lab-a")
    rotate(five, "coord", revoke=True)
    five.settle()
    with five["lab-a"].database.reading() as connection:
        [refused] = cases.pending(connection, case)
    assert "emergenc" in refused.refused
    assert five.forget_refused("lab-a", case) == 1


def test_an_event_that_was_refused_stays_so(five: Federation, case: str) -> None:
    for number in range(5):
        five.say("lab-a", case, "emergency", facts=f"{number}", told=[])
    five.settle()
    rotate(five, "lab-a", revoke=True)
    with five["lab-a"].database.reading() as connection:
        [told, refused] = cases.pending(connection, case)
    assert told.refused == ""
    assert "emergenc" in refused.refused


def made(folder: Path, name: str) -> Node:
    create_identity(folder, About(name, ("coordinator", "developer")), utc_now())
    return open_node(folder)


def opened_with_a_letter(node: Node, other: Card) -> str:
    """A case that an object waits in, for an organization."""
    node.run(lambda c: cards.keep(c, other, node.now(), trusted=True))
    opening = Opening("A flaw", "What was found.", ("coordinator",))
    case = node.run(lambda c: saying.open_case(node, c, opening)).case
    invited = Invitation(other.organization, ("developer",))
    node.run(lambda c: saying.invite(node, c, case, invited))
    material = Material(b"the flaw", "text/plain", "h1", (other.organization,))
    reference = node.run(lambda c: saying.put_object(node, c, case, material))
    node.run(lambda c: saying.say(node, c, case, "note", {"object": reference, "about": None}))
    return case


def waiting(node: Node, to: str) -> post.Sending:
    with node.database.reading() as connection:
        [found] = [item for item in post.waiting_for(connection, to) if item.kind == OBJECT]
    return found


def test_the_command_signs_anew_what_waits_and_a_running_node_goes_on_with_the_new_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node, other = made(tmp_path / "own", "Own"), made(tmp_path / "other", "Other")
    case = opened_with_a_letter(node, other.identity.card)
    before = waiting(node, other.organization)
    commands.rotate(node=tmp_path / "own", root=None, revoke=True)
    assert capsys.readouterr().err == "card 2, told in 1 cases\n"
    after = waiting(node, other.organization)
    assert after.outgoing.parcel_id != before.outgoing.parcel_id
    said = node.run(lambda c: saying.say(node, c, case, "emergency", {"facts": "on", "told": []}))
    card = node.identity.card
    assert card.sequence == 2
    other.run(lambda c: cards.keep(c, card, other.now()))
    assert other.run(lambda c: receive(other, c, after.parcel)).result == "taken"
    with node.database.reading() as connection:
        *_, last = cases.entries(connection, case)

    key = node.identity.key.public_key
    assert read_claim(last.event).verified({key.key_id: key}).digest == said.digest
    node.close()
    other.close()


def test_a_rotation_that_was_cut_off_is_told_when_the_node_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    node, other = made(folder, "Own"), made(tmp_path / "other", "Other")
    case = opened_with_a_letter(node, other.identity.card)
    before = waiting(node, other.organization)
    node.close()
    rotate_keys(folder, load_root(folder), utc_now(), revoke=True)
    node = open_node(folder)
    assert waiting(node, other.organization).outgoing.parcel_id != before.outgoing.parcel_id
    with node.database.reading() as connection:
        view = node.chains.get(connection, case).view
    assert view.members[node.organization].card.sequence == 2
    node.close()
    other.close()


@pytest.mark.parametrize("revoke", [False, True])
def test_a_case_that_cannot_be_read_keeps_no_other_from_new_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, revoke: bool
) -> None:
    folder = tmp_path / "own"
    node, other = made(folder, "Own"), made(tmp_path / "other", "Other")
    cases_here = [opened_with_a_letter(node, other.identity.card) for _ in range(3)]
    damaged = sorted(cases_here)[1]
    damage(node, damaged)
    node.close()
    rotate_keys(folder, load_root(folder), utc_now(), revoke=revoke)
    node = open_node(folder)
    assert f"case {damaged[:16]} is not told of new keys: " in caplog.text
    assert sequence_told(node, cases_here, besides=damaged) == [2, 2]
    with node.database.reading() as connection:
        kept = cards.find(connection, node.organization)
    assert kept is not None
    assert kept.card.sequence == 2
    node.close()
    other.close()


def test_a_host_that_came_back_asks_before_it_tells_of_new_keys(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    node, other = made(folder, "Own"), made(tmp_path / "other", "Other")
    case = opened_with_a_letter(node, other.identity.card)
    with node.database.reading() as connection:
        backup = cases.stands(connection, case)
    node.close()
    rotate_keys(folder, load_root(folder), utc_now(), revoke=True)
    node = open_node(folder, restored=True)
    with node.database.reading() as connection:
        assert cases.stands(connection, case) == backup
        assert FETCH in {item.kind for item in post.waiting_heads(connection)}
    assert backup is not None
    node.run(lambda c: followers.hear(c, case, other.organization, backup[0], node.now()))
    assert node.run(lambda c: announce_card(node, c, node.chains.get(c, case))) == 1
    assert sequence_told(node, [case]) == [2]
    node.close()
    other.close()


def sequence_told(node: Node, of: list[str], besides: str = "") -> list[int]:
    """Which card of a node each of its cases knows."""
    with node.database.reading() as connection:
        views = [node.chains.get(connection, case).view for case in of if case != besides]
    return [view.members[node.organization].card.sequence for view in views]


def test_keys_that_cannot_be_read_leave_the_node_with_those_that_it_has(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = made(tmp_path, "Own")
    (tmp_path / "card.json").write_bytes(b"{}")
    opening = Opening("A flaw", "What was found.", ("coordinator",))
    assert node.run(lambda c: saying.open_case(node, c, opening)).index == 0
    assert "the keys of the node are used as they were" in caplog.text
    node.close()
