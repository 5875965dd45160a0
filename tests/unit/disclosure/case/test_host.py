"""What a host can do to a case, and how it is found out: two texts that it signed itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import pytest

from steelyard.attest import PrivateKey
from steelyard.attest.signed_note import read_note
from steelyard.disclosure.case import (
    CaseCheckpoint,
    Chain,
    Entry,
    Fault,
    compare,
    cosign,
    open_checkpoint,
    replay,
    sign_checkpoint,
    sign_event,
)
from steelyard.disclosure.case.checkpoint import cosigned_by, join, require_same
from steelyard.kernel.errors import BrokenSeal, CannotVerify, MalformedEvidence, NotSatisfied

from .cast import DAY, Scene, bring, reported_case, rotated, small_case


def checkpoint(scene: Scene, size: int | None = None, at: datetime | None = None) -> CaseCheckpoint:
    """What the host signs of the case as it stands, or stood."""
    size = scene.chain.size if size is None else size
    return signed(scene, size, scene.chain.head_at(size), at or scene.now)


def signed(scene: Scene, size: int, head: str, at: datetime) -> CaseCheckpoint:
    host, case = scene.host, scene.chain.case
    note = sign_checkpoint(case, size, head, host=host.id, key=host.key, at=at)
    return open_checkpoint(note, case, host.id, host.card.keys_at(at))


def believed(fault: Fault | None, scene: Scene) -> tuple[str, int, int]:
    """What both notes of a fault say, as anybody reads them who knows the host's keys."""
    assert fault is not None
    assert fault.host == scene.host.id
    keys = scene.host.card.keys_at(scene.now)
    first, second = (
        open_checkpoint(note, scene.chain.case, scene.host.id, keys)
        for note in (fault.first, fault.second)
    )
    return fault.kind, first.size, second.size


def forked(scene: Scene) -> tuple[Scene, Scene]:
    """The same case as its host shows it to two participants."""
    left, right = scene.copied(), scene.copied()
    left.target("birch", "m1")
    right.target("cedar", "m2")
    return left, right


def test_two_histories_of_one_size_are_a_fork() -> None:
    left, right = forked(small_case())
    fault = compare(checkpoint(left), checkpoint(right))
    assert believed(fault, left) == ("fork", 6, 6)
    assert fault is not None
    assert fault.text == "signed two histories of 6 entries"


def test_two_histories_of_two_sizes_are_a_fork_with_the_chain() -> None:
    """The host drops an entry and goes on: the later history lacks what it signed before."""
    left, right = forked(small_case())
    early = checkpoint(left)
    right.target("birch", "m3")
    late = checkpoint(right)
    assert compare(early, late) is None
    for pair in ((early, late), (late, early)):
        fault = compare(*pair, right.chain)
        assert believed(fault, left) == ("fork", 6, 7)
        assert fault is not None
        assert fault.text == ("signed two histories: its 6 entries are not the first 6 of its 7")


def test_a_chain_that_nobody_signed_proves_nothing() -> None:
    left, right = forked(small_case())
    early = checkpoint(left)
    left.target("birch", "m3")
    assert compare(early, checkpoint(left), right.chain) is None
    assert compare(early, checkpoint(left), left.chain) is None


def test_a_shorter_history_signed_later_is_a_rollback() -> None:
    scene = reported_case()
    early = checkpoint(scene)
    late = checkpoint(scene, size=4, at=scene.now + DAY)
    for pair in ((early, late), (late, early)):
        fault = compare(*pair)
        assert believed(fault, scene) == ("rollback", scene.chain.size, 4)
        assert fault is not None
        assert fault.text == f"went back from {scene.chain.size} entries to 4"


def test_an_honest_host_proves_nothing_against_itself() -> None:
    scene = reported_case()
    notes = [checkpoint(scene, size, scene.now + timedelta(seconds=size)) for size in range(9)]
    notes += [checkpoint(scene, 9, notes[8].signed)]
    assert all(compare(a, b, scene.chain) is None for a in notes for b in notes)


def test_checkpoints_of_two_cases_are_not_compared() -> None:
    scene = small_case()
    found = checkpoint(scene)
    for other in (replace(found, case="1" * 64), replace(found, host="org:x")):
        with pytest.raises(BrokenSeal) as error:
            compare(found, other)
        assert str(error.value) == "checkpoint: the checkpoints are of two cases or hosts"


