"""Random walks: participants act as they like on one chain, and every replica sees one case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from steelyard.disclosure.case import Chain, replay
from steelyard.disclosure.case.findings import find, write_update
from steelyard.disclosure.case.permissions import load_kinds
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.disclosure.states.standing import impossible
from steelyard.kernel import JsonObject, format_instant, parse_json_object
from steelyard.kernel.errors import BrokenSeal, NotSatisfied

from .cast import DAY, Player, Scene, key, key_row, sealed_answer, sign_query

ROLES = {
    "hub": ("coordinator", "regulator"),
    "finder": ("reporter",),
    "birch": ("developer", "deployer"),
    "commons": ("open-weight-developer",),
    "alder": ("deployer", "red-teamer"),
    "judge": ("adjudicator", "observer"),
    "late": ("developer",),
}
NAMES = st.sampled_from(["birch", "hub", "commons", "alder", "finder", "judge", "late"])
LABELS = st.sampled_from(["x", "y", "z"])
SAID: list[tuple[str, JsonObject]] = [
    *(
        ("judge", {"event": event, "reason": "because"})
        for event in ("validate", "invalidate", "accept", "defer", "close")
    ),
    ("fix", {"event": "F", "note": ""}),
    ("fix", {"event": "D", "note": ""}),
    *(("world", {"event": event, "evidence": "seen"}) for event in "PXA"),
    ("terminate", {"reason": "done"}),
    ("emergency", {"facts": "It burns.", "told": []}),
]


@cache
def begun() -> Scene:
    """A case in which all have the report, two work on it, and some have targets."""
    scene = Scene(Player("hub", ROLES["hub"]))
    scene.open()
    for name in ("finder", "birch", "alder", "judge"):
        scene.invite(name, *ROLES[name])
    scene.invite("commons", *ROLES["commons"], open_weights=True)
    scene.report("hub", "birch", "commons", "alder")
    for name in ("hub", "birch", "commons"):
        scene.say(name, "judge", {"event": "validate", "reason": ""})
        scene.say(name, "judge", {"event": "accept", "reason": ""})
    for name in ("birch", "commons", "alder"):
        scene.target(name)
    scene.players["late"] = Player("late", ROLES["late"])
    scene.say("birch", "note", {"object": scene.object("x", "hub", tier="h2"), "about": None})
    return scene


class Walk(RuleBasedStateMachine):
    """Seven organizations, one host, and a replica that takes its entries now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = begun().copied()
        self.replica = Chain(self.scene.chain.case)
        self.terms = ["0" * 64]
        self.asked: list[Any] = []
        self.opened: dict[str, bytes] = {}
        self.cards = dict.fromkeys(ROLES, 1)

    def say(self, name: str, kind: str, body: JsonObject, **changes: Any) -> bool:  # noqa: ANN401
        """Whether the host ordered an event; a refusal changes nothing."""
        before = (self.scene.chain.head, self.scene.view)
        try:
            found = self.scene.say(name, kind, body, **changes)
        except (NotSatisfied, BrokenSeal):
            assert (self.scene.chain.head, self.scene.view) == before
            return False
        if kind == "propose":
            self.terms.append(found.event.digest)
        return True

    def reference(self, label: str, readers: set[str], tier: str = "h2") -> JsonObject:
        return self.scene.object(label, *sorted(readers), tier=tier)

    @rule(by=NAMES, name=NAMES, open_weights=st.booleans())
    def invite(self, by: str, name: str, *, open_weights: bool) -> None:
        body: JsonObject = {
            "card": parse_json_object(self.scene[name].envelope),
            "roles": list(ROLES[name]),
            "open_weights": open_weights,
            "answer_by": format_instant(self.scene.now + DAY),
        }
        self.say(by, "invite", body)

    @rule(name=NAMES, said=st.sampled_from(SAID))
    def speak(self, name: str, said: tuple[str, JsonObject]) -> None:
        self.say(name, *said)

    @rule(name=st.sampled_from(["late", "judge", "alder", "birch"]), leave=st.integers(0, 3))
    def leave(self, name: str, leave: int) -> None:
        if leave == 0:
            self.say(name, "leave", {"reason": ""})

    @rule(name=NAMES, to=st.sets(NAMES, min_size=1), label=LABELS)
    def report(self, name: str, to: set[str], label: str) -> None:
        sent: list[Any] = [self.scene[other].id for other in sorted(to)]
        self.say(name, "report", {"object": self.reference(label, to), "to": sent})

    @rule(name=NAMES, days=st.integers(1, 40))
    def propose(self, name: str, days: int) -> None:
        until = format_instant(self.scene.now + days * DAY)
        self.say(name, "propose", {"until": until, "text": "Say nothing."})

    @rule(
        name=NAMES,
        kind=st.sampled_from(["accept", "accept", "reject", "decline"]),
        back=st.integers(1, 3),
    )
    def answer_terms(self, name: str, kind: str, back: int) -> None:
        terms = self.terms[-min(back, len(self.terms))]
        self.say(name, kind, {"terms": terms} | ({} if kind == "accept" else {"reason": ""}))

    @rule(name=NAMES, developer=NAMES)
    def attest(self, name: str, developer: str) -> None:
        self.say(name, "attest", {"developer": self.scene[developer].id, "note": ""})

    @rule(name=NAMES, handle=st.sampled_from(["m1", "m2"]), version=st.sampled_from("12"))
    def target(self, name: str, handle: str, version: str) -> None:
        body: JsonObject = {
            "handle": handle,
            "commitment": None,
            "version": version,
            "guardrail": "",
        }
        self.say(name, "target", body)

    @rule(to=st.sets(NAMES, min_size=1))
    def ask(self, to: set[str]) -> None:
        asked = self.scene.query(nonce=f"{len(self.asked):032x}", issued=self.scene.now)
        envelope = parse_json_object(sign_query(asked, self.scene["hub"].key))
        named: list[Any] = [self.scene[other].id for other in sorted(to)]
        if self.say("hub", "query", {"query": envelope, "to": named}):
            self.asked.append(asked)

    @rule(
        name=NAMES,
        handle=st.sampled_from(["m1", "m2"]),
        event=st.sampled_from(["acknowledge", "run"]),
    )
    def progress(self, name: str, handle: str, event: str) -> None:
        self.say(name, "progress", {"target": handle, "event": event})

    @rule(
        name=NAMES,
        handle=st.sampled_from(["m1", "m2"]),
        verdict=st.sampled_from(sorted(Verdict)),
        honest=st.booleans(),
        opened=st.booleans(),
    )
    def answer(
        self, name: str, handle: str, verdict: Verdict, *, honest: bool, opened: bool
    ) -> None:
        if not self.asked:
            return
        asked, player = self.asked[-1], self.scene[name]
        label = f"answer {len(self.opened)} {self.scene.chain.size}"
        sealed = self.reference(label, {"hub"})
        if self.say(name, "answer", {"target": handle, "query": asked.digest, "object": sealed}):
            target = handle if honest else "m9"
            whole = sealed_answer(player, asked, verdict, self.scene.now, target)
            self.keep(str(sealed["id"]), whole, opened=opened)

    @rule(
        name=NAMES,
        handle=st.sampled_from(["m1", "m2"]),
        event=st.sampled_from(["mitigate", "verify", "accept_risk"]),
        opened=st.booleans(),
    )
    def update(self, name: str, handle: str, event: str, *, opened: bool) -> None:
        label = f"update {len(self.opened)} {self.scene.chain.size}"
        sealed = self.reference(label, {"hub"})
        if self.say(name, "status", {"target": handle, "object": sealed}):
            self.keep(str(sealed["id"]), write_update(event), opened=opened)

    def keep(self, name: str, plaintext: bytes, *, opened: bool) -> None:
        if opened:
            self.opened[name] = plaintext

    @rule(name=NAMES, label=LABELS, readers=st.sets(NAMES, min_size=1))
    def note(self, name: str, label: str, readers: set[str]) -> None:
        self.say(name, "note", {"object": self.reference(label, readers), "about": None})

    @rule(
        name=NAMES,
        label=LABELS,
        event=st.sampled_from(["lower", "lower", "raise_to_h2", "raise_to_h3"]),
    )
    def hazard(self, name: str, label: str, event: str) -> None:
        named = self.scene.object(label)["id"]
        self.say(name, "hazard", {"object": named, "event": event, "reason": ""})

    @rule(name=NAMES, kind=st.sampled_from(["draft", "approve", "dissent", "publish", "ruling"]))
    def publication(self, name: str, kind: str) -> None:
        dissents = self.scene.view.publication.dissents
        latest = dissents[-1].digest if dissents else "0" * 64
        stands = self.scene.view.publication.advisory or "1" * 64
        bodies: dict[str, JsonObject] = {
            "draft": {
                "advisory": f"{self.scene.chain.size:064x}",
                "object": self.reference("draft", {"hub"}),
            },
            "approve": {"advisory": stands},
            "dissent": {"advisory": stands, "text": "No."},
            "publish": {"advisory": stands, "references": []},
            "ruling": {"dissent": latest, "upheld": True, "text": "Yes."},
        }
        self.say(name, kind, bodies[kind])

    @rule(name=NAMES, to=NAMES)
    def transfer(self, name: str, to: str) -> None:
        moving = list(self.scene.view.moving)
        body: JsonObject = {
            "to": self.scene[to].id,
            "size": self.scene.chain.size,
            "head": self.scene.chain.head,
        }
        if moving:
            body = dict(zip(("to", "size", "head"), moving[0], strict=True))
        self.say(name, "transfer", body)

    @rule(name=NAMES, to=NAMES)
    def lapse(self, name: str, to: str) -> None:
        self.say(name, "lapse", {"organization": self.scene[to].id})

    @rule(name=NAMES, revoke=st.booleans())
    def rotate(self, name: str, *, revoke: bool) -> None:
        player = self.scene[name]
        sequence = self.cards[name] + 1
        fresh = key(f"{name} {sequence}")
        old = [
            {**row, "revoked": row["revoked"] or revoke}
            for row in map(dict, getattr(player, "rows", [key_row(player.key)]))
        ]
        rows = [key_row(fresh), *old]
        envelope = player.card_of(sequence, keys=rows)
        body: JsonObject = {"card": parse_json_object(envelope)}
        if self.say(name, "card", body, key=fresh):
            self.cards[name] = sequence
            player.envelope, player.key = envelope, fresh
            player.rows = rows  # pyright: ignore[reportAttributeAccessIssue]

    @rule(days=st.sampled_from([0, 0, 3, 15, 45]), back=st.booleans())
    def wait(self, days: int, *, back: bool) -> None:
        self.scene.now += timedelta(hours=-2) if back else days * DAY

    @rule(name=NAMES, change=st.sampled_from(["sequence", "previous", "seen_head", "key"]))
    def misspeak(self, name: str, change: str) -> None:
        wrong: dict[str, Any] = {
            "sequence": 99,
            "previous": "f" * 64,
            "seen_head": "f" * 64,
            "key": key("mallory"),
        }
        body: JsonObject = {"facts": "It burns.", "told": []}
        assert not self.say(name, "emergency", body, **{change: wrong[change]})

    @rule()
    def replicate(self) -> None:
        for item in self.scene.chain.since(self.replica.size):
            taken = self.replica.accept(item.entry, now=item.entry.ordered)
            assert taken.effects == item.effects
        assert self.replica.head == self.scene.chain.head
        assert self.replica.view == self.scene.view

    @invariant()
    def nothing_impossible_is_reached(self) -> None:
        view = self.scene.view
        assert impossible(view.states) == ()
        assert (view.table is None) == (view.states.em not in {"proposed", "revise"})
        assert view.terms is not None or view.states.em in {"none", "proposed"}
        gone = {name for name, item in view.members.items() if item.left}
        assert view.host not in gone
        assert not gone & set(view.states.signatories())
        assert [item.name for item in view.states.participants] == list(view.members)

    @invariant()
    def findings_follow_whatever_was_said(self) -> None:
        found = find(self.scene.chain, self.opened)
        assert set(found.targets) == set(self.scene.view.targets)
        for name, target in self.scene.view.targets.items():
            if target.state in {"unknown", "notified", "acked"}:
                assert found.targets[name].state == target.state

    def teardown(self) -> None:
        entries = [item.entry for item in self.scene.chain.ordered]
        again = replay(self.scene.chain.case, entries)
        assert (again.head, again.view) == (self.scene.chain.head, self.scene.view)
        for name, item in self.scene.view.members.items():
            own = [taken for taken in self.scene.chain.ordered if taken.event.author == name]
            assert [taken.event.sequence for taken in own] == list(range(1, len(own) + 1))
            assert item.sequence == len(own)


