"""Targets, queries and answers as everybody sees them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from steelyard.disclosure.reproducer.query import sign_query
from steelyard.kernel import JsonObject, parse_json_object
from steelyard.kernel.errors import BrokenSeal, NotSatisfied, SteelyardError

from .cast import DAY, POLICY, Player, Scene, reported_case, small_case

NOT_YET = (
    "'run' is forbidden in state 'notified' of AM, which allows notify, acknowledge, new_version"
)


def refusal(scene: Scene, name: str, kind: str, body: dict[str, Any]) -> str:
    with pytest.raises(SteelyardError) as error:
        scene.say(name, kind, body)
    return str(error.value)


def state(scene: Scene, name: str, handle: str = "m1") -> str:
    return scene.view.targets[scene[name].id, handle].state


def asked_case() -> tuple[Scene, Any]:
    scene = reported_case()
    scene.target("birch")
    return scene, scene.ask("birch", "cedar", "alder")


def test_a_target_goes_from_unknown_to_answered_and_back() -> None:
    scene = reported_case()
    scene.target("birch")
    assert state(scene, "birch") == "unknown"
    asked = scene.ask("birch")
    assert state(scene, "birch") == "notified"
    scene.say("birch", "progress", {"target": "m1", "event": "acknowledge"})
    assert state(scene, "birch") == "acked"
    scene.say("birch", "progress", {"target": "m1", "event": "run"})
    assert state(scene, "birch") == "running"
    scene.answer("birch", asked)
    assert state(scene, "birch") == "answered"
    since = scene.view.targets[scene["birch"].id, "m1"].since
    scene.target("birch", version="2")
    assert state(scene, "birch") == "retest"
    assert scene.view.targets[scene["birch"].id, "m1"].since > since


def test_no_verdict_can_be_read_off_the_open_state() -> None:
    """Whatever the answer was, and whatever followed, the others see one word."""
    scene, asked = asked_case()
    scene.answer("birch", asked)
    scene.say("birch", "status", {"target": "m1", "object": scene.object("update", "hub")})
    assert state(scene, "birch") == "answered"
    assert scene.view.answered == {(asked.digest, f"{scene['birch'].id}/m1")}


def test_who_was_asked_before_naming_a_target_is_silent_until_it_does() -> None:
    scene, _ = asked_case()
    unnamed = scene.view.targets[scene["cedar"].id, ""]
    assert (unnamed.state, unnamed.since) == ("notified", scene.now)
    scene.target("cedar", "m1")
    assert state(scene, "cedar") == "notified"
    assert scene.view.targets[scene["cedar"].id, "m1"].since == unnamed.since
    assert (scene["cedar"].id, "") not in scene.view.targets


def test_a_target_named_while_a_query_stands_is_asked_as_well() -> None:
    scene, asked = asked_case()
    scene.target("cedar", "m1")
    scene.target("cedar", "m2")
    assert state(scene, "cedar", "m2") == "notified"
    scene.answer("cedar", asked, handle="m2")
    scene.now = asked.until + DAY
    scene.target("cedar", "m3")
    assert state(scene, "cedar", "m3") == "unknown"


def test_a_target_known_as_it_is_is_not_named_again() -> None:
    scene = reported_case()
    scene.target("birch")
    with pytest.raises(NotSatisfied) as error:
        scene.target("birch")
    assert str(error.value) == "target: this target is known as it is"


def test_an_organization_has_64_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelyard.disclosure.case.acts.affected._TARGET_LIMIT", 2)
    scene = reported_case()
    scene.target("birch", "m1")
    scene.target("birch", "m2")
    with pytest.raises(NotSatisfied) as error:
        scene.target("birch", "m3")
    assert str(error.value) == "target: an organization has at most 2 targets in a case"
    scene.target("birch", "m2", version="2")
    scene.target("cedar", "m3")
    assert scene.view.member(scene["birch"].id).targets == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"case": "other"}, "query: the query is of another case"),
        ({"level": "counts"}, "query: the case was opened for band, not counts"),
        (
            {"until": "-"},
            "query: the query has lapsed, or is issued later than it is asked",
        ),
        (
            {"issued": "+"},
            "query: the query has lapsed, or is issued later than it is asked",
        ),
    ],
)
def test_a_query_is_refused(changes: dict[str, Any], message: str) -> None:
    scene = reported_case()
    late = {"until": scene.now, "issued": scene.now + timedelta(minutes=2)}
    named = {name: late.get(name, value) for name, value in changes.items()}
    with pytest.raises(NotSatisfied) as error:
        scene.ask("birch", **named)
    assert str(error.value) == message


def test_a_query_is_asked_once() -> None:
    scene, asked = asked_case()
    with pytest.raises(NotSatisfied) as error:
        scene.ask("birch", issued=asked.issued, until=asked.until)
    assert str(error.value) == "query: the query stands already"
    assert error.value.hint == "ask anew, with a nonce of its own"
    scene.ask("birch", nonce="1" * 32)
    assert len(scene.view.queries) == 2


def test_a_query_is_signed_by_who_asks() -> None:
    scene = reported_case()
    envelope = parse_json_object(sign_query(scene.query(), scene["birch"].key))
    with pytest.raises(BrokenSeal):
        scene.say("hub", "query", {"query": envelope, "to": [scene["birch"].id]})


def test_nobody_without_a_role_that_answers_is_asked_and_called_silent() -> None:
    scene = reported_case()
    with pytest.raises(NotSatisfied) as error:
        scene.ask("birch", "finder")
    assert str(error.value) == "query: finder has no role that answers"


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (
            "progress",
            {"target": "m9", "event": "run"},
            "progress: the author has no such target",
        ),
        (
            "progress",
            {"target": "m1", "event": "run"},
            NOT_YET,
        ),
        (
            "status",
            {"target": "m1"},
            "status: a target that has not answered has nothing to mitigate",
        ),
        ("answer", {"target": "m1", "query": "1" * 64}, "answer: the author was not asked this"),
    ],
)
def test_what_does_not_follow_is_refused(kind: str, body: dict[str, Any], message: str) -> None:
    scene, _ = asked_case()
    sealed = {} if kind == "progress" else {"object": scene.object("x", "hub")}
    assert refusal(scene, "birch", kind, {**body, **sealed}) == message


def test_a_target_answers_a_query_once_in_time_and_when_asked() -> None:
    scene, asked = asked_case()
    scene.answer("birch", asked)
    twin = scene.copied()
    with pytest.raises(NotSatisfied) as error:
        twin.answer("birch", asked, "again")
    assert str(error.value) == "answer: this target has answered"
    assert error.value.hint == "a new run needs a new query"
    scene.target("cedar")
    scene.now = asked.until
    with pytest.raises(NotSatisfied) as error:
        scene.answer("cedar", asked)
    assert str(error.value) == "answer: the query has lapsed"
    assert error.value.hint == "ask the coordinator for a new one"


@pytest.mark.parametrize("slow", ["author", "orderer"])
def test_a_query_lapses_by_both_clocks(slow: str) -> None:
    """A host that holds an answer back, or whose clock is ahead, makes nobody silent."""
    scene, asked = asked_case()
    if slow == "author":
        scene.now, at = asked.until, asked.until - timedelta(seconds=1)
    else:
        scene.now, at = asked.until - timedelta(minutes=3), asked.until
    body: JsonObject = {"handle": "m2", "commitment": None, "version": "1", "guardrail": ""}
    scene.say("birch", "target", body, at=at)
    assert state(scene, "birch", "m2") == "notified"
    for handle in ("m1", "m2"):
        scene.copied().answer("birch", asked, handle=handle, at=at)


def test_a_query_is_over_at_its_end() -> None:
    scene, asked = asked_case()
    scene.now = asked.until - timedelta(minutes=1)
    with pytest.raises(NotSatisfied) as error:
        scene.answer("birch", asked, at=asked.until)
    assert str(error.value) == "answer: the query has lapsed"


def test_no_query_is_asked_after_its_end_whatever_its_author_s_clock_says() -> None:
    """Who is asked would be called silent without having had the time to answer."""
    scene = reported_case()
    asked = scene.query(until=scene.now + timedelta(minutes=1))
    body: JsonObject = {
        "query": parse_json_object(sign_query(asked, scene["hub"].key)),
        "to": [scene["birch"].id],
    }
    with pytest.raises(NotSatisfied) as error:
        scene.say("hub", "query", body, at=scene.now)
    assert error.value.message == "the query has lapsed, or is issued later than it is asked"


def test_a_target_named_after_the_query_has_lapsed_answers_nothing() -> None:
    """Whatever its author's clock says of the answer."""
    scene, asked = asked_case()
    scene.now = asked.until
    scene.target("birch", "m2")
    assert state(scene, "birch", "m2") == "unknown"
    with pytest.raises(NotSatisfied) as error:
        scene.answer("birch", asked, handle="m2", at=asked.issued)
    assert str(error.value) == "answer: the target was named after the query had lapsed"