def test_a_participant_cosigns_what_it_holds_and_nothing_else() -> None:
    scene = small_case()
    held = scene.chain.copied()
    birch = scene["birch"]
    note = cosign(checkpoint(scene), held, by=birch.id, key=birch.key, at=scene.now)
    keys = birch.card.keys_at(scene.now)
    assert cosigned_by(note, birch.id, keys) == scene.now
    with pytest.raises(BrokenSeal, match="not cosigned by"):
        cosigned_by(note, scene["cedar"].id, keys)
    left, right = forked(scene)
    with pytest.raises(BrokenSeal) as error:
        cosign(checkpoint(left), right.chain, by=birch.id, key=birch.key, at=scene.now)
    assert str(error.value) == (
        f"{scene.chain.case[:16]}: after 6 entries the host signed {left.chain.head[:16]}, held is "
        f"{right.chain.head[:16]}: the host shows two histories"
    )
    assert error.value.hint == "show both checkpoints to the other participants"
    with pytest.raises(BrokenSeal) as error:
        require_same(checkpoint(left), held)
    assert error.value.message == "the checkpoint is of 6 entries, 5 are held"
    assert error.value.hint == "fetch the missing entries"


def test_cosignatures_of_one_checkpoint_are_joined() -> None:
    scene = small_case()
    found = checkpoint(scene)
    notes = [
        cosign(found, scene.chain, by=scene[name].id, key=scene[name].key, at=scene.now)
        for name in ("birch", "cedar")
    ]
    joined = join(*notes)
    for name in ("birch", "cedar"):
        keys = scene[name].card.keys_at(scene.now)
        assert cosigned_by(joined, scene[name].id, keys) == scene.now
    assert len(read_note(joined).signatures) == 4
    with pytest.raises(BrokenSeal):
        join(notes[0], checkpoint(scene, 3).note)


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
    note = change(checkpoint(scene).note)
    with pytest.raises(BrokenSeal) as error:
        open_checkpoint(note, scene.chain.case, scene.host.id, scene.host.card.keys_at(scene.now))
    assert message in error.value.message


def test_another_participant_signs_no_checkpoint() -> None:
    scene = small_case()
    case, head, birch = scene.chain.case, scene.chain.head, scene["birch"]
    for host, key in ((birch.id, birch.key), (scene.host.id, birch.key)):
        note = sign_checkpoint(case, 5, head, host=host, key=key, at=scene.now)
        with pytest.raises(BrokenSeal):
            open_checkpoint(note, case, scene.host.id, scene.host.card.keys_at(scene.now))


def test_a_time_beyond_the_calendar_is_no_time() -> None:
    scene = small_case()
    far = datetime(9999, 1, 1, tzinfo=UTC)
    assert signed(scene, 1, scene.chain.head_at(1), far).signed == far
    data = checkpoint(scene).note
    with pytest.raises((BrokenSeal, MalformedEvidence)):
        open_checkpoint(data[:-1], scene.chain.case, scene.host.id, {})


def next_entry(scene: Scene, envelope: bytes, **changes: object) -> Entry:
    made = Entry(scene.chain.size, scene.chain.head, scene.now, envelope)
    return replace(made, **changes)


def ordinary(scene: Scene) -> bytes:
    body = {"handle": "m1", "commitment": None, "version": "1", "guardrail": ""}
    return sign_event(scene.draft("birch", "target", body), scene["birch"].key)


def test_a_replica_takes_what_its_host_orders() -> None:
    scene = reported_case()
    replica = Chain(scene.chain.case)
    for item in scene.chain.ordered:
        taken = replica.accept(item.entry, now=item.entry.ordered)
        assert (taken.hash, taken.effects, taken.advice) == (item.hash, item.effects, item.advice)
    assert (replica.head, replica.view) == (scene.chain.head, scene.view)
    assert replica.index_of(scene.chain.ordered[3].event.digest) == 3
    assert replica.index_of("1" * 64) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": 6}, "entry 6 does not follow entry 4"),
        ({"index": 4}, "entry 4 does not follow entry 4"),
        ({"previous": "1" * 64}, "entry 5 does not follow entry 4"),
        (
            {"ordered": datetime(2026, 11, 1, 12, 9, 0, 1, tzinfo=UTC)},
            "entry 5 has no time in whole seconds",
        ),
        (
            {"ordered": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)},
            "entry 5 has no time in whole seconds",
        ),
        (
            {"ordered": datetime(9001, 1, 1, tzinfo=UTC)},
            "entry 5 has no time in whole seconds",
        ),
        (
            {"ordered": datetime(2026, 11, 1, 12, 4, tzinfo=UTC)},
            "ordered before the entry that it follows",
        ),
    ],
)
def test_an_entry_follows_the_last(changes: dict[str, object], message: str) -> None:
    scene = small_case()
    replica = scene.chain.copied()
    with pytest.raises(BrokenSeal) as error:
        replica.accept(next_entry(scene, ordinary(scene), **changes))
    assert error.value.message == message
    assert replica.size == 5


