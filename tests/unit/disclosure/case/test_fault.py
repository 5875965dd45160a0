"""What a host is proved guilty of: by texts that it signed itself, to anybody with its keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from steelyard.disclosure.case import Chain, Entry, Fault, compare, cosign
from steelyard.disclosure.case.fault import Evidence, prove_fork, verify_fault, write_linked
from steelyard.kernel.errors import BrokenSeal

from .cast import DAY, Scene, forked, reported_case, small_case


def believed(fault: Fault | None, scene: Scene) -> tuple[str, str]:
    """What a fault says, as anybody believes it who knows the host's keys and not the case."""
    assert fault is not None
    shown = Evidence(scene.chain.case, scene.host.id, fault.first, fault.second)
    assert verify_fault(shown, scene.host.card.keys_at(scene.now)) == fault
    assert fault.host == scene.host.id
    return fault.kind, fault.text


def entries(chain: Chain) -> list[Entry]:
    return [item.entry for item in chain.ordered]


def test_two_histories_of_one_size_are_a_fork() -> None:
    left, right = forked(small_case())
    fault = compare(left.checkpoint(), right.checkpoint())
    assert believed(fault, left) == ("fork", "signed two histories of 6 entries")
    fault = prove_fork(right.chain, [right.checkpoint()], left.checkpoint())
    assert believed(fault, left) == ("fork", "signed two histories of 6 entries")


def test_a_fork_of_two_sizes_is_proved_with_the_larger_history() -> None:
    """The host drops an entry and goes on: the later history lacks what it signed before."""
    left, right = forked(small_case())
    early = left.checkpoint()
    right.target("birch", "m3")
    right.target("birch", "m4")
    late = right.checkpoint()
    assert compare(early, late) is None
    expected = ("fork", "signed two histories of 6 entries")
    assert believed(prove_fork(right.chain, [late], early), left) == expected
    for start in (0, 5, 6):
        history = entries(right.chain)[start:]
        assert believed(prove_fork(left.chain, [early], late, history), left) == expected


def test_what_proves_a_fork_tells_nothing_of_the_case() -> None:
    left, right = forked(small_case())
    right.target("birch", "m3")
    birch = right["birch"]
    note = cosign(right.checkpoint(), right.chain, by=birch.id, key=birch.key, at=right.now)
    late = right.checkpoint().with_note(note)
    fault = prove_fork(right.chain, [late], left.checkpoint())
    assert fault is not None
    (entry,) = entries(right.chain)[6:]
    assert fault.second == write_linked(late.proof, [entry])
    assert entry.event not in fault.second
    assert birch.id.encode() not in fault.first + fault.second


def test_of_what_is_held_the_largest_that_leads_to_a_proof_is_taken() -> None:
    """What is held beyond the end of the history that came says nothing of it."""
    scene = small_case()
    left, right = forked(scene)
    right.target("birch", "m3")
    held = [left.checkpoint(), left.checkpoint(5)]
    late = right.checkpoint()
    history = entries(right.chain)[6:]
    assert believed(prove_fork(left.chain, held, late, history), left)[1].endswith("6 entries")
    assert prove_fork(left.chain, held[1:], late, history) is None


def test_a_history_that_holds_what_was_signed_before_proves_nothing() -> None:
    """The two part after the checkpoint: what the host signed of them is the same."""
    left, right = forked(small_case())
    common, late = left.checkpoint(5), right.checkpoint()
    assert prove_fork(left.chain, [common], late, entries(right.chain)) is None


def test_a_history_that_nobody_signed_proves_nothing() -> None:
    left, right = forked(small_case())
    early = left.checkpoint()
    right.target("birch", "m3")
    assert prove_fork(left.chain, [], right.checkpoint(), entries(right.chain)) is None
    assert prove_fork(left.chain, [early], right.checkpoint()) is None
    left.target("birch", "m3")
    unsigned = write_linked(left.checkpoint().proof, entries(right.chain)[6:])
    shown = Evidence(left.chain.case, left.host.id, early.proof, unsigned)
    with pytest.raises(BrokenSeal, match="the links do not lead to the second note"):
        verify_fault(shown, left.host.card.keys_at(left.now))


def test_a_shorter_history_signed_later_is_a_rollback() -> None:
    scene = reported_case()
    early = scene.checkpoint()
    late = scene.checkpoint(4, scene.now + DAY)
    scene.now += DAY
    expected = ("rollback", f"went back from {scene.chain.size} entries to 4")
    for pair in ((early, late), (late, early)):
        assert believed(compare(*pair), scene) == expected


def test_an_honest_host_proves_nothing_against_itself() -> None:
    scene = reported_case()
    notes = [scene.checkpoint(size, scene.now + timedelta(seconds=size)) for size in range(9)]
    notes += [scene.checkpoint(9, notes[8].signed)]
    assert [compare(a, b) for a in notes for b in notes] == [None] * 100


def test_checkpoints_of_two_cases_are_not_compared() -> None:
    scene = small_case()
    found = scene.checkpoint()
    for other in (replace(found, case="1" * 64), replace(found, host="org:x")):
        with pytest.raises(BrokenSeal) as error:
            compare(found, other)
        assert str(error.value) == "checkpoint: the checkpoints are of two cases or hosts"
