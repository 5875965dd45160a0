"""What participants see of a host that does wrong, and what they can prove of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from steelyard.attest import PublicKey
from steelyard.attest.signed_note import cosign_note, read_note
from steelyard.disclosure.case.fault import Evidence, verify_fault, write_linked
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.server.node import heads
from steelyard.server.node.faults import believe_fault
from steelyard.server.storage import cases

from .federation import Federation
from .hostile import Forger
from .test_rotation import rotate

VICTIMS = ("lab-a", "lab-b", "lab-c")


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=4)
    case = five.open("coord", *VICTIMS)
    five.settle()
    five.clock.forward(minutes=1)
    return case


def keys_of(federation: Federation, name: str) -> dict[str, PublicKey]:
    return {item.key.key_id: item.key for item in federation[name].identity.card.keys}


def evidence(federation: Federation, name: str) -> Evidence:
    """What a participant can show to somebody who has nothing but the host's card."""
    with federation[name].database.reading() as connection:
        row = cases.faults(connection)[0]
    return Evidence(row.case, row.culprit, row.first, row.second)


def two_histories(federation: Federation, case: str) -> tuple[Forger, Forger]:
    one = Forger(federation, "coord", case).begin()
    other = Forger(federation, "coord", case).begin()
    one.name("for one")
    other.name("for the other")
    return one, other


def test_gossip_shows_a_fork_although_the_host_talks_to_each_alone(
    five: Federation, case: str
) -> None:
    one, other = two_histories(five, case)
    assert one.send("lab-a", 4) == ""
    assert other.send("lab-b", 4) == ""
    with five.without("coord"):
        for _ in range(4):
            five.round()
    assert five.faults("lab-a") == [("coord", "fork")]
    assert five.faults("lab-b") == [("coord", "fork")]
    assert five.faults("lab-c") == [("coord", "fork")]
    shown = evidence(five, "lab-c")
    fault = verify_fault(shown, keys_of(five, "coord"))
    assert (fault.kind, fault.host) == ("fork", five.id("coord"))
    with pytest.raises(BrokenSeal):
        verify_fault(shown, keys_of(five, "lab-a"))


def test_a_fork_of_different_sizes_is_proven_by_links_that_tell_nothing(
    five: Federation, case: str
) -> None:
    one, other = two_histories(five, case)
    for number in range(3):
        other.name(f"secret {number}")
    assert one.send("lab-a", 4) == ""
    assert other.send("lab-b", 4) == ""
    reason = other.show("lab-b", one.note())
    assert "the host shows two histories" in reason
    shown = evidence(five, "lab-b")
    assert b"secret" not in shown.second
    assert shown.second.startswith(b'{"head"')
    fault = verify_fault(shown, keys_of(five, "coord"))
    assert (fault.kind, fault.text) == ("fork", "signed two histories of 5 entries")
    five.settle()
    assert ("coord", "fork") in five.faults("lab-c")


def test_a_note_that_comes_before_its_entries_is_held_against_them(
    five: Federation, case: str
) -> None:
    one, other = two_histories(five, case)
    assert one.show("lab-b", one.note()) == ""
    assert five.faults("lab-b") == []
    other.name("second")
    assert "the host shows two histories" in other.send("lab-b", 4)
    verify_fault(evidence(five, "lab-b"), keys_of(five, "coord"))
    assert five.faults("lab-b") == [("coord", "fork")]


def test_an_entry_that_was_dropped_afterwards_is_missed(five: Federation, case: str) -> None:
    true, shorter = Forger(five, "coord", case).begin(), Forger(five, "coord", case).begin()
    true.name("dropped")
    true.name("kept")
    shorter.name("kept")
    assert true.send("lab-a", 4) == ""
    five.clock.forward(minutes=1)
    assert shorter.send("lab-a", 4) != ""
    assert five.faults("lab-a") == [("coord", "fork")]
    assert five.head("lab-a", case) == true.head
    verify_fault(evidence(five, "lab-a"), keys_of(five, "coord"))


def test_a_host_that_goes_back_is_found_by_the_times_that_it_signed(
    five: Federation, case: str
) -> None:
    longer = Forger(five, "coord", case).begin()
    longer.name("lost")
    assert longer.send("lab-a", 4) == ""
    five.clock.forward(minutes=5)
    back = Forger(five, "coord", case).begin(4)
    assert "went back from 5 entries to 4" in back.show("lab-a", back.note())
    assert five.faults("lab-a") == [("coord", "rollback")]
    assert verify_fault(evidence(five, "lab-a"), keys_of(five, "coord")).kind == "rollback"


def test_a_late_note_of_a_smaller_size_is_no_rollback(five: Federation, case: str) -> None:
    early = Forger(five, "coord", case).begin()
    note = early.note(at=five.clock.at - timedelta(minutes=2))
    early.name("later")
    assert early.send("lab-a", 4) == ""
    assert early.show("lab-a", note) == ""
    assert five.faults("lab-a") == []


def test_an_honest_host_whose_clock_is_set_back_is_not_accused(five: Federation) -> None:
    five.clock.forward(days=1)
    case = five.open("coord", *VICTIMS)
    five.settle()
    five["coord"].now = lambda: five.clock.at - timedelta(hours=3)
    five.say("coord", case, "emergency", facts="facts", told=[])
    five.settle()
    assert len(five.heads(case, "coord", *VICTIMS)) == 1
    assert [five.faults(name) for name in VICTIMS] == [[], [], []]


