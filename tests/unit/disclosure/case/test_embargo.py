"""The embargo: every answer names the terms that it is to."""

from __future__ import annotations

import pytest

from steelyard.disclosure.states.standing import impossible
from steelyard.kernel import format_instant
from steelyard.kernel.errors import NotSatisfied

from .cast import DAY, Scene, reported_case


def refusal(scene: Scene, name: str, kind: str, **body: str) -> tuple[str, str]:
    with pytest.raises(NotSatisfied) as error:
        scene.say(name, kind, dict(body))
    return str(error.value), error.value.hint


def neither(kind: str, named: str, table: str = "none", force: str = "none") -> tuple[str, str]:
    """What is said of terms that do not stand."""
    standing = f"neither on the table ({table[:16]}) nor in force ({force[:16]})"
    hint = "read the case again, then answer the terms that stand now"
    return f"{kind}: terms {named[:16]} are {standing}", hint


def consent(scene: Scene, name: str) -> str:
    return scene.view.states.participant(scene[name].id).pec


def test_terms_are_proposed_accepted_and_in_force() -> None:
    scene = reported_case()
    terms = scene.propose("hub")
    assert scene.view.table is not None
    assert (scene.view.table.digest, scene.view.table.by) == (terms, scene["hub"].id)
    assert scene.view.terms is None
    scene.say("birch", "accept", {"terms": terms})
    assert scene.view.states.em == "active"
    assert scene.view.table is None
    assert scene.view.terms is not None
    assert scene.view.terms.digest == terms
    scene.say("cedar", "accept", {"terms": terms})
    assert [consent(scene, name) for name in ("hub", "birch", "cedar")] == ["signatory"] * 3


def test_terms_end_after_they_begin() -> None:
    scene = reported_case()
    until = format_instant(scene.now)
    message = ("propose: the embargo would end before it begins", "")
    assert refusal(scene, "hub", "propose", until=until, text="Say nothing.") == message


def test_nobody_accepts_terms_of_its_own() -> None:
    scene = reported_case()
    terms = scene.propose("hub")
    message, _ = refusal(scene, "hub", "accept", terms=terms)
    assert "nobody accepts terms that they proposed themselves" in message


@pytest.mark.parametrize("kind", ["accept", "decline"])
def test_an_answer_to_terms_that_other_terms_replaced_is_refused(kind: str) -> None:
    scene = reported_case()
    old = scene.propose("hub", 90)
    new = scene.propose("hub", 365)
    body = {"terms": old} | ({} if kind == "accept" else {"reason": ""})
    assert refusal(scene, "birch", kind, **body) == neither(kind, old, new)
    assert consent(scene, "birch") == "invited"


def test_an_answer_to_terms_that_a_revision_replaced_is_refused() -> None:
    scene = reported_case()
    old = scene.embargo("hub", "birch")
    new = scene.propose("birch", 365)
    scene.say("hub", "accept", {"terms": new})
    assert refusal(scene, "cedar", "accept", terms=old) == neither("accept", old, force=new)
    scene.say("cedar", "accept", {"terms": new})
    assert consent(scene, "cedar") == "signatory"


def test_terms_that_ended_are_not_answered() -> None:
    scene = reported_case()
    old = scene.embargo("hub", "birch")
    scene.say("hub", "terminate", {"reason": "the flaw is fixed"})
    assert refusal(scene, "cedar", "accept", terms=old) == neither("accept", old)
    assert refusal(scene, "cedar", "decline", terms=old, reason="") == neither("decline", old)


def test_terms_off_the_table_are_not_rejected() -> None:
    scene = reported_case()
    terms = scene.embargo("hub", "birch")
    assert refusal(scene, "cedar", "reject", terms=terms, reason="") == (
        "reject: these terms are not on the table",
        "decline, to take back or refuse consent for yourself alone",
    )


def test_terms_on_the_table_fall_for_everybody_when_rejected() -> None:
    scene = reported_case()
    terms = scene.propose("hub")
    scene.say("cedar", "reject", {"terms": terms, "reason": "too long"})
    assert (scene.view.states.em, scene.view.table) == ("none", None)
    assert consent(scene, "hub") == "lapsed"


def test_who_declines_a_proposal_leaves_it_to_the_others() -> None:
    scene = reported_case()
    terms = scene.propose("hub")
    scene.say("cedar", "decline", {"terms": terms, "reason": ""})
    assert (consent(scene, "cedar"), scene.view.states.em) == ("declined", "proposed")
    scene.say("birch", "accept", {"terms": terms})
    assert scene.view.states.em == "active"


def test_to_decline_other_terms_takes_back_no_consent_to_those_in_force() -> None:
    """What somebody says of the terms on the table moves nothing about those in force."""
    scene = reported_case()
    terms = scene.embargo("hub", "birch")
    other = scene.propose("cedar", 365)
    assert refusal(scene, "birch", "decline", terms=other, reason="") == neither(
        "decline", other, other, terms
    )
    assert consent(scene, "birch") == "signatory"
    scene.say("birch", "reject", {"terms": other, "reason": ""})
    assert (consent(scene, "birch"), scene.view.states.em) == ("signatory", "active")


def test_consent_is_taken_back_and_with_one_left_the_embargo_ends() -> None:
    scene = reported_case()
    terms = scene.embargo("hub", "birch")
    scene.say("cedar", "accept", {"terms": terms})
    scene.say("birch", "decline", {"terms": terms, "reason": ""})
    assert (consent(scene, "birch"), scene.view.states.em) == ("declined", "active")
    scene.say("cedar", "decline", {"terms": terms, "reason": ""})
    assert scene.view.states.em == "exited"
    assert impossible(scene.view.states) == ()


def test_an_embargo_ends_early_with_a_reason_and_in_time_without() -> None:
    scene = reported_case()
    scene.embargo("hub", "birch", days=10)
    message = ("terminate: an embargo ends before its time with a reason", "")
    assert refusal(scene, "cedar", "terminate", reason=" ") == message
    scene.now += 10 * DAY
    scene.say("cedar", "terminate", {"reason": ""})
    assert scene.view.states.em == "exited"


def test_the_end_has_come_by_the_clocks_of_both() -> None:
    """A host alone cannot put its clock forward and call the time over."""
    scene = reported_case()
    scene.embargo("hub", "birch", days=10)
    at = scene.now
    scene.now += 10 * DAY
    with pytest.raises(NotSatisfied, match="before its time"):
        scene.say("cedar", "terminate", {"reason": ""}, at=at)


def test_no_embargo_is_talked_about_once_the_flaw_is_public() -> None:
    scene = reported_case()
    terms = scene.propose("hub")
    scene.say("birch", "world", {"event": "P", "evidence": "a paper"})
    assert (scene.view.states.em, scene.view.table) == ("none", None)
    assert refusal(scene, "birch", "accept", terms=terms) == neither("accept", terms)
    until = format_instant(scene.now + DAY)
    message, _ = refusal(scene, "hub", "propose", until=until, text="Say nothing.")
    assert "no embargo is negotiated once" in message


def test_publication_ends_the_embargo() -> None:
    scene = reported_case()
    scene.embargo("hub", "birch")
    scene.say("cedar", "world", {"event": "P", "evidence": "a paper"})
    assert scene.view.states.em == "exited"
    assert consent(scene, "hub") == "lapsed"
