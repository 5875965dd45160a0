"""The order of events: each author's own, what it had seen, the clocks, the one spelling."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from steelyard.attest import Statement, Subject, generate_key, predicate_type, sign_statement
from steelyard.disclosure.case import Chain, Entry, case_id, sign_event
from steelyard.disclosure.case.event import EVENT_KIND, FIRST, claimed_event, read_claim
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, NotSatisfied, SteelyardError

from .cast import NONCE, START, Player, Scene, small_case

LEAVE = {"reason": ""}


def refused(scene: Scene, name: str, **changes: Any) -> SteelyardError:  # noqa: ANN401
    """Why the host does not order an event."""
    size, head = scene.chain.size, scene.chain.head
    with pytest.raises(SteelyardError) as error:
        scene.say(name, "leave", LEAVE, **changes)
    assert (scene.chain.size, scene.chain.head) == (size, head)
    return error.value


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence": 2}, "event 2 of its author does not follow event 0"),
        ({"sequence": 7}, "event 7 of its author does not follow event 0"),
        ({"previous": "1" * 64}, "event 1 of its author does not follow event 0"),
    ],
)
def test_an_event_follows_the_last_of_its_author(changes: dict[str, Any], message: str) -> None:
    error = refused(small_case(), "birch", **changes)
    assert type(error) is BrokenSeal
    assert str(error) == f"leave: {message}"
    assert error.hint == "fetch the case, then sign the event anew"


def test_an_event_names_the_very_one_before_it() -> None:
    scene = small_case()
    scene.target("birch")
    first = scene["birch"].previous
    scene.target("birch", "m2")
    assert "does not follow" in refused(scene, "birch", previous=first).message
    scene.say("birch", "leave", LEAVE)


def test_somebody_who_left_says_nothing_any_more() -> None:
    scene = small_case()
    scene.say("birch", "leave", LEAVE)
    error = refused(scene, "birch")
    assert error.message == f"{scene['birch'].id[:20]} is not in this case"
    assert error.hint == "the host, a coordinator or the reporter can invite it"


def test_a_stranger_says_nothing() -> None:
    scene = small_case()
    scene.players["zelkova"] = Player("zelkova", ("developer",))
    assert type(refused(scene, "zelkova")) is NotSatisfied


def test_an_event_of_another_case_is_refused() -> None:
    scene = small_case()
    error = refused(scene, "birch", case="1" * 64)
    assert str(error) == "leave: the event is of another case"


def test_an_author_who_was_shown_another_history_is_heard() -> None:
    scene = small_case()
    error = refused(scene, "birch", seen_size=3, seen_head="1" * 64)
    assert str(error) == (
        f"leave: the author saw head {'1' * 16} after 3 entries, here it is "
        f"{scene.chain.head_at(3)[:16]}: one of the two histories is forged"
    )
    assert error.hint == "compare checkpoints with the author"


def test_nobody_has_seen_what_is_not_there() -> None:
    scene = small_case()
    error = refused(scene, "birch", seen_size=scene.chain.size + 1)
    assert str(error) == "leave: the author saw entries that this case does not have"


def test_only_the_opening_is_said_unseen() -> None:
    scene = small_case()
    error = refused(scene, "birch", seen_size=0, seen_head=FIRST)
    assert str(error) == "leave: only the opening is said by somebody who saw nothing"
    error = refused(scene, "birch", seen_size=0, seen_head="1" * 64)
    assert "one of the two histories is forged" in error.message


def test_an_author_may_have_seen_less_than_there_is() -> None:
    scene = small_case()
    seen = {"seen_size": 2, "seen_head": scene.chain.head_at(2)}
    assert scene.say("birch", "leave", LEAVE, **seen).event.seen_size == 2


def test_an_author_s_clock_may_run_five_minutes_ahead() -> None:
    scene = small_case()
    error = refused(scene, "birch", at=scene.now + timedelta(minutes=6, seconds=1))
    assert str(error) == "leave: the author's clock is ahead of the host's"
    at = scene.now + timedelta(minutes=6)
    assert scene.say("birch", "leave", LEAVE, at=at).event.at == at


def test_an_author_s_clock_may_be_slow() -> None:
    scene = small_case()
    assert scene.say("birch", "leave", LEAVE, at=START.replace(year=1999)).event.at.year == 1999


def test_a_host_s_clock_set_back_stands_still() -> None:
    scene = small_case()
    before = scene.view.ordered
    scene.now -= timedelta(days=3)
    assert scene.say("birch", "leave", LEAVE).entry.ordered == before


def test_a_host_orders_in_whole_seconds() -> None:
    scene = small_case()
    scene.now += timedelta(microseconds=900_000)
    ordered = scene.say("birch", "leave", LEAVE).entry.ordered
    assert ordered.microsecond == 0
    assert ordered == scene.now.replace(microsecond=0)


def test_an_event_that_comes_again_is_not_ordered_again() -> None:
    scene = small_case()
    first = scene.say("birch", "leave", LEAVE)
    assert scene.chain.admit(first.entry.event, scene.now) is first
    entry = Entry(scene.chain.size, scene.chain.head, scene.now, first.entry.event)
    with pytest.raises(BrokenSeal):
        scene.chain.accept(entry)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence": 2}, "the opening is the first event of its author"),
        ({"previous": "1" * 64}, "the opening is the first event of its author"),
        ({"seen_size": 1, "seen_head": "1" * 64}, "the opening is the first event of its author"),
        ({"kind": "leave", "body": LEAVE}, "signed by key"),
    ],
)
def test_a_case_begins_with_its_opening(changes: dict[str, Any], message: str) -> None:
    scene = Scene(Player("hub", ("coordinator",)))
    draft = replace(small_opening(scene), **changes)
    with pytest.raises(BrokenSeal) as error:
        Chain(draft.case).admit(sign_event(draft, scene.host.key), START)
    assert message in error.value.message


def small_opening(scene: Scene) -> Any:  # noqa: ANN401
    opened = scene.copied().open().event
    return scene.draft("hub", "open", opened.body)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tables": "1" * 64}, f"the case follows other tables ({'1' * 16})"),
        ({"nonce": "b" * 32}, "the id of the case is not of this host and nonce"),
        ({"roles": ["coordinator", "regulator"]}, "the card of hub does not name regulator"),
        (
            {"card": parse_json_object(Player("birch", ("developer",)).envelope)},
            "signed by key",
        ),
    ],
)
def test_an_opening_is_of_its_host(changes: dict[str, Any], message: str) -> None:
    scene = Scene(Player("hub", ("coordinator",)))
    with pytest.raises(SteelyardError) as error:
        scene.open(**changes)
    assert message in error.value.message


def test_the_opening_carries_the_host_s_own_card() -> None:
    """A host that signs with another's key, whose card it shows, is not that other."""
    scene = Scene(Player("hub", ("coordinator",)))
    other = Player("birch", ("coordinator",))
    body = {**small_opening(scene).body, "card": parse_json_object(other.envelope)}
    envelope = sign_event(scene.draft("hub", "open", body), other.key)
    with pytest.raises(BrokenSeal) as error:
        scene.chain.admit(envelope, START)
    assert str(error.value) == "open: the card is not of the host"


