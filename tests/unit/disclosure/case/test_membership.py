"""Who takes part: invitations, cards that rotate and revoke keys, leaving."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from steelyard.attest import Statement, Subject, sign_statement
from steelyard.disclosure.case import open_card, replay, sign_event
from steelyard.disclosure.states.standing import impossible
from steelyard.kernel import format_instant, parse_json_object
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, NotSatisfied, SteelyardError

from .cast import (
    DAY,
    START,
    Player,
    Scene,
    bring,
    key,
    key_row,
    recipient_row,
    reported_case,
    rotated,
    small_case,
)


def invitation(scene: Scene, **changes: Any) -> tuple[str, str]:  # noqa: ANN401
    """Why an invitation of a new developer is refused: the whole message, and the hint."""
    by = changes.pop("by", "hub")
    name, roles = changes.pop("name", "elm"), changes.pop("card_roles", ("developer",))
    with pytest.raises(SteelyardError) as error:
        scene.invite(name, *roles, by=by, **changes)
    return str(error.value), error.value.hint


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"name": "birch"}, "invite: birch is, or was, in this case", ""),
        (
            {"open_weights": True},
            "invite: open weights are those of an open-weight developer",
            "",
        ),
        (
            {"answer_by": format_instant(START)},
            "invite: the time to answer is over before it begins",
            "",
        ),
        (
            {"roles": ["developer", "regulator", "deployer"]},
            "invite: the card of elm does not name deployer, regulator",
            "ask it for a later card, or for other roles",
        ),
        (
            {"by": "finder", "card_roles": ("coordinator",)},
            "invite: only the host or a coordinator invites a coordinator or an adjudicator",
            "",
        ),
        (
            {"by": "finder", "card_roles": ("adjudicator",)},
            "invite: only the host or a coordinator invites a coordinator or an adjudicator",
            "",
        ),
        (
            {"by": "birch"},
            "invite: 'invite' is for coordinator, host, reporter; the author is developer",
            "ask somebody of that role",
        ),
    ],
)
def test_an_invitation_is_refused(changes: dict[str, Any], message: str, hint: str) -> None:
    assert invitation(small_case(), **changes) == (message, hint)


def test_nobody_is_invited_twice_not_even_after_leaving() -> None:
    scene = small_case()
    scene.say("birch", "leave", {"reason": "done"})
    assert invitation(scene, name="birch")[0] == "invite: birch is, or was, in this case"
    assert scene.view.members[scene["birch"].id].left


def test_a_case_has_at_most_512_organizations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelyard.disclosure.case.acts.membership.PARTICIPANT_LIMIT", 6)
    scene = small_case()
    scene.invite("elm", "observer")
    message = "invite: a case has at most 6 organizations"
    assert invitation(scene, name="oak") == (message, "")


def test_the_finder_invites_and_so_does_a_coordinator() -> None:
    scene = small_case()
    scene.invite("elm", "developer", by="finder")
    scene.invite("second-hub", "coordinator", "adjudicator")
    scene.invite("third-hub", "coordinator", by="second-hub")
    assert len(scene.view.with_role("coordinator")) == 3
    member = scene.view.member(scene["elm"].id)
    assert (member.joined, member.answer_by) == (
        scene.now - timedelta(minutes=2),
        scene.now - timedelta(minutes=3) + 7 * DAY,
    )


def test_who_comes_during_an_embargo_is_asked_for_consent() -> None:
    scene = reported_case()
    scene.embargo("hub", "birch")
    scene.invite("elm", "developer")
    assert scene.view.states.participant(scene["elm"].id).pec == "invited"


def test_a_developer_that_reports_its_own_flaw_can_fix_it() -> None:
    scene = small_case()
    scene.invite("elm", "reporter", "developer")
    found = scene.view.states.participant(scene["elm"].id)
    assert (found.rm, found.vfd) == ("accepted", "Vfd")
    scene.say("elm", "fix", {"event": "F", "note": ""})
    assert scene.view.states.participant(scene["elm"].id).vfd == "VFd"
    assert impossible(scene.view.states) == ()


def test_a_vendor_that_comes_after_publication_is_aware() -> None:
    scene = reported_case()
    scene.say("birch", "world", {"event": "P", "evidence": "a paper"})
    scene.invite("elm", "developer")
    assert scene.view.states.participant(scene["elm"].id).vfd == "Vfd"
    assert impossible(scene.view.states) == ()


def test_the_host_stays() -> None:
    with pytest.raises(NotSatisfied) as error:
        small_case().say("hub", "leave", {"reason": ""})
    assert str(error.value) == "leave: the host cannot leave"
    assert error.value.hint == "transfer the case first"


def test_consent_ends_with_who_gave_it() -> None:
    scene = reported_case()
    scene.embargo("hub", "birch")
    scene.say("birch", "leave", {"reason": ""})
    assert scene.view.states.em == "exited"
    assert scene.view.states.participant(scene["birch"].id).pec == "declined"


@pytest.mark.parametrize("before", ["invited", "declined", "lapsed"])
def test_terms_of_somebody_who_leaves_fall(before: str) -> None:
    """Or they could be accepted later, and who left would be a signatory for ever."""
    scene = reported_case()
    terms = scene.embargo("hub", "birch")
    if before == "declined":
        scene.say("cedar", "decline", {"terms": terms, "reason": ""})
    if before == "lapsed":
        scene.say("cedar", "accept", {"terms": terms})
        other = scene.propose("hub")
        scene.say("birch", "accept", {"terms": other})
    scene.propose("cedar", 120)
    scene.say("cedar", "leave", {"reason": ""})
    assert scene.view.states.em == "active"
    assert scene.view.table is None
    assert scene["cedar"].id not in scene.view.states.signatories()
    assert impossible(scene.view.states) == ()


@pytest.mark.parametrize("signer", ["birch", "birch new"])
def test_a_card_that_rotates_is_signed_by_the_old_key_or_the_new(signer: str) -> None:
    scene = small_case()
    scene.target("birch")
    before = scene.chain.size
    bring(scene, "birch", rotated(scene, "birch"), key(signer))
    with pytest.raises(BrokenSeal) as error:
        scene.target("birch", "m2")
    assert error.value.message.startswith(f"signed by key {key('birch').public_key.key_id[:16]}")
    scene["birch"].key = key("birch new")
    scene.target("birch", "m2")
    replica = replay(scene.chain.case, [item.entry for item in scene.chain.ordered])
    assert replica.view == scene.view
    assert replica.ordered[before - 1].event.author == scene["birch"].id


def test_a_key_speaks_from_its_first_instant_to_its_last() -> None:
    scene = small_case()
    since, until = scene.now + timedelta(hours=1), scene.now + timedelta(hours=2)
    rows = [key_row(key("birch")), key_row(key("night"), since=since, until=until)]
    bring(scene, "birch", rotated(scene, "birch", keys=rows))
    scene["birch"].key = key("night")
    for now in (since - timedelta(seconds=1), until + timedelta(seconds=1)):
        twin = scene.copied()
        twin.now = now - timedelta(minutes=1)
        with pytest.raises(BrokenSeal):
            twin.target("birch")
    for now in (since, until):
        scene.now = now - timedelta(minutes=1)
        scene.target("birch", f"m{now.hour}")
    assert len(scene.view.targets) == 2


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        (
            lambda scene: rotated(scene, "birch", 1),
            "organization-card: card 1 is not later than card 1",
        ),
        (
            lambda scene: scene["cedar"].envelope,
            "organization-card: the card is of another organization",
        ),
    ],
)
def test_another_card_is_refused(envelope: Callable[[Scene], bytes], message: str) -> None:
    scene = small_case()
    with pytest.raises(BrokenSeal) as error:
        bring(scene, "birch", envelope(scene))
    assert str(error.value) == message


def test_nobody_brings_the_card_of_somebody_else() -> None:
    scene = small_case()
    card = rotated(scene, "cedar")
    with pytest.raises(BrokenSeal) as error:
        bring(scene, "birch", card)
    assert error.value.message == "the card is of another organization"
    with pytest.raises(BrokenSeal) as error:
        bring(scene, "birch", card, key("cedar new"))
    assert error.value.message.startswith("signed by key ")


def test_an_old_card_sent_again_brings_no_key_back() -> None:
    scene = small_case()
    bring(scene, "birch", rotated(scene, "birch", 3))
    scene["birch"].key = key("birch new")
    for old in (scene["birch"].envelope, rotated(scene, "birch", 2, keys=[key_row(key("birch"))])):
        # A card vouches for a key that it brings, so even the revoked key may carry it in.
        with pytest.raises(BrokenSeal) as error:
            bring(scene, "birch", old, key("birch"))
        assert error.value.hint == "an old card was sent again"


@pytest.mark.parametrize("kept", [True, False])
def test_a_revoked_key_stays_revoked(*, kept: bool) -> None:
    scene = small_case()
    bring(scene, "birch", rotated(scene, "birch"))
    rows = [key_row(key("birch new")), *([key_row(key("birch"))] if kept else [])]
    with pytest.raises(BrokenSeal) as error:
        bring(scene, "birch", rotated(scene, "birch", 3, keys=rows), key("birch new"))
    mark = key("birch").public_key.key_id[:16]
    assert str(error.value) == f"organization-card: key {mark} was revoked and must stay so"
    assert error.value.hint == "list it with revoked: true"


def test_a_host_that_goes_on_with_a_revoked_key_is_found_out() -> None:
    scene = small_case()
    replica = scene.chain.copied()
    bring(scene, "birch", rotated(scene, "birch"))
    replica.accept(scene.chain.since(replica.size)[0].entry)
    envelope = sign_event(scene.draft("birch", "leave", {"reason": ""}), key("birch"))
    entry = scene.chain.ordered[-1].entry
    forged = type(entry)(replica.size, replica.head, scene.now, envelope)
    with pytest.raises(BrokenSeal) as error:
        replica.accept(forged)
    assert "which is not among the keys given" in error.value.message


def card_error(**more: Any) -> tuple[type[SteelyardError], str]:  # noqa: ANN401
    with pytest.raises(SteelyardError) as error:
        open_card(Player("elm", ("developer",)).card_of(**more))
    return type(error.value), str(error.value)


def test_a_card_is_whole() -> None:
    pem = recipient_row("elm")
    assert card_error(recipients=[{"pem": pem, "retired": True}]) == (
        MalformedEvidence,
        "organization-card: no key in use to encrypt to",
    )
    twice = [key_row(key("elm")), key_row(key("elm"), revoked=True)]
    assert card_error(keys=twice) == (
        MalformedEvidence,
        "organization-card: a signing key stands twice",
    )


def test_a_card_that_is_too_large_is_not_read() -> None:
    with pytest.raises(MalformedEvidence) as error:
        open_card(b" " * (128 * 1024 + 1))
    assert error.value.message == "a card has at most 131072 bytes, found 131073"


def signed_card(change: Callable[[Statement], Statement], signer: str = "elm root") -> bytes:
    """A card of elm's, changed before it was signed."""
    envelope = parse_json_object(Player("elm", ("developer",)).envelope)
    payload = base64.b64decode(str(envelope["payload"]))
    return sign_statement(change(Statement.from_bytes(payload)), key(signer))


def test_a_card_is_signed_by_the_root_that_it_names() -> None:
    elm = Player("elm", ("developer",))
    assert open_card(signed_card(lambda card: card)) == elm.card
    with pytest.raises(BrokenSeal) as error:
        open_card(signed_card(lambda card: card, "oak root"))
    mark = key("oak root").public_key.key_id[:16]
    assert error.value.message.startswith(f"signed by key {mark}")


def of_another(card: Statement) -> Statement:
    return replace(card, predicate={**card.predicate, "organization": f"org:{'1' * 64}"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: replace(card, predicate_type="urn:x"), "this is no organization card"),
        (
            lambda card: replace(card, subjects=(Subject("organization", "1" * 64),)),
            "the card is of another organization than its root",
        ),
        (of_another, "the card is of another organization than its root"),
    ],
)
def test_another_statement_of_a_root_is_no_card(
    change: Callable[[Statement], Statement], message: str
) -> None:
    with pytest.raises(BrokenSeal) as error:
        open_card(signed_card(change))
    assert str(error.value) == f"organization-card: {message}"
