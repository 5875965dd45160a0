"""Another host: by the host's own word, or by a quorum when it has fallen silent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from steelyard.disclosure.case import replay
from steelyard.kernel import JsonObject, parse_json_object
from steelyard.kernel.errors import BrokenSeal, NotSatisfied

from .cast import DAY, Player, Scene, reported_case


class Vote:
    """A transfer to one organization from where the case stands now."""

    def __init__(self, scene: Scene, name: str, **changes: Any) -> None:  # noqa: ANN401
        body: JsonObject = {
            "to": scene[name].id,
            "size": scene.chain.size,
            "head": scene.chain.head,
        }
        self.scene, self.body = scene, {**body, **changes}

    def by(self, *names: str, **changes: Any) -> None:  # noqa: ANN401
        for name in names:
            self.scene.say(name, "transfer", self.body, **changes)

    def refused(self, name: str, **changes: Any) -> tuple[str, str]:  # noqa: ANN401
        with pytest.raises(NotSatisfied) as error:
            self.by(name, **changes)
        return str(error.value), error.value.hint


def silent_case(days: int = 14) -> Scene:
    scene = reported_case()
    scene.now += days * DAY
    return scene


def host(scene: Scene) -> str:
    return scene.view.named(scene.view.host)


def test_a_quorum_replaces_a_silent_host() -> None:
    scene = silent_case()
    vote = Vote(scene, "cedar")
    vote.by("birch", "finder")
    assert host(scene) == "hub"
    vote.by("cedar")
    assert (host(scene), scene.view.moving) == ("cedar", {})
    scene.invite("elm", "developer", by="cedar")
    with pytest.raises(NotSatisfied, match="the host cannot leave"):
        scene.say("cedar", "leave", {"reason": ""})
    scene.say("hub", "leave", {"reason": ""})
    assert replay(scene.chain.case, [i.entry for i in scene.chain.ordered]).view == scene.view


@pytest.mark.parametrize(
    "voters",
    [
        ("cedar", "birch"),
        ("cedar", "finder"),
        ("finder", "birch"),
        ("finder", "birch", "alder"),
        ("cedar", "cedar", "finder", "finder"),
    ],
)
def test_less_than_a_quorum_moves_nothing(voters: tuple[str, ...]) -> None:
    """Two of four are no majority; the finder and the new host must be among the rest."""
    scene = silent_case()
    Vote(scene, "cedar").by(*voters)
    assert host(scene) == "hub"


def test_signatories_decide_where_there_are_any() -> None:
    scene = reported_case()
    terms = scene.embargo("hub", "birch")
    scene.say("cedar", "accept", {"terms": terms})
    scene.now += 14 * DAY
    vote = Vote(scene, "cedar")
    vote.by("alder", "finder", "cedar")
    assert host(scene) == "hub"
    vote.by("birch")
    assert host(scene) == "cedar"


def test_a_host_that_is_the_only_reporter_can_be_replaced() -> None:
    scene = Scene(Player("hub", ("coordinator", "reporter")))
    scene.open()
    for name in ("birch", "cedar", "elm"):
        scene.invite(name, "developer")
    scene.now += 14 * DAY
    Vote(scene, "cedar").by("birch", "cedar")
    assert host(scene) == "cedar"


def test_a_host_that_is_not_silent_stays() -> None:
    scene = silent_case(13)
    assert Vote(scene, "cedar").refused("finder") == (
        "transfer: the host is silent for 13 days, need 14",
        "a host may hand a case over itself at any time",
    )


@pytest.mark.parametrize("fast", ["author", "orderer"])
def test_silence_is_counted_by_both_clocks(fast: str) -> None:
    """Who wants to be the host cannot date the silence that it needs."""
    scene = reported_case()
    at = scene.now + (14 * DAY if fast == "author" else timedelta(0))
    scene.now += timedelta(0) if fast == "author" else 15 * DAY
    with pytest.raises(NotSatisfied):
        Vote(scene, "cedar").by("finder", at=at)


def test_a_transfer_is_from_where_the_case_stands() -> None:
    scene = silent_case()
    size = scene.chain.size
    short = {"size": size - 1, "head": scene.chain.head_at(size - 1)}
    for changes in (short, {"head": "1" * 64}, {"size": size + 1}):
        vote = Vote(scene, "cedar", **changes)
        named = changes.get("size", size)
        assert vote.refused("finder") == (
            f"transfer: the case stands at entry {size}, not at {named}",
            "agree on the longest prefix that participants have cosigned",
        )


def test_two_candidates_do_not_share_votes() -> None:
    scene = silent_case()
    first, second = Vote(scene, "cedar"), Vote(scene, "birch")
    first.by("finder")
    message, _ = second.refused("alder")
    assert message.startswith(f"transfer: the case stands at entry {scene.chain.size}, not at")


def test_a_host_that_comes_back_ends_the_vote() -> None:
    scene = silent_case()
    vote = Vote(scene, "cedar")
    vote.by("finder", "birch")
    scene.invite("elm", "developer")
    assert scene.view.moving == {}
    message, _ = vote.refused("cedar")
    assert "the case stands at entry" in message
    message, _ = Vote(scene, "cedar").refused("cedar")
    assert message == "transfer: the host is silent for 0 days, need 14"


def test_a_host_hands_over_to_who_takes_it() -> None:
    """Nobody is made the host unasked: a host cannot leave."""
    scene = reported_case()
    vote = Vote(scene, "cedar")
    vote.by("hub")
    assert host(scene) == "hub"
    vote.by("cedar")
    assert host(scene) == "cedar"


def test_a_case_goes_to_an_organization_that_is_in_it_and_not_its_host() -> None:
    scene = silent_case()
    assert Vote(scene, "hub").refused("finder")[0] == "transfer: hub is the host"
    stranger = Vote(scene, "cedar", to=f"org:{'1' * 64}")
    assert stranger.refused("finder")[0].endswith("is not in this case")
    scene.say("alder", "leave", {"reason": ""})
    scene.now += 14 * DAY
    assert Vote(scene, "alder").refused("finder")[0].endswith("is not in this case")


def test_who_takes_a_case_over_without_a_quorum_is_found_out() -> None:
    scene = silent_case()
    replica = scene.chain.copied()
    Vote(scene, "cedar").by("finder")
    replica.accept(scene.chain.since(replica.size)[0].entry)
    invitation: JsonObject = {
        "card": parse_json_object(Player("elm", ("developer",)).envelope),
        "roles": ["developer"],
        "open_weights": False,
        "answer_by": "2027-01-01T00:00:00Z",
    }
    with pytest.raises(NotSatisfied):
        scene.say("cedar", "invite", invitation)
    assert replica.view.host == scene["hub"].id
    with pytest.raises(BrokenSeal):
        replica.accept(scene.chain.ordered[-1].entry)