def test_a_case_is_opened_once() -> None:
    scene = small_case()
    with pytest.raises(NotSatisfied) as error:
        scene.open()
    assert str(error.value) == "open: a case is opened once"


def test_the_id_of_a_case_is_of_host_and_nonce() -> None:
    host = "org:" + "1" * 64
    assert case_id(host, NONCE) != case_id(host, "b" * 32)
    assert case_id(host, NONCE) != case_id("org:" + "2" * 64, NONCE)


def envelope_of(scene: Scene) -> bytes:
    return sign_event(scene.draft("birch", "leave", LEAVE), scene["birch"].key)


def resigned(change: Callable[[dict[str, Any]], None]) -> bytes:
    """An event of birch's whose predicate was changed before it was signed."""
    scene = small_case()
    predicate: Any = parse_json_object(
        base64.b64decode(str(parse_json_object(envelope_of(scene))["payload"]))
    )["predicate"]
    change(predicate)
    subject = Subject("case", predicate["case"])
    statement = Statement((subject,), predicate_type(EVENT_KIND), predicate)
    return sign_statement(statement, scene["birch"].key)


def put(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda predicate: predicate.__setitem__(name, value)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("kind", []), "disclosure-event.kind: no such kind of event: 'list'"),
        (put("kind", {}), "disclosure-event.kind: no such kind of event: 'dict'"),
        (put("kind", "vote"), "disclosure-event.kind: no such kind of event: 'vote'"),
        (put("kind", "accept"), "fields that are missing or too many: reason, terms"),
        (put("body", []), "disclosure-event.leave: expected an object"),
        (put("sequence", bool(1)), "expected a whole number from 1 to 2147483648"),
        (put("sequence", 0), "expected a whole number from 1 to 2147483648"),
        (put("at", "2026-11-01T12:00:00+00:00"), "expected an instant"),
        (put("author", "org:me"), "'org:me' is no organization (org: and 64 hex digits)"),
        (put("more", 1), "fields that are missing or too many: more"),
        (put("body", {"reason": nested(400)}), "expected text of at most 1000 characters"),
        (put("kind", nested(400)), "no such kind of event: 'list'"),
    ],
)
def test_what_is_no_event_is_refused(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(MalformedEvidence) as error:
        claimed_event(resigned(change))
    assert message in str(error.value)


def test_nesting_that_exhausts_the_interpreter_is_refused_as_malformed() -> None:
    """Whatever the depth at which it is called, it never ends in a crash."""
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    envelope = (
        b'{"payload":"%s","payloadType":"application/vnd.in-toto+json","signatures":'
        b'[{"keyid":"%s","sig":"%s"}]}'
    ) % (base64.b64encode(deep), b"a" * 64, base64.b64encode(b"\x00" * 64))
    with pytest.raises(SteelyardError):
        claimed_event(envelope)
    for depth in range(300, 1000, 50):
        with pytest.raises(SteelyardError):
            claimed_event(wrapped(nested(depth)))


def wrapped(value: object) -> bytes:
    payload = (
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"x":%s},"predicateType":"x",'
        b'"subject":[{"digest":{"sha256":"%s"},"name":"case"}]}'
    ) % (canonical_json_of(value), b"a" * 64)
    return (
        b'{"payload":"%s","payloadType":"application/vnd.in-toto+json","signatures":'
        b'[{"keyid":"%s","sig":"%s"}]}'
    ) % (base64.b64encode(payload), b"a" * 64, base64.b64encode(b"\x00" * 64))


