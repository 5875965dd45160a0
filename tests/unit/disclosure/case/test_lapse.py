"""Silence about an embargo: it is no consent, and after a while no open question either."""

from __future__ import annotations

import pytest

from steelyard.disclosure.case.acts.embargo import answer_until
from steelyard.kernel.errors import NotSatisfied

from .cast import DAY, Scene, reported_case


def lapse(scene: Scene, by: str, name: str) -> str:
    """Why it was refused; empty where it was not."""
    try:
        scene.say(by, "lapse", {"organization": scene[name].id})
    except NotSatisfied as error:
        return error.message
    return ""


def consent(scene: Scene, name: str) -> str:
    return scene.view.states.participant(scene[name].id).pec


def test_an_invitation_lapses_once_its_time_is_over() -> None:
    scene = reported_case()
    scene.embargo("hub", "birch")
    until = answer_until(scene.view, scene["cedar"].id)
    assert "may answer until" in lapse(scene, "hub", "cedar")
    scene.now = until
    assert lapse(scene, "hub", "cedar") == ""
    assert consent(scene, "cedar") == "lapsed"


def test_other_terms_give_time_to_answer_anew() -> None:
    scene = reported_case()
    scene.now += 30 * DAY
    scene.propose("hub")
    assert scene.view.table is not None
    expected = scene.view.table.proposed + scene.view.policy.rsvp_days * DAY
    assert answer_until(scene.view, scene["cedar"].id) == expected
    assert "may answer until" in lapse(scene, "hub", "cedar")


@pytest.mark.parametrize("name", ["hub", "birch"])
def test_who_has_answered_has_nothing_that_lapses(name: str) -> None:
    scene = reported_case()
    scene.embargo("hub", "birch")
    scene.now += 60 * DAY
    assert "has no invitation that could lapse" in lapse(scene, "hub", name)


def test_only_host_and_coordinator_say_that_somebody_was_silent() -> None:
    scene = reported_case()
    scene.embargo("hub", "birch")
    scene.now += 60 * DAY
    assert "'lapse' is for coordinator, host" in lapse(scene, "birch", "cedar")


def test_who_was_silent_may_still_consent() -> None:
    scene = reported_case()
    terms = scene.embargo("hub", "birch")
    scene.now += 20 * DAY
    lapse(scene, "hub", "cedar")
    scene.say("cedar", "accept", {"terms": terms})
    assert consent(scene, "cedar") == "signatory"
