"""Findings from sealed answers: lies, replays, and what was not opened."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from steelyard.disclosure.case.composing import Wording, compose_advisory
from steelyard.disclosure.case.findings import find, write_update
from steelyard.disclosure.reproducer.query import Query
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import MalformedEvidence, NotSatisfied

from .cast import DAY, Scene, key, key_row, reported_case, sealed_answer


class Lab:
    """A case with one query, and the plaintext of what was sealed in it."""

    def __init__(self) -> None:
        self.scene = reported_case()
        self.scene.target("birch")
        self.scene.target("cedar")
        self.asked = self.scene.ask("birch", "cedar", "alder")
        self.opened: dict[str, bytes] = {}

    def answer(
        self,
        name: str = "birch",
        verdict: Verdict = Verdict.AFFECTED,
        *,
        asked: Query | None = None,
        plaintext: bytes = b"",
    ) -> None:
        label = f"sealed {len(self.opened)}"
        query = asked or self.asked
        self.scene.answer(name, query, label)
        player = self.scene[name]
        whole = plaintext or sealed_answer(player, query, verdict, self.scene.now)
        self.opened[str(self.scene.object(label)["id"])] = whole

    def update(self, event: str, plaintext: bytes = b"") -> None:
        label = f"sealed {len(self.opened)}"
        sealed = self.scene.object(label, "hub")
        self.scene.say("birch", "status", {"target": "m1", "object": sealed})
        self.opened[str(sealed["id"])] = plaintext or write_update(event)

    def progress(self, event: str) -> None:
        self.scene.say("birch", "progress", {"target": "m1", "event": event})

    def state(self, name: str = "birch") -> str:
        found = find(self.scene.chain, self.opened)
        return found.targets[self.scene[name].id, "m1"].state

    @property
    def problems(self) -> tuple[str, ...]:
        return find(self.scene.chain, self.opened).problems


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.AFFECTED, "affected"),
        (Verdict.NOT_AFFECTED, "not_affected"),
        (Verdict.UNDETERMINED, "undetermined"),
    ],
)
def test_an_answer_moves_its_target(verdict: Verdict, state: str) -> None:
    lab = Lab()
    assert lab.state() == "notified"
    lab.answer(verdict=verdict)
    assert (lab.state(), lab.state("cedar"), lab.problems) == (state, "notified", ())
    found = find(lab.scene.chain, lab.opened)
    answers = found.targets[lab.scene["birch"].id, "m1"].answers
    assert answers[lab.asked.digest].verdict is verdict


def test_a_target_goes_all_the_way_to_verified_and_back() -> None:
    lab = Lab()
    lab.progress("acknowledge")
    assert lab.state() == "acked"
    lab.progress("run")
    lab.answer()
    for event, state in (
        ("mitigate", "mitigating"),
        ("fail_verification", "affected"),
        ("accept_risk", "risk_accepted"),
        ("mitigate", "mitigating"),
        ("verify", "verified"),
    ):
        lab.update(event)
        assert lab.state() == state
    lab.scene.target("birch", version="2")
    assert (lab.state(), lab.problems) == ("retest", ())
    found = find(lab.scene.chain, lab.opened)
    assert found.targets[lab.scene["birch"].id, "m1"].updates[-1] == "verify"


def test_what_was_not_opened_is_answered_and_no_more() -> None:
    lab = Lab()
    lab.answer()
    (name,) = lab.opened
    lab.opened.clear()
    found = find(lab.scene.chain, {})
    assert found.sealed == (name,)
    assert (lab.state(), found.problems) == ("answered", ())
    lab.progress("run")
    assert lab.state() == "running"
    lab.scene.target("birch", version="2")
    assert lab.state() == "retest"


def test_a_step_after_one_that_was_not_opened_is_not_believed() -> None:
    lab = Lab()
    lab.answer()
    lab.opened = {"": b""}
    lab.update("mitigate")
    assert lab.problems == ("birch/m1: what came before it was not opened",)
    assert lab.state() == "answered"


LIES: list[tuple[str, Callable[[Lab], bytes], str]] = [
    (
        "about another target",
        lambda lab: sealed_answer(
            lab.scene["birch"], lab.asked, Verdict.NOT_AFFECTED, lab.scene.now, "m2"
        ),
        "the sealed answer is about 'm2'",
    ),
    (
        "by another key",
        lambda lab: sealed_answer(
            lab.scene["cedar"], lab.asked, Verdict.NOT_AFFECTED, lab.scene.now
        ),
        "signed by key",
    ),
    (
        "to another query",
        lambda lab: sealed_answer(
            lab.scene["birch"], replace(lab.asked, nonce="9" * 32), Verdict.AFFECTED, lab.scene.now
        ),
        "it answers query",
    ),
    (
        "before it was asked",
        lambda lab: sealed_answer(
            lab.scene["birch"], lab.asked, Verdict.AFFECTED, lab.asked.issued - DAY
        ),
        "outside the query's time",
    ),
    ("no answer at all", lambda _: b"not affected", "not strict JSON"),
    ("nothing", lambda _: b" ", "not strict JSON"),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie[0])
def test_a_lie_is_a_problem_of_its_author_and_moves_nothing(
    lie: tuple[str, Callable[[Lab], bytes], str],
) -> None:
    name, plaintext, message = lie
    lab = Lab()
    lab.answer(plaintext=plaintext(lab))
    (problem,) = lab.problems
    assert problem.startswith("birch/m1: "), name
    assert message in problem
    assert lab.state() == "notified"
    assert find(lab.scene.chain, lab.opened).arrived == {}


def test_an_answer_that_tells_more_than_was_asked_is_not_kept() -> None:
    lab = Lab()
    birch, more = lab.scene["birch"], replace(lab.asked, level="band")
    lab.answer(
        plaintext=sealed_answer(
            birch, more, Verdict.AFFECTED, lab.scene.now, query=lab.asked.digest
        )
    )
    assert lab.problems == ("birch/m1: it tells band, asked was verdict",)
    assert (lab.state(), find(lab.scene.chain, lab.opened).arrived) == ("notified", {})


def test_a_recorded_answer_sent_again_is_a_problem() -> None:
    """The answer to the first query, sealed anew as the answer to the second."""
    lab = Lab()
    lab.answer(verdict=Verdict.NOT_AFFECTED)
    (recorded,) = lab.opened.values()
    second = lab.scene.ask("birch", nonce="1" * 32)
    lab.answer(asked=second, plaintext=recorded)
    (problem,) = lab.problems
    assert "it answers query" in problem


@pytest.mark.parametrize(
    ("plaintext", "message"),
    [
        (b"{}", "fields that are missing or too many: event, evidence, note, schema"),
        (write_update("mitigate").replace(b"/1", b"/2"), "'steelyard/affectedness-update/2'"),
        (write_update("mitigate").replace(b"mitigate", b"forgive"), "'forgive' is none of"),
        (b"[" * 100_000, "not strict JSON"),
        (write_update("verify"), "'verify' is forbidden in state 'affected' of AM"),
    ],
)
def test_a_step_that_does_not_follow_is_a_problem(plaintext: bytes, message: str) -> None:
    lab = Lab()
    lab.answer()
    lab.update("", plaintext)
    (problem,) = lab.problems
    assert message in problem
    assert lab.state() == "affected"


def test_nobody_writes_a_step_that_is_none() -> None:
    with pytest.raises(MalformedEvidence):
        write_update("forgive")


def test_a_run_where_none_follows_is_a_problem_and_no_crash() -> None:
    """In the open nobody can tell that a mitigation is being made; here it is seen."""
    lab = Lab()
    lab.answer()
    lab.update("mitigate")
    lab.progress("run")
    (problem,) = lab.problems
    assert problem.startswith("birch/m1: 'run' is forbidden in state 'mitigating' of AM")
    assert lab.state() == "mitigating"


def rotate(scene: Scene, name: str, *, keep: bool = False) -> None:
    """Another key in the place of a player's, which is left out of the card unless kept."""
    player = scene[name]
    rows = [key_row(key(f"{name} new")), *([key_row(player.key)] if keep else [])]
    card = parse_json_object(player.card_of(2, keys=rows))
    scene.say(name, "card", {"card": card})
    player.key = key(f"{name} new")