def test_a_forbidden_event_is_kept_with_the_note_that_signs_it(five: Federation, case: str) -> None:
    forged = Forger(five, "coord", case).begin()
    forged.name("allowed")
    forged.say("fix", event="F", note="a coordinator makes no fix")
    assert "had to be refused" in forged.send("lab-a", 4)
    assert five.faults("lab-a") == [("coord", "forbidden")]
    assert five.chain("lab-a", case).size == 5
    assert five.head("lab-a", case) == forged.entries[4].hash


def test_proof_of_a_forbidden_event_holds_the_host_s_signatures_alone(
    five: Federation, case: str
) -> None:
    forged = Forger(five, "coord", case).begin()
    forged.say("fix", event="F", note="a coordinator makes no fix")
    note, other = forged.note(), five["lab-b"]
    worn = cosign_note(read_note(note), other.organization, other.identity.key, at=5).to_bytes()
    assert "had to be refused" in forged.send("lab-a", 4, worn)
    assert five.faults("lab-a") == [("coord", "forbidden")]
    assert evidence(five, "lab-a").first == note


def test_what_a_revoked_key_signed_proves_nothing(five: Federation, case: str) -> None:
    """Somebody else may have it, and it says nothing of when it signed."""
    one, other = two_histories(five, case)
    culprit, shown = five.id("coord"), (one.note(), other.note())

    def believe(name: str) -> None:
        five.run(name, lambda n, c: believe_fault(n, c, case, culprit, shown))

    believe("lab-b")
    assert five.faults("lab-b") == [("coord", "fork")]
    rotate(five, "coord", revoke=True)
    five.settle()
    with pytest.raises(BrokenSeal, match="with a key of its own"):
        believe("lab-a")
    assert five.faults("lab-a") == []


def test_entries_out_of_order_or_bent_are_refused(five: Federation, case: str) -> None:
    forged = Forger(five, "coord", case).begin()
    forged.name("one")
    forged.name("two")
    before = five.head("lab-a", case)
    forged.entries[4:] = reversed(forged.entries[4:])
    assert forged.send("lab-a", 4) != ""
    assert five.head("lab-a", case) == before


def test_times_of_the_past_and_of_the_future_are_refused(five: Federation, case: str) -> None:
    past, future = Forger(five, "coord", case).begin(), Forger(five, "coord", case).begin()
    past.say("emergency", five.clock.at - timedelta(days=3), facts="late", told=[])
    future.say("emergency", five.clock.at + timedelta(hours=1), facts="early", told=[])
    assert "ordered before the entry that it follows" in past.send("lab-a", 4)
    assert "ordered in the future" in future.send("lab-a", 4)
    assert five.chain("lab-a", case).size == 4
    five.clock.forward(hours=1)
    assert future.send("lab-a", 4) == ""


def test_who_gets_no_entries_gets_them_from_another(five: Federation, case: str) -> None:
    hidden = Forger(five, "coord", case).begin()
    hidden.name("for one alone")
    assert hidden.send("lab-a", 4) == ""
    five.run("lab-b", lambda n, c: heads.fetch(n, c, case, five.id("lab-a"), 4))
    with five.without("coord"):
        for _ in range(3):
            five.round()
    assert five.head("lab-b", case) == hidden.head


def test_a_participant_cannot_make_up_entries(five: Federation, case: str) -> None:
    five.say("lab-a", case, "emergency", facts="true", told=[])
    five.settle()
    forged = Forger(five, "lab-a", case).begin()
    forged.say("emergency", facts="made up", told=[])
    forged.entries[4:] = [replace(forged.entries[5], index=4, previous=forged.entries[3].hash)]
    assert "only the host of a case" in forged.send("lab-b", 4)
    forged.begin().say("emergency", facts="made up", told=[])
    assert "only the host of a case" in forged.send("lab-b", 5)
    assert five.chain("lab-b", case).size == 5
    assert five.faults("lab-b") == []


@pytest.mark.parametrize("spoil", ["other case", "other host", "links", "same head", "no links"])
def test_evidence_that_proves_nothing_is_refused(five: Federation, case: str, spoil: str) -> None:
    one, other = two_histories(five, case)
    other.name("more")
    keys = keys_of(five, "coord")
    linked = write_linked(other.note(), other.entries[5:])
    good = Evidence(case, five.id("coord"), one.note(), linked)
    assert verify_fault(good, keys).kind == "fork"
    bad = {
        "other case": replace(good, case="0" * 64),
        "other host": replace(good, host=five.id("lab-a")),
        "links": replace(good, second=linked.replace(other.entries[5].digest.encode(), b"0" * 64)),
        "same head": replace(good, first=other.note(5)),
        "no links": replace(good, second=write_linked(other.note(), other.entries[5:])[:-2] + b"}"),
    }[spoil]
    with pytest.raises((BrokenSeal, MalformedEvidence)):
        verify_fault(bad, keys)


def test_the_number_of_faults_that_are_kept_and_told_is_bounded(
    five: Federation, case: str
) -> None:
    for number in range(8):
        one, other = two_histories(five, case)
        for step in range(number):
            one.name(f"{step}")
        one.show("lab-a", one.note())
        other.show("lab-a", other.note())
    most = five["lab-a"].limits.faults
    assert 0 < len(five.faults("lab-a")) <= 2 * most
