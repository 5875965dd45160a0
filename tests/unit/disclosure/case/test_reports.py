"""The report and what becomes of it; each author speaks only of itself."""

from __future__ import annotations

from typing import Any

import pytest

from steelyard.kernel import JsonObject
from steelyard.kernel.errors import NotSatisfied, SteelyardError

from .cast import Scene, reported_case, small_case


def refusal(scene: Scene, name: str, kind: str, body: JsonObject) -> tuple[str, str]:
    """Why an event is refused, and the hint."""
    with pytest.raises(SteelyardError) as error:
        scene.say(name, kind, body)
    return str(error.value), error.value.hint


def rm(scene: Scene, name: str) -> str:
    return scene.view.states.participant(scene[name].id).rm


def vfd(scene: Scene, name: str) -> str:
    return scene.view.states.participant(scene[name].id).vfd


def test_a_report_makes_a_vendor_aware() -> None:
    scene = small_case()
    found = scene.report("birch", "alder")
    assert (rm(scene, "birch"), vfd(scene, "birch")) == ("received", "Vfd")
    assert (rm(scene, "alder"), vfd(scene, "alder")) == ("received", "")
    assert (rm(scene, "cedar"), vfd(scene, "cedar")) == ("start", "vfd")
    assert [(item.machine, item.event) for item in found.effects].count(("RM", "receive")) == 2


def test_a_report_reaches_only_who_can_decrypt_it() -> None:
    scene = small_case()
    body: JsonObject = {
        "object": scene.object("report", "birch"),
        "to": [scene["birch"].id, scene["cedar"].id],
    }
    message = "report: cedar cannot decrypt what is sent to it"
    assert refusal(scene, "finder", "report", body) == (message, "")


def test_only_who_has_accepted_the_report_passes_it_on() -> None:
    scene = small_case()
    scene.report("birch")
    body: JsonObject = {"object": scene.object("more", "cedar"), "to": [scene["cedar"].id]}
    message, _ = refusal(scene, "birch", "report", body)
    assert "'forward' is forbidden in state 'received' of RM" in message


def test_a_report_during_an_embargo_to_who_did_not_consent_is_advised_against() -> None:
    scene = small_case()
    scene.report("birch")
    scene.embargo("finder", "birch")
    advised = scene.report("cedar").advice
    assert [item.rule for item in advised] == ["consent_before_report"]


def test_a_report_to_somebody_who_left_is_refused() -> None:
    scene = small_case()
    scene.say("cedar", "leave", {"reason": ""})
    with pytest.raises(NotSatisfied) as error:
        scene.report("cedar")
    assert error.value.message == f"{scene['cedar'].id[:20]} is not in this case"


@pytest.mark.parametrize("event", ["invalidate", "defer"])
def test_a_report_is_put_off_or_refused_with_a_reason(event: str) -> None:
    scene = small_case()
    scene.report("birch")
    message = ("judge: a report is put off or refused with a reason", "")
    assert refusal(scene, "birch", "judge", {"event": event, "reason": " \n"}) == message
    if event == "defer":
        scene.say("birch", "judge", {"event": "validate", "reason": ""})
    scene.say("birch", "judge", {"event": event, "reason": "it does not reproduce"})
    assert rm(scene, "birch") == {"invalidate": "invalid", "defer": "deferred"}[event]


def test_a_judgement_is_of_the_author_alone() -> None:
    scene = small_case()
    scene.report("birch", "cedar")
    scene.say("birch", "judge", {"event": "validate", "reason": ""})
    assert (rm(scene, "birch"), rm(scene, "cedar")) == ("valid", "received")


def test_who_makes_no_fix_has_none_ready() -> None:
    """A role says who may; the machine that somebody lacks says it again."""
    scene = small_case()
    scene.report("birch")
    message, _ = refusal(scene, "birch", "fix", {"event": "F", "note": ""})
    assert "a fix comes from a participant that has accepted the report" in message


