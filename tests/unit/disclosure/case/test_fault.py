"""What a host is proved guilty of: by texts that it signed itself, to anybody with its keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from steelyard.disclosure.case import (
    CaseCheckpoint,
    Chain,
    Entry,
    Fault,
    compare,
    cosign,
    sign_checkpoint,
)
from steelyard.disclosure.case.fault import (
    LINK_LIMIT,
    Evidence,
    prove_fork,
    verify_fault,
    write_linked,
)
from steelyard.kernel import JsonObject, canonical_json, parse_json_object
from steelyard.kernel.errors import BrokenSeal, CannotVerify, MalformedEvidence

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


def crowded(scene: Scene, *, size: int | None = None) -> CaseCheckpoint:
    """A checkpoint that a participant has cosigned."""
    found, birch = scene.checkpoint(size), scene["birch"]
    note = cosign(found, scene.chain, by=birch.id, key=birch.key, at=scene.now)
    return found.with_note(note)


def test_a_proof_holds_nothing_but_what_the_host_signed() -> None:
    """Neither who else is in the case, nor what was said, nor lines that a stranger added."""
    left, right = forked(small_case())
    early, same = crowded(left), crowded(right)
    right.target("birch", "m3")
    right.target("birch", "m4")
    late, back = crowded(right), crowded(right, size=5)
    back = replace(back, signed=late.signed + DAY)
    faults = [
        compare(early, same),
        compare(late, back),
        prove_fork(right.chain, [same], early),
        prove_fork(right.chain, [late], early),
        prove_fork(left.chain, [early], late, entries(right.chain)),
    ]
    for fault in faults:
        assert fault is not None
        assert right["birch"].id.encode() not in fault.first + fault.second
        assert not any(item.event in fault.second for item in entries(right.chain))


def test_what_others_show_is_kept_as_its_host_signed_it() -> None:
    left, right = forked(small_case())
    right.target("birch", "m3")
    links, keys = entries(right.chain)[6:], left.host.card.keys_at(left.now)
    early, late = crowded(left), crowded(right)
    crowd = Evidence(left.chain.case, left.host.id, early.note, write_linked(late.note, links))
    fault = verify_fault(crowd, keys)
    assert (fault.first, fault.second) == (early.proof, write_linked(late.proof, links))


def test_links_lead_from_the_first_note_to_the_second_and_no_further() -> None:
    left, right = forked(small_case())
    right.target("birch", "m3")
    right.target("birch", "m4")
    history = entries(right.chain)[6:]
    fault = prove_fork(right.chain, [right.checkpoint(7)], left.checkpoint())
    assert fault is not None
    assert fault.second == write_linked(right.checkpoint(7).proof, history[:1])
    assert believed(fault, left) == ("fork", "signed two histories of 6 entries")


def linked_evidence(scene: Scene, first: bytes, linked: JsonObject) -> Evidence:
    return Evidence(scene.chain.case, scene.host.id, first, canonical_json(linked))


def test_links_that_prove_nothing_are_refused() -> None:
    left, right = forked(small_case())
    early = right.checkpoint()
    right.target("birch", "m3")
    late, keys = right.checkpoint(), left.host.card.keys_at(left.now)
    good = parse_json_object(write_linked(late.proof, entries(right.chain)[6:]))
    host, case = left.host, left.chain.case
    beyond = sign_checkpoint(case, 8, late.head, host=host.id, key=host.key, at=right.now)
    bad: list[tuple[CaseCheckpoint, JsonObject, str]] = [
        (early, {}, "this proves nothing against the host"),
        (left.checkpoint(5), {}, "the links do not lead to the second note"),
        (left.checkpoint(), {"note": beyond.decode()}, "the links do not lead to the second note"),
        (left.checkpoint(), {"links": []}, f"expected 1 to {LINK_LIMIT} links"),
        (left.checkpoint(), {"links": [{}]}, "fields that are missing or too many: event, ordered"),
    ]
    assert verify_fault(linked_evidence(left, left.checkpoint().proof, good), keys).kind == "fork"
    for first, change, message in bad:
        with pytest.raises(CannotVerify) as error:
            verify_fault(linked_evidence(left, first.proof, {**good, **change}), keys)
        assert error.value.message == message


def test_evidence_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = forked(small_case())
    right.target("birch", "m3")
    right.target("birch", "m4")
    whole = write_linked(right.checkpoint().proof, entries(right.chain)[6:])
    shown = Evidence(left.chain.case, left.host.id, left.checkpoint().proof, whole)
    keys = left.host.card.keys_at(left.now)
    for name, limit, message in (
        ("LINK_LIMIT", 1, "expected 1 to 1 links"),
        (
            "EVIDENCE_LIMIT_BYTES",
            len(whole) - 1,
            f"evidence has at most {len(whole) - 1} bytes, found {len(whole)}",
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"steelyard.disclosure.case.fault.{name}", limit + 1)
            assert verify_fault(shown, keys).kind == "fork"
            patch.setattr(f"steelyard.disclosure.case.fault.{name}", limit)
            with pytest.raises(MalformedEvidence) as error:
                verify_fault(shown, keys)
            assert error.value.message == message


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
    notes += [scene.checkpoint(9, notes[8].signed), scene.checkpoint(9, scene.now + DAY)]
    assert [compare(a, b) for a in notes for b in notes] == [None] * len(notes) ** 2


def test_checkpoints_of_two_cases_are_not_compared() -> None:
    scene = small_case()
    found = scene.checkpoint()
    for other in (replace(found, case="1" * 64), replace(found, host="org:x")):
        with pytest.raises(BrokenSeal) as error:
            compare(found, other)
        assert str(error.value) == "checkpoint: the checkpoints are of two cases or hosts"