def canonical_json_of(value: object) -> bytes:
    return str(value).replace(" ", "").encode()


def test_an_event_of_a_megabyte_is_not_read() -> None:
    with pytest.raises(MalformedEvidence) as error:
        claimed_event(b"x" * (256 * 1024 + 1))
    assert error.value.message == "an event has at most 262144 bytes, found 262145"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\n",
        lambda data: data.replace(b":", b": ", 1),
        lambda data: data.replace(b"payload", b"\\u0070ayload", 1),
        lambda data: canonical_json({**parse_json_object(data), "more": 1}),
        lambda data: data.replace(b"+json", b"+JSON"),
        lambda data: data.replace(b'"sig":"', b'"sig":"A'),
    ],
)
def test_an_envelope_in_another_spelling_is_refused(change: Callable[[bytes], bytes]) -> None:
    scene = small_case()
    good = envelope_of(scene)
    assert claimed_event(good).kind == "leave"
    with pytest.raises(BrokenSeal):
        claimed_event(change(good))


def test_a_signature_has_one_spelling() -> None:
    """The last letter of base64 has bits that no byte holds."""
    good = envelope_of(small_case())
    head, letter = good[: good.rindex(b"==")][:-1], good[: good.rindex(b"==")][-1:]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = alphabet[alphabet.index(letter) ^ 1 :][:1]
    with pytest.raises(BrokenSeal) as error:
        claimed_event(head + twin + b'=="}]}')
    assert error.value.message == "the envelope is not in canonical base64"


def test_an_event_is_opened_with_the_keys_of_its_author_alone() -> None:
    scene = small_case()
    envelope = envelope_of(scene)
    own, other = scene["birch"].key.public_key, generate_key().public_key
    assert read_claim(envelope).verified({own.key_id: own}).kind == "leave"
    for keys in ({}, {other.key_id: other}, {own.key_id: other}):
        with pytest.raises(BrokenSeal):
            read_claim(envelope).verified(keys)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (lambda s: replace(s, predicate_type="urn:x"), "this is no event of a case"),
        (
            lambda s: replace(s, subjects=(Subject("case", "1" * 64),)),
            "the subject is not the case that it names",
        ),
        (
            lambda s: replace(s, subjects=(*s.subjects, Subject("case", "1" * 64))),
            "the subject is not the case that it names",
        ),
    ],
)
def test_another_statement_is_no_event(
    statement: Callable[[Statement], Statement], message: str
) -> None:
    scene = small_case()
    payload = base64.b64decode(str(parse_json_object(envelope_of(scene))["payload"]))
    envelope = sign_statement(statement(Statement.from_bytes(payload)), scene["birch"].key)
    with pytest.raises(BrokenSeal) as error:
        claimed_event(envelope)
    assert error.value.message == message