def test_a_host_that_runs_ahead_is_seen_by_the_clock_here() -> None:
    """Or it could call an embargo over before its time."""
    scene = small_case()
    now = scene.now
    entry = next_entry(scene, ordinary(scene), ordered=now + timedelta(minutes=5, seconds=1))
    replica = scene.chain.copied()
    with pytest.raises(BrokenSeal) as error:
        replica.accept(entry, now=now)
    assert error.value.message == "entry 5 was ordered in the future"
    assert error.value.hint == "compare clocks with the host"
    replica.accept(entry, now=now + timedelta(seconds=1))


def test_the_zone_of_a_clock_makes_no_other_entry() -> None:
    scene = small_case()
    entry = next_entry(scene, ordinary(scene))
    east = timezone(timedelta(hours=5))
    assert replace(entry, ordered=entry.ordered.astimezone(east)).hash == entry.hash


FORBIDDEN: list[tuple[str, str, dict[str, object], str]] = [
    ("alder", "fix", {"event": "F", "note": ""}, "'fix' is for developer, open-weight-developer"),
    ("birch", "fix", {"event": "D", "note": ""}, "a fix comes from a participant that has"),
    ("hub", "leave", {"reason": ""}, "the host cannot leave"),
    ("birch", "accept", {"terms": "1" * 64}, "are neither on the table (none)"),
]


@pytest.mark.parametrize(("name", "kind", "body", "message"), FORBIDDEN, ids=str)
def test_a_host_that_orders_what_is_forbidden_is_found_out(
    name: str, kind: str, body: dict[str, str], message: str
) -> None:
    scene = small_case()
    envelope = sign_event(scene.draft(name, kind, dict(body)), scene[name].key)
    with pytest.raises(NotSatisfied):
        scene.chain.admit(envelope, scene.now)
    replica = scene.chain.copied()
    with pytest.raises(BrokenSeal) as error:
        replica.accept(next_entry(scene, envelope))
    assert error.value.message.startswith("entry 5 had to be refused: ")
    assert message in error.value.message
    assert error.value.hint == "the host broke the rules"
    assert replica.view == scene.view


def test_a_host_forges_nobody_s_event() -> None:
    scene = small_case()
    envelope = sign_event(scene.draft("birch", "leave", {"reason": ""}), scene.host.key)
    with pytest.raises(BrokenSeal, match="signed by key"):
        scene.chain.copied().accept(next_entry(scene, envelope))


@cache
def long_case() -> Scene:
    """More than two windows of a replay, with a key rotated in each."""
    scene = small_case()
    for number in range(600):
        name = ("birch", "cedar", "alder")[number % 3]
        body = {"object": scene.object(f"{number}", "hub"), "about": None}
        scene.say(name, "note", body)
    return scene


def test_a_replay_is_the_chain_whatever_is_read_ahead() -> None:
    scene = long_case()
    entries = [item.entry for item in scene.chain.ordered]
    again = replay(scene.chain.case, iter(entries))
    assert (again.head, again.view, again.size) == (scene.chain.head, scene.view, 605)
    assert again.copied(300).head == scene.chain.head_at(300)
    assert replay(scene.chain.case, []).size == 0
    with pytest.raises(NotSatisfied, match="the case has no entry yet"):
        _ = Chain(scene.chain.case).view


@pytest.mark.parametrize("place", [5, 255, 256, 511, 512, 604])
@pytest.mark.parametrize("fault", ["signature", "malformed", "other key"])
def test_a_replay_names_the_entry_that_is_wrong(place: int, fault: str) -> None:
    scene = long_case()
    entries = [item.entry for item in scene.chain.ordered[: place + 1]]
    event = entries[place].event
    if fault == "signature":
        at = event.rindex(b'"sig":"') + 10
        event = event[:at] + (b"A" if event[at : at + 1] != b"A" else b"B") + event[at + 1 :]
    elif fault == "malformed":
        event = b"{}"
    else:
        taken = scene.chain.ordered[place].event
        draft = scene.draft("hub", "note", taken.body)
        event = sign_event(replace(draft, author=taken.author), PrivateKey.from_seed(b"z" * 32))
    entries[place] = replace(entries[place], event=event)
    chain = Chain(scene.chain.case)
    with pytest.raises(CannotVerify) as error:
        chain.extend(entries)
    assert error.value.where == f"{scene.chain.case[:16]} entry {place}"
    assert chain.size == place


def test_a_key_that_stood_when_read_ahead_and_not_in_its_turn_is_refused() -> None:
    """The check ahead knows keys of all cards; what counts is the card at the entry."""
    scene = small_case()
    bring(scene, "birch", rotated(scene, "birch"))
    scene.now += timedelta(minutes=1)
    entries = [item.entry for item in scene.chain.ordered]
    late = next_entry(scene, ordinary(scene))
    with pytest.raises(BrokenSeal) as error:
        replay(scene.chain.case, [*entries, late])
    assert error.value.where.endswith("entry 6")
    assert "which is not among the keys given" in error.value.message
