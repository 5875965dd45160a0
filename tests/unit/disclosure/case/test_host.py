"""What a host can do to a case, and how a participant that takes its entries finds it out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import pytest

from steelyard.attest import PrivateKey
from steelyard.disclosure.case import Chain, Entry, replay, sign_event
from steelyard.kernel.errors import BrokenSeal, CannotVerify, NotSatisfied

from .cast import Scene, bring, reported_case, rotated, small_case


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
