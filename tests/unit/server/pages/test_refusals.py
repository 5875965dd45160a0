"""Why an act is not offered: as the rules of the case would refuse it."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.disclosure.case.cast import DAY, reported_case

from steelyard.server.web.pages.cases.refusals import refusal


def test_publishing_is_offered_once_the_embargo_is_over_or_everybody_agrees() -> None:
    scene = reported_case()
    scene.embargo("hub", "birch")
    hub = scene["hub"].id
    assert refusal(scene.view, hub, "publish", scene.now) == "there is no draft"
    scene.say("hub", "draft", {"object": scene.object("draft", "birch"), "advisory": "1" * 64})
    assert scene.view.terms is not None
    end = scene.view.terms.until
    told = "an embargo is in force, and these have not agreed: \u2068birch\u2069"
    assert refusal(scene.view, hub, "publish", end - timedelta(seconds=1)) == told
    assert refusal(scene.view, hub, "publish", end) == ""
    scene.say("birch", "approve", {"advisory": "1" * 64})
    assert refusal(scene.view, hub, "publish", end - DAY) == ""