Walk.TestCase.settings = settings(max_examples=30, stateful_step_count=50, deadline=None)


class TestWalk(Walk.TestCase):
    """Runs the walks; the invariants above assert."""


def strides(walk: Walk, chance: Random) -> list[Callable[[], object]]:
    """Every rule above with arguments by chance; those that talk are tried more often."""
    names = ["birch", "hub", "commons", "alder", "finder", "judge", "late"]
    one = lambda: chance.choice(names)  # noqa: E731 - a draw, not a function
    some = lambda: set(chance.sample(names, chance.randint(1, 3)))  # noqa: E731
    handle = lambda: chance.choice(["m1", "m1", "m2"])  # noqa: E731
    coin = lambda: chance.random() < 0.5  # noqa: E731
    makers = ("birch", "commons", "alder")
    return [
        lambda: walk.invite(one(), one(), open_weights=coin()),
        *[lambda: walk.speak(one(), chance.choice(SAID))] * 2,
        lambda: walk.leave(chance.choice(["late", "judge", "alder"]), chance.randint(0, 9)),
        lambda: walk.report(one(), some(), chance.choice("xyz")),
        lambda: walk.propose(one(), chance.randint(1, 40)),
        *[
            lambda: walk.answer_terms(
                one(),
                chance.choice(["accept", "accept", "reject", "decline"]),
                chance.randint(1, 2),
            )
        ]
        * 4,
        lambda: walk.attest(chance.choice(["alder", "birch"]), "commons"),
        lambda: walk.target(chance.choice(makers), handle(), chance.choice("12")),
        lambda: walk.ask({chance.choice(makers), chance.choice(makers)}),
        *[
            lambda: walk.progress(
                chance.choice(makers), handle(), chance.choice(["acknowledge", "run"])
            ),
            lambda: walk.answer(
                chance.choice(makers),
                handle(),
                chance.choice(sorted(Verdict)),
                honest=coin(),
                opened=chance.random() < 0.9,
            ),
            lambda: walk.update(
                chance.choice(makers),
                handle(),
                chance.choice(["mitigate", "verify", "accept_risk"]),
                opened=chance.random() < 0.9,
            ),
            lambda: walk.hazard(
                chance.choice(["birch", "hub"]), "x", chance.choice(["lower", "raise_to_h3"])
            ),
            lambda: walk.publication(
                one(), chance.choice(["draft", "approve", "dissent", "publish", "ruling"])
            ),
        ]
        * 2,
        lambda: walk.note(one(), chance.choice("xyz"), some()),
        lambda: walk.transfer(one(), chance.choice(["birch", "finder"])),
        lambda: walk.rotate(one(), revoke=coin()),
        lambda: walk.wait(chance.choice([0, 0, 1, 15]), back=chance.random() < 0.2),
        lambda: walk.misspeak(one(), chance.choice(["sequence", "previous", "seen_head", "key"])),
        lambda: walk.speak(one(), ("terminate", {"reason": "done"})),
        lambda: walk.lapse("hub", one()),
        lambda: walk.publication("birch", "dissent"),
        lambda: walk.publication("judge", "ruling"),
        walk.replicate,
    ]


def test_long_walks_say_every_kind_and_no_replica_differs() -> None:
    said: Counter[str] = Counter()
    for seed in range(12):
        walk, chance = Walk(), Random(seed)  # noqa: S311 - the same walks every time
        steps = strides(walk, chance)
        for _ in range(150):
            chance.choice(steps)()
            walk.nothing_impossible_is_reached()
        walk.findings_follow_whatever_was_said()
        walk.replicate()
        walk.teardown()
        said.update(item.event.kind for item in walk.scene.chain.ordered)
    assert set(load_kinds()) - set(said) <= {"counts", "lapse"}