def test_later_keys_of_anybody_do_not_spoil_an_answer() -> None:
    """Nor does it spoil one that the coordinator who asked has gone, or has other keys."""
    lab = Lab()
    lab.scene.invite("hub-2", "coordinator")
    second = lab.scene.ask("birch", by="hub-2", nonce="1" * 32)
    lab.answer()
    rotate(lab.scene, "birch")
    rotate(lab.scene, "hub")
    rotate(lab.scene, "hub-2")
    lab.scene.say("hub-2", "leave", {"reason": ""})
    lab.answer(verdict=Verdict.NOT_AFFECTED, asked=second)
    assert lab.problems == ()
    assert lab.state() == "not_affected"


def test_counts_are_in_the_order_of_the_chain_not_of_the_authors_clocks() -> None:
    """Or a fourth answer, dated back, would show by how the first three change."""
    lab = Lab()
    for number in (1, 2):
        lab.scene.invite(f"elm-{number}", "developer")
    names = ["birch", "cedar", "elm-1", "elm-2"]
    asked = lab.scene.ask(*names, nonce="1" * 32)
    for name in names[2:]:
        lab.scene.target(name)
    verdict = Verdict.AFFECTED
    for name in names[:3]:
        lab.answer(name, verdict, asked=asked)
    early = sealed_answer(lab.scene["elm-2"], asked, Verdict.NOT_AFFECTED, asked.issued)
    lab.answer("elm-2", asked=asked, plaintext=early)
    found = find(lab.scene.chain, lab.opened)
    assert found.arrived[asked.digest] == (verdict, verdict, verdict, Verdict.NOT_AFFECTED)
    counts = found.counts(asked.digest)
    assert counts.answers == 3
    assert counts.by_verdict[verdict] == 3
    assert found.counts("1" * 64).answers == 0