def test_a_target_that_nobody_asked_about_has_nothing_to_answer() -> None:
    scene, asked = asked_case()
    scene.now = asked.until - timedelta(minutes=2)
    other = scene.ask("alder", nonce="1" * 32)
    scene.target("alder")
    scene.target("cedar", "m1")
    scene.now = asked.until
    scene.target("cedar", "m2")
    assert state(scene, "cedar", "m2") == "unknown"
    with pytest.raises(NotSatisfied) as error:
        scene.answer("cedar", other, handle="m2")
    assert str(error.value) == "answer: the author was not asked this"
    scene.say("alder", "progress", {"target": "m1", "event": "acknowledge"})


@pytest.mark.parametrize(
    ("readers", "message"),
    [
        (("birch",), "answer: no coordinator can read this"),
        (("hub", "cedar"), "answer: what was found is for coordinators alone"),
        (("hub", "finder"), "answer: what was found is for coordinators alone"),
    ],
)
def test_a_sealed_answer_is_for_coordinators_alone(readers: tuple[str, ...], message: str) -> None:
    scene, asked = asked_case()
    body: JsonObject = {
        "target": "m1",
        "query": asked.digest,
        "object": scene.object("answer", *readers),
    }
    assert refusal(scene, "birch", "answer", body) == message


