"""Drafts, agreement, dissent, rulings, publication, and emergencies that skip it all."""

from __future__ import annotations

from typing import Any

import pytest

from steelyard.kernel.errors import NotSatisfied

from .cast import DAY, POLICY, Player, Scene, reported_case

FIRST, SECOND = "1" * 64, "2" * 64


def refusal(scene: Scene, name: str, kind: str, **body: Any) -> tuple[str, str]:  # noqa: ANN401
    with pytest.raises(NotSatisfied) as error:
        scene.say(name, kind, body)
    return str(error.value), error.value.hint


def draft(scene: Scene, advisory: str = FIRST, by: str = "hub") -> None:
    scene.say(by, "draft", {"object": scene.object(advisory, "birch"), "advisory": advisory})


def publish(scene: Scene, advisory: str = FIRST, by: str = "hub") -> None:
    scene.say(by, "publish", {"advisory": advisory, "references": ["https://example.org/1"]})


def under_embargo(*, by_default: bool = True) -> Scene:
    """The reported case with an embargo of 90 days between the hub, birch and cedar."""
    scene = Scene(Player("hub", ("coordinator",)))
    scene.open(policy={**POLICY, "publish_by_default": by_default})
    scene.invite("finder", "reporter")
    scene.invite("birch", "developer")
    scene.invite("cedar", "developer")
    scene.report("hub", "birch", "cedar")
    terms = scene.embargo("hub", "birch")
    scene.say("cedar", "accept", {"terms": terms})
    return scene


@pytest.mark.parametrize("kind", ["approve", "dissent", "publish"])
def test_what_is_said_is_of_the_draft_that_stands(kind: str) -> None:
    scene = reported_case()
    more: dict[str, Any] = {"dissent": {"text": "No."}, "publish": {"references": []}}.get(kind, {})
    message = f"{kind}: the draft that stands is none, not {FIRST[:16]}"
    assert refusal(
        scene, "hub" if kind == "publish" else "birch", kind, advisory=FIRST, **more
    ) == (
        message,
        "",
    )
    draft(scene, SECOND)
    message = f"{kind}: the draft that stands is {SECOND[:16]}, not {FIRST[:16]}"
    by = "hub" if kind == "publish" else "birch"
    assert refusal(scene, by, kind, advisory=FIRST, **more)[0] == message


def test_a_later_draft_voids_agreement_and_the_same_one_does_not() -> None:
    scene = reported_case()
    draft(scene)
    scene.say("birch", "approve", {"advisory": FIRST})
    assert scene.view.publication.approved == {scene["hub"].id, scene["birch"].id}
    body = {"object": scene.object(FIRST, "birch"), "advisory": FIRST}
    assert refusal(scene, "finder", "draft", **body) == ("draft: this draft stands", "")
    draft(scene, SECOND, by="finder")
    assert scene.view.publication.approved == {scene["finder"].id}
    assert scene.view.publication.object == scene.object(SECOND)["id"]


def test_nothing_is_published_under_embargo_without_every_signatory() -> None:
    scene = under_embargo()
    draft(scene)
    body = {"advisory": FIRST, "references": []}
    names = "birch, cedar"
    message = f"publish: an embargo is in force, and these signatories have not agreed: {names}"
    assert refusal(scene, "hub", "publish", **body) == (
        message,
        "wait for its end, or for their consent",
    )
    scene.say("birch", "approve", {"advisory": FIRST})
    assert refusal(scene, "finder", "publish", **body)[0] == message.replace("birch, ", "")
    scene.say("cedar", "approve", {"advisory": FIRST})
    publish(scene)
    assert scene.view.publication.published == scene.now
    assert scene.view.publication.references == ("https://example.org/1",)
    assert (scene.view.states.em, scene.view.states.pxa) == ("exited", "Pxa")


def test_terms_that_are_talked_about_hold_nothing_back() -> None:
    """Their proposer consents to them, and nobody has agreed to wait."""
    scene = reported_case()
    scene.propose("cedar")
    draft(scene)
    publish(scene)
    assert (scene.view.states.em, scene.view.publication.published) == ("none", scene.now)


def test_at_the_end_of_the_embargo_publication_is_the_default() -> None:
    scene = under_embargo()
    draft(scene)
    scene.now += 90 * DAY
    publish(scene, by="finder")
    assert scene.view.publication.published == scene.now


