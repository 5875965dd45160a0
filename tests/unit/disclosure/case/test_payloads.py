"""Encrypted objects of a case, who may read them, and their hazard tiers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from steelyard.disclosure.states import load_tables
from steelyard.kernel import JsonObject
from steelyard.kernel.errors import NotSatisfied, SteelyardError

from .cast import Scene, small_case


def note(scene: Scene, name: str, label: str, *readers: str, **more: Any) -> None:  # noqa: ANN401
    scene.say(name, "note", {"object": scene.object(label, *readers, **more), "about": None})


def refusal(scene: Scene, name: str, label: str, *readers: str, **more: Any) -> str:  # noqa: ANN401
    with pytest.raises(SteelyardError) as error:
        note(scene, name, label, *readers, **more)
    return str(error.value)


def hazard(scene: Scene, name: str, label: str, event: str) -> None:
    named = scene.object(label)["id"]
    scene.say(name, "hazard", {"object": named, "event": event, "reason": ""})


def tier(scene: Scene, label: str) -> str:
    return scene.view.payloads[str(scene.object(label)["id"])].tier


def test_an_object_has_one_description() -> None:
    scene = small_case()
    note(scene, "birch", "x", "hub")
    message = "note: this object is known under another description"
    assert refusal(scene, "birch", "x", "hub", bytes=101) == message
    assert refusal(scene, "birch", "x", "hub", media_type="text/html") == message
    assert refusal(scene, "birch", "x", "hub", tier="h2") == message


def test_only_a_reader_passes_an_object_on() -> None:
    scene = small_case()
    note(scene, "birch", "x", "hub")
    message = "note: only who can decrypt an object passes it on"
    assert refusal(scene, "cedar", "x", "cedar") == message
    note(scene, "hub", "x", "cedar")
    found = scene.view.payloads[str(scene.object("x")["id"])]
    assert found.recipients == (scene["hub"].id, scene["cedar"].id)
    assert found.author == scene["birch"].id
    note(scene, "cedar", "x", "alder")


def test_an_object_is_for_organizations_of_the_case() -> None:
    scene = small_case()
    scene.say("cedar", "leave", {"reason": ""})
    message = f"{scene.chain.case[:16]}: {scene['cedar'].id[:20]} is not in this case"
    assert refusal(scene, "birch", "x", "cedar") == message


def test_an_organization_brings_4096_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its own: nobody fills the case for the others."""
    monkeypatch.setattr("steelyard.disclosure.case.acts.payloads._OBJECT_LIMIT", 2)
    scene = small_case()
    note(scene, "birch", "x", "hub")
    note(scene, "birch", "y", "hub")
    message = "note: an organization has at most 2 objects in a case"
    assert refusal(scene, "birch", "z", "hub") == message
    note(scene, "birch", "y", "cedar")
    note(scene, "cedar", "z", "hub")
    assert scene.view.member(scene["birch"].id).objects == 2


def test_a_tier_is_raised_by_any_reader_at_once() -> None:
    scene = small_case()
    note(scene, "birch", "x", "hub")
    hazard(scene, "hub", "x", "raise_to_h2")
    assert tier(scene, "x") == "h2"
    hazard(scene, "birch", "x", "raise_to_h3")
    assert tier(scene, "x") == "h3"


def test_a_tier_falls_with_two_roles_of_two_organizations() -> None:
    scene = small_case()
    note(scene, "birch", "x", "hub", "cedar", tier="h3")
    hazard(scene, "birch", "x", "lower")
    hazard(scene, "birch", "x", "lower")
    assert tier(scene, "x") == "h3"
    hazard(scene, "cedar", "x", "lower")
    assert tier(scene, "x") == "h3"
    hazard(scene, "hub", "x", "lower")
    assert tier(scene, "x") == "h2"
    assert scene.view.payloads[str(scene.object("x")["id"])].approvals == frozenset()


def test_as_many_agree_as_the_tables_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No number of approvals is written in the act itself."""
    stricter = replace(load_tables(), lowering_approvals=3)
    for module in ("case.acts.payloads", "states.payloads"):
        monkeypatch.setattr(f"steelyard.disclosure.{module}.load_tables", lambda: stricter)
    scene = small_case()
    note(scene, "birch", "x", "hub", "alder", tier="h3")
    for name, after in (("birch", "h3"), ("hub", "h3"), ("alder", "h2")):
        hazard(scene, name, "x", "lower")
        assert tier(scene, "x") == after


def test_one_organization_of_two_roles_is_one() -> None:
    scene = small_case()
    scene.invite("elm", "deployer", "red-teamer")
    note(scene, "elm", "x", "hub", tier="h2")
    hazard(scene, "elm", "x", "lower")
    assert tier(scene, "x") == "h2"
    hazard(scene, "hub", "x", "lower")
    assert tier(scene, "x") == "h1"


def test_an_approval_does_not_outlive_the_tier_it_was_for() -> None:
    scene = small_case()
    note(scene, "birch", "x", "hub", tier="h2")
    hazard(scene, "birch", "x", "lower")
    hazard(scene, "hub", "x", "raise_to_h3")
    hazard(scene, "hub", "x", "lower")
    assert tier(scene, "x") == "h3"


def test_who_left_no_longer_approves() -> None:
    scene = small_case()
    note(scene, "birch", "x", "hub", tier="h2")
    hazard(scene, "birch", "x", "lower")
    scene.say("birch", "leave", {"reason": ""})
    hazard(scene, "hub", "x", "lower")
    assert tier(scene, "x") == "h2"


def test_no_embargo_and_no_publication_moves_a_tier() -> None:
    scene = small_case()
    scene.report("birch", "hub")
    note(scene, "birch", "x", "hub", tier="h3")
    scene.embargo("finder", "birch")
    scene.say("birch", "world", {"event": "P", "evidence": "a paper"})
    assert tier(scene, "x") == "h3"


def hazard_refusal(scene: Scene, name: str, body: JsonObject) -> str:
    with pytest.raises(NotSatisfied) as error:
        scene.say(name, "hazard", body)
    return str(error.value)


def test_what_is_no_step_of_a_tier_is_refused() -> None:
    scene = small_case()
    note(scene, "birch", "x", "hub", tier="h0")
    named: JsonObject = {"object": scene.object("x")["id"], "reason": ""}
    assert hazard_refusal(scene, "cedar", {**named, "event": "lower"}) == (
        "hazard: only who can decrypt an object speaks of its hazard"
    )
    for event in ("lower", "raise_to_h2"):
        message = f"{event!r} is forbidden in state 'h0' of HM, which allows nothing"
        assert hazard_refusal(scene, "hub", {**named, "event": event}) == message
    assert hazard_refusal(scene, "hub", {**named, "object": "1" * 64, "event": "lower"}) == (
        "hazard: no such object in this case"
    )