def test_a_signed_answer_is_what_its_author_signed() -> None:
    lab = Lab()
    plaintext = sealed_answer(lab.scene["birch"], lab.asked, Verdict.AFFECTED, lab.scene.now)
    envelope = parse_json_object(plaintext)
    payload = base64.b64decode(str(envelope["payload"]))
    edited = payload.replace(b'"affected"', b'"not_affected"')
    assert edited != payload
    envelope["payload"] = base64.b64encode(edited).decode()
    lab.answer(plaintext=canonical_json(envelope))
    (problem,) = lab.problems
    assert problem.startswith("birch/m1: the signature does not verify")
    assert lab.state() == "notified"


def test_no_advisory_is_drafted_over_an_answer_that_was_not_opened() -> None:
    """It would call silent who has answered."""
    lab = Lab()
    lab.answer()
    wording = Wording("A-1", "hub", "coordinator", "https://hub.example", "s", "d")
    found = find(lab.scene.chain, {})
    with pytest.raises(NotSatisfied) as refused:
        compose_advisory(lab.scene.view, found, wording, lab.scene.now)
    assert str(refused.value) == "m1: an answer of birch was not opened"
    assert refused.value.hint == "let a coordinator who can read every answer draft the advisory"
    opened = find(lab.scene.chain, lab.opened)
    whole: Any = compose_advisory(lab.scene.view, opened, wording, lab.scene.now)
    verdicts = [row["verdict"] for row in whole["findings"][0]["affectedness"]]
    assert verdicts == ["affected", "silent"]