def test_a_case_that_was_opened_otherwise_waits_for_consent() -> None:
    scene = under_embargo(by_default=False)
    draft(scene)
    scene.now += 90 * DAY
    message, _ = refusal(scene, "hub", "publish", advisory=FIRST, references=[])
    assert message.endswith("have not agreed: birch, cedar")
    scene.say("cedar", "terminate", {"reason": ""})
    publish(scene)


@pytest.mark.parametrize("fast", ["host", "author"])
def test_the_end_has_come_by_both_clocks(fast: str) -> None:
    """Neither a host nor a publisher alone ends an embargo by its clock."""
    scene = under_embargo()
    draft(scene)
    at = scene.now
    if fast == "host":
        scene.now += 91 * DAY
    else:
        at += 91 * DAY
    with pytest.raises(NotSatisfied):
        scene.say("hub", "publish", {"advisory": FIRST, "references": []}, at=at)


def test_an_advisory_is_published_once_and_drafted_no_more() -> None:
    scene = reported_case()
    draft(scene)
    publish(scene)
    body: dict[str, Any] = {"advisory": FIRST, "references": []}
    assert refusal(scene, "hub", "publish", **body)[0] == "publish: the advisory is public"
    body = {"object": scene.object(SECOND, "birch"), "advisory": SECOND}
    assert refusal(scene, "hub", "draft", **body)[0] == "draft: the advisory is public"


def test_who_publishes_has_the_report() -> None:
    scene = reported_case()
    scene.invite("elm", "coordinator")
    draft(scene, by="elm")
    message, _ = refusal(scene, "elm", "publish", advisory=FIRST, references=[])
    assert "only a participant that has the report" in message


def test_a_flaw_that_is_public_already_is_published_all_the_same() -> None:
    scene = reported_case()
    scene.say("birch", "world", {"event": "P", "evidence": "a paper"})
    draft(scene)
    publish(scene)
    assert scene.view.states.pxa == "Pxa"


def dissent(scene: Scene, name: str) -> str:
    return scene.say(name, "dissent", {"advisory": FIRST, "text": "No."}).event.digest


def test_a_dissent_takes_agreement_back_and_stays_with_its_ruling() -> None:
    scene = reported_case()
    scene.invite("judge", "adjudicator")
    draft(scene)
    scene.say("birch", "approve", {"advisory": FIRST})
    named = dissent(scene, "birch")
    assert scene.view.publication.approved == {scene["hub"].id}
    body = {"dissent": named, "upheld": True, "text": "The rate is wrong."}
    scene.say("judge", "ruling", body)
    draft(scene, SECOND)
    [found] = scene.view.publication.dissents
    assert (found.digest, found.author, found.text) == (named, scene["birch"].id, "No.")
    assert (found.upheld, found.ruling) == (True, "The rate is wrong.")
    message = ("ruling: this dissent is decided", "")
    assert refusal(scene, "judge", "ruling", **body) == message
    body["dissent"] = SECOND
    assert refusal(scene, "judge", "ruling", **body)[0] == "ruling: no such dissent in this case"


def test_nobody_rules_on_itself() -> None:
    scene = reported_case()
    scene.invite("judge", "adjudicator", "developer")
    draft(scene)
    named = dissent(scene, "judge")
    body = {"dissent": named, "upheld": True, "text": "I am right."}
    message = "ruling: nobody decides a dissent of their own"
    assert refusal(scene, "judge", "ruling", **body)[0] == message


def test_nobody_uses_up_the_dissents_of_the_others() -> None:
    scene = reported_case()
    draft(scene)
    for _ in range(4):
        dissent(scene, "birch")
    message = "dissent: an organization dissents at most 4 times in a case"
    assert refusal(scene, "birch", "dissent", advisory=FIRST, text="No.")[0] == message
    dissent(scene, "cedar")
    assert len(scene.view.publication.dissents) == 5


def test_an_emergency_needs_nobody_and_tells_who_was_told() -> None:
    scene = reported_case()
    body: dict[str, Any] = {"facts": "It burns.", "told": ["The fire brigade"]}
    for _ in range(4):
        scene.say("alder", "emergency", body)
    message = "emergency: an organization has at most 4 emergencies in a case"
    assert refusal(scene, "alder", "emergency", **body)[0] == message
    scene.say("birch", "emergency", body)
    last = scene.view.emergencies[-1]
    assert (last.author, last.at, last.told) == (
        scene["birch"].id,
        scene.now,
        ("The fire brigade",),
    )
    assert scene.view.states == reported_case().view.states
