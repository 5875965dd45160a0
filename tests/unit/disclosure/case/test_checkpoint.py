"""Checkpoints: who signed one, who cosigned it, and what of its signatures is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from steelyard.attest import PublicKey
from steelyard.attest.signed_note import SIGNATURE_LIMIT, Note, cosign_note, read_note
from steelyard.disclosure.case import (
    CaseCheckpoint,
    cosign,
    open_checkpoint,
    sign_checkpoint,
)
from steelyard.disclosure.case.checkpoint import cosigned_by, join, require_same
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

from .cast import Scene, forked, key, small_case

FAR = datetime(9999, 1, 1, tzinfo=UTC)


def keys(scene: Scene) -> dict[str, Mapping[str, PublicKey]]:
    """The keys of everybody in the case, by organization."""
    return {item.id: item.card.keys_at(scene.now) for item in scene.players.values()}


def cosigned(scene: Scene, *names: str, at: datetime | None = None) -> CaseCheckpoint:
    """The checkpoint of the whole case with cosignatures."""
    found = scene.checkpoint()
    for name in names:
        player = scene[name]
        note = cosign(found, scene.chain, by=player.id, key=player.key, at=at or scene.now)
        found = found.with_note(note)
    return found


def signers(checkpoint: CaseCheckpoint) -> list[str]:
    return [name for name, _ in read_note(checkpoint.note).signatures]


def test_a_participant_cosigns_what_it_holds_and_nothing_else() -> None:
    scene = small_case()
    held = scene.chain.copied()
    birch = scene["birch"]
    note = cosign(scene.checkpoint(), held, by=birch.id, key=birch.key, at=scene.now)
    assert cosigned_by(note, birch.id, birch.card.keys_at(scene.now)) == scene.now
    with pytest.raises(BrokenSeal, match="not cosigned by"):
        cosigned_by(note, scene["cedar"].id, birch.card.keys_at(scene.now))
    left, right = forked(scene)
    with pytest.raises(BrokenSeal) as error:
        cosign(left.checkpoint(), right.chain, by=birch.id, key=birch.key, at=scene.now)
    assert str(error.value) == (
        f"{scene.chain.case[:16]}: after 6 entries the host signed {left.chain.head[:16]}, held is "
        f"{right.chain.head[:16]}: the host shows two histories"
    )
    assert error.value.hint == "show both checkpoints to the other participants"
    with pytest.raises(BrokenSeal) as error:
        require_same(left.checkpoint(), held)
    assert error.value.message == "the checkpoint is of 6 entries, 5 are held"
    assert error.value.hint == "fetch the missing entries"


def test_cosignatures_of_one_checkpoint_are_joined() -> None:
    scene = small_case()
    birch, cedar = cosigned(scene, "birch"), cosigned(scene, "cedar")
    joined = join(birch.note, cedar, keys(scene))
    assert signers(joined) == [scene[name].id for name in ("hub", "hub", "birch", "cedar")]
    for name in ("birch", "cedar"):
        assert cosigned_by(joined.note, scene[name].id, keys(scene)[scene[name].id]) == scene.now
    assert (joined.size, joined.head, joined.proof) == (birch.size, birch.head, birch.proof)
    with pytest.raises(BrokenSeal):
        join(birch.note, scene.checkpoint(3), keys(scene))


def test_of_a_note_its_host_and_one_line_of_each_participant_are_kept() -> None:
    """Whoever passes a note on could fill it with lines of no worth."""
    scene = small_case()
    twice = cosigned(scene, "birch").with_note(
        cosign_note(
            read_note(cosigned(scene, "birch").note), scene["birch"].id, key("birch"), at=5
        ).to_bytes()
    )
    note = read_note(twice.note)
    stranger = cosign_note(note, "stranger", key("stranger"), at=5).signatures[-1]
    forged = cosign_note(note, scene["cedar"].id, key("stranger"), at=5).signatures[-1]
    shown = twice.with_note(Note(note.text, (stranger, forged, *note.signatures)).to_bytes())
    kept = join(None, shown, keys(scene))
    assert signers(kept) == [scene[name].id for name in ("hub", "hub", "birch")]
    assert cosigned_by(kept.note, scene["birch"].id, keys(scene)[scene["birch"].id]) == scene.now
    assert join(kept.note, shown, keys(scene)) == kept


def test_a_note_that_is_kept_has_room_for_one_s_own_cosignature() -> None:
    scene = small_case()
    shown, birch = scene.checkpoint(), scene["birch"]
    note = read_note(shown.note)
    lines = [
        cosign_note(note, f"w{number}", birch.key, at=5).signatures[-1]
        for number in range(SIGNATURE_LIMIT - 2)
    ]
    full = shown.with_note(Note(note.text, (*note.signatures, *lines)).to_bytes())
    everybody = keys(scene) | {name: keys(scene)[birch.id] for name, _ in lines}
    kept = join(None, full, everybody)
    assert len(signers(kept)) == SIGNATURE_LIMIT - 1
    own = cosign(kept, scene.chain, by=birch.id, key=birch.key, at=scene.now)
    assert cosigned_by(own, birch.id, keys(scene)[birch.id]) == scene.now


def test_what_was_kept_of_a_key_that_counts_no_longer_gives_way() -> None:
    scene = small_case()
    known, shown = cosigned(scene, "birch"), cosigned(scene, "cedar")
    case, host, new = scene.chain.case, scene.host, key("hub new")
    fresh = {new.public_key.key_id: new.public_key}
    note = sign_checkpoint(case, shown.size, shown.head, host=host.id, key=new, at=scene.now)
    signed = open_checkpoint(note, case, host.id, fresh)
    joined = join(known.note, signed, {**keys(scene), host.id: fresh})
    assert joined == signed
    assert signers(joined) == [host.id, host.id]


def test_the_proof_of_a_checkpoint_is_its_host_s_alone() -> None:
    scene = small_case()
    plain, shown = scene.checkpoint(), cosigned(scene, "birch", "cedar")
    found = open_checkpoint(
        shown.note, scene.chain.case, scene.host.id, scene.host.card.keys_at(scene.now)
    )
    assert (found.note, found.proof) == (shown.note, plain.note)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda note: note.replace(b"\n5\n", b"\n4\n"), "does not verify"),
        (lambda note: b"\n".join(note.split(b"\n")[:-2]) + b"\n", "not cosigned by org:"),
        (
            lambda note: b"\n".join([*note.split(b"\n")[:4], note.split(b"\n")[5]]) + b"\n",
            "not signed by org:",
        ),
        (lambda note: note.replace(b"steelyard/case/", b"steelyard/case/0"), "is of steelyard"),
    ],
)
def test_what_the_host_did_not_sign_is_no_checkpoint(
    change: Callable[[bytes], bytes], message: str
) -> None:
    scene = small_case()
    note = change(scene.checkpoint().note)
    with pytest.raises(BrokenSeal) as error:
        open_checkpoint(note, scene.chain.case, scene.host.id, scene.host.card.keys_at(scene.now))
    assert message in error.value.message


def test_another_participant_signs_no_checkpoint() -> None:
    scene = small_case()
    case, head, birch = scene.chain.case, scene.chain.head, scene["birch"]
    for host, signer in ((birch.id, birch.key), (scene.host.id, birch.key)):
        note = sign_checkpoint(case, 5, head, host=host, key=signer, at=scene.now)
        with pytest.raises(BrokenSeal):
            open_checkpoint(note, case, scene.host.id, scene.host.card.keys_at(scene.now))


def test_a_time_beyond_the_calendar_is_no_time() -> None:
    scene = small_case()
    host, known = scene.host, scene.host.card.keys_at(scene.now)
    assert scene.checkpoint(1, FAR).signed == FAR
    note = read_note(scene.checkpoint().note)
    alone = Note(note.text, note.signatures[:1])
    for at in (253_402_300_800, 2**64 - 1):
        dated = cosign_note(alone, host.id, host.key, at=at).to_bytes()
        with pytest.raises(BrokenSeal) as error:
            open_checkpoint(dated, scene.chain.case, host.id, known)
        assert str(error.value) == "checkpoint: the cosignature has no time"


def test_half_a_note_is_no_checkpoint() -> None:
    scene = small_case()
    with pytest.raises(MalformedEvidence, match="a note ends in signature lines"):
        open_checkpoint(scene.checkpoint().note[:-1], scene.chain.case, scene.host.id, {})