def test_an_author_and_an_adjudicator_may_read_a_sealed_answer() -> None:
    scene, asked = asked_case()
    scene.invite("judge", "adjudicator")
    body: JsonObject = {
        "target": "m1",
        "query": asked.digest,
        "object": scene.object("answer", "hub", "birch", "judge"),
    }
    scene.say("birch", "answer", body)
    assert state(scene, "birch") == "answered"


@pytest.mark.parametrize("who", ["hub", "birch"])
def test_nobody_passes_a_sealed_answer_on(who: str) -> None:
    scene, asked = asked_case()
    scene.answer("birch", asked, "sealed")
    body: JsonObject = {"object": scene.object("sealed", "cedar"), "about": None}
    message = "note: what was found is for coordinators alone"
    assert refusal(scene, who, "note", body) == message
    scene.invite("hub-2", "coordinator")
    scene.say("hub", "note", {"object": scene.object("sealed", "hub-2"), "about": None})


def test_an_object_that_others_read_is_no_sealed_answer() -> None:
    scene, asked = asked_case()
    scene.say("birch", "note", {"object": scene.object("x", "cedar", "hub"), "about": None})
    with pytest.raises(NotSatisfied) as error:
        scene.answer("birch", asked, "x")
    assert str(error.value) == "answer: what was found is for coordinators alone"


def answered_case(count: int) -> tuple[Scene, Any]:
    scene = Scene(Player("hub", ("coordinator",)))
    scene.open(policy={**POLICY, "level": "verdict"})
    names = [f"lab-{number}" for number in range(count)]
    for name in names:
        scene.invite(name, "developer")
    asked = scene.ask(*names)
    for name in names:
        scene.target(name)
        scene.answer(name, asked)
    return scene, asked


@pytest.mark.parametrize(
    ("answers", "told", "message"),
    [
        (2, (2, 0, 0), "7 answered; counts are told 3 answers at a time"),
        (7, (7, 0, 0), "7 answered; counts are told 3 answers at a time"),
        (9, (9, 0, 0), "7 answered; counts are told 3 answers at a time"),
        (6, (5, 1, 0), "counts below 3 are not told"),
        (6, (4, None, 0), "counts below 3 are not told"),
        (6, (4, None, None), "counts below 3 are not told"),
        (6, (4, 2, None), "counts below 3 are not told"),
        (6, (0, 0, 0), "the counts do not add up to the answers"),
        (6, (3, 6, 0), "the counts do not add up to the answers"),
        (6, (3, 6, None), "the counts do not add up to the answers"),
    ],
)
def test_no_count_below_three_is_told(
    answers: int, told: tuple[int | None, ...], message: str
) -> None:
    scene, asked = answered_case(7)
    names = ("affected", "not_affected", "undetermined")
    body = {
        "query": asked.digest,
        "answers": answers,
        "by_verdict": dict(zip(names, told, strict=True)),
    }
    assert refusal(scene, "hub", "counts", body) == f"counts: {message}"


@pytest.mark.parametrize(
    ("answers", "told"), [(6, (3, 3, 0)), (6, (6, 0, 0)), (6, (None, None, 0)), (3, (3, 0, None))]
)
def test_counts_from_three_on_are_told(answers: int, told: tuple[int | None, ...]) -> None:
    scene, asked = answered_case(7)
    names = ("affected", "not_affected", "undetermined")
    by_verdict = dict(zip(names, told, strict=True))
    body = {"query": asked.digest, "answers": answers, "by_verdict": by_verdict}
    scene.say("hub", "counts", body)
    assert scene.view.counts == {asked.digest: {"answers": answers, "by_verdict": by_verdict}}


def test_counts_are_of_a_query_of_this_case() -> None:
    scene, _ = answered_case(3)
    body = {
        "query": "1" * 64,
        "answers": 3,
        "by_verdict": {"affected": 3, "not_affected": 0, "undetermined": 0},
    }
    assert refusal(scene, "hub", "counts", body) == "counts: no such query in this case"


def test_nobody_progresses_for_another() -> None:
    scene, asked = asked_case()
    for kind, body in (
        ("progress", {"target": "m1", "event": "acknowledge"}),
        (
            "answer",
            {"target": "m1", "query": asked.digest, "object": scene.object("x", "hub")},
        ),
        ("status", {"target": "m1", "object": scene.object("y", "hub")}),
    ):
        message = f"{kind}: the author has no such target"
        assert refusal(scene, "cedar", kind, body) == message
    assert small_case().view.targets == {}