def open_weights_case() -> Scene:
    scene = small_case()
    scene.invite("commons", "open-weight-developer", open_weights=True)
    for number in (1, 2, 3):
        scene.invite(f"deployer-{number}", "deployer")
    scene.report("commons", "alder")
    scene.say("commons", "judge", {"event": "validate", "reason": ""})
    scene.say("commons", "judge", {"event": "accept", "reason": ""})
    return scene


def test_open_weights_are_mitigated_when_three_deployers_say_so() -> None:
    scene = open_weights_case()
    attest: JsonObject = {"developer": scene["commons"].id, "note": ""}
    assert refusal(scene, "deployer-1", "attest", attest)[0] == ("attest: commons has no fix ready")
    scene.say("commons", "fix", {"event": "F", "note": ""})
    for number in (1, 2, 2):
        message, _ = refusal(scene, "commons", "fix", {"event": "D", "note": ""})
        assert "deployers of other organizations attest it, need 3" in message
        scene.say(f"deployer-{number}", "attest", attest)
    message, _ = refusal(scene, "commons", "fix", {"event": "D", "note": ""})
    assert "; 2 deployers of other organizations attest it, need 3" in message
    scene.say("deployer-3", "attest", attest)
    scene.say("commons", "fix", {"event": "D", "note": ""})
    assert vfd(scene, "commons") == "VFD"


def test_deployers_attest_nothing_of_closed_weights_nor_of_strangers() -> None:
    scene = reported_case()
    body: JsonObject = {"developer": scene["birch"].id, "note": ""}
    assert refusal(scene, "alder", "attest", body) == (
        "attest: the weights of birch are not open",
        "",
    )
    body = {"developer": f"org:{'1' * 64}", "note": ""}
    assert "is not in this case" in refusal(scene, "alder", "attest", body)[0]


@pytest.mark.parametrize("event", ["P", "X", "A"])
def test_what_the_world_knows_is_told_by_who_has_the_report(event: str) -> None:
    scene = small_case()
    body: JsonObject = {"event": event, "evidence": "https://example.org"}
    message, _ = refusal(scene, "birch", "world", body)
    assert "only a participant that has the report" in message
    scene.report("birch")
    scene.say("birch", "world", body)
    assert event in scene.view.states.pxa
    assert vfd(scene, "cedar") == ("Vfd" if event in "PX" else "vfd")


ABOUT_OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("judge", {"event": "validate", "reason": "", "participant": "cedar"}),
    ("fix", {"event": "F", "note": "", "organization": "cedar"}),
    ("accept", {"terms": "1" * 64, "by": "cedar"}),
    ("leave", {"reason": "", "organization": "cedar"}),
    ("approve", {"advisory": "1" * 64, "for": "cedar"}),
    ("target", {"handle": "cedar/m1", "commitment": None, "version": "1", "guardrail": ""}),
    ("progress", {"target": "cedar/m1", "event": "run"}),
    ("answer", {"target": "m1", "query": "1" * 64, "object": {}, "organization": "cedar"}),
]


@pytest.mark.parametrize(("kind", "body"), ABOUT_OTHERS, ids=lambda x: x if type(x) is str else "")
def test_no_body_has_a_place_for_somebody_else(kind: str, body: JsonObject) -> None:
    assert refusal(reported_case(), "birch", kind, body)[0].startswith("disclosure-event.")


def test_another_s_name_as_author_needs_another_s_key() -> None:
    scene = reported_case()
    cedar, birch = scene["cedar"], scene["birch"]
    with pytest.raises(SteelyardError) as error:
        scene.say("cedar", "leave", {"reason": ""}, key=birch.key)
    assert error.value.message.startswith(f"signed by key {birch.key.public_key.key_id[:16]}")
    with pytest.raises(SteelyardError) as error:
        scene.say("birch", "leave", {"reason": ""}, author=cedar.id)
    assert error.value.message.startswith("signed by key ")
    assert not scene.view.member(cedar.id).left
