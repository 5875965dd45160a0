"""What was found about targets, for those who can read the sealed answers.

Decides the affectedness (AM) of each target from sealed objects that were opened, and names
those that do not follow from what came before (spec/disclosure-case.md, section Findings). The
coordinator sees all of them, an organization its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.case import shapes
from steelyard.disclosure.case.acts.affected import ANSWERED
from steelyard.disclosure.case.organization import card_from_json
from steelyard.disclosure.reproducer.counts import VerdictCounts, count_verdicts
from steelyard.disclosure.reproducer.query import open_answer, open_past_query
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.disclosure.states.machines import allowed_events, step
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import BrokenSeal, SteelyardError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from steelyard.disclosure.case.chain import Chain, Ordered
    from steelyard.disclosure.case.organization import Card
    from steelyard.disclosure.case.view import View
    from steelyard.disclosure.reproducer.query import Answer, Query
    from steelyard.kernel import JsonObject

UPDATE_SCHEMA: Final = "steelyard/affectedness-update/1"
NOTE_LIMIT: Final = 2000
UPDATES: Final = ("mitigate", "verify", "fail_verification", "accept_risk")
_UPDATE: Final[Mapping[str, shapes.Check]] = {
    "schema": shapes.choice(UPDATE_SCHEMA),
    "event": shapes.choice(*UPDATES),
    "note": shapes.text(NOTE_LIMIT, empty=True, lines=True),
    "evidence": shapes.nullable(shapes.digest),
}
_SEEN: Final = ("notify", "acknowledge", "run", "new_version")
"""Steps of a target that stand in the open."""
_AFTER_ANSWER: Final = {"run": "running", "new_version": "retest"}
"""What can be told of a target whose answer was not opened."""
_EVENTS: Final = {
    Verdict.AFFECTED: "find_affected",
    Verdict.NOT_AFFECTED: "find_not_affected",
    Verdict.UNDETERMINED: "find_undetermined",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A target and what is known of it.

    Attributes:
        state: Of AM; `answered` where there is an answer that was not opened.
        answers: By query digest.
        updates: Sealed steps after the answer, in order.
    """

    organization: str
    handle: str
    state: str = "unknown"
    answers: Mapping[str, Answer] = field(default_factory=dict["str", "Answer"])
    updates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """All targets of a case, and what did not follow from what came before.

    Attributes:
        sealed: Ids of objects that were not opened.
        problems: One sentence for each step of a target that is not believed.
        arrived: Verdicts by query digest, in the order of the chain: a time that its author
            wrote could move an answer among those that were counted before it.
    """

    targets: Mapping[tuple[str, str], Found]
    sealed: tuple[str, ...]
    problems: tuple[str, ...]
    arrived: Mapping[str, tuple[Verdict, ...]]

    def counts(self, query: str) -> VerdictCounts:
        """Counts of the answers to a query that may be told."""
        return count_verdicts(self.arrived.get(query, ()))


def write_update(event: str, note: str = "", evidence: str | None = None) -> bytes:
    """A sealed step of a target, as its plaintext.

    Args:
        event: One of `UPDATES`.
        note: For the coordinator.
        evidence: Digest of the check of a mitigation, if any.
    """
    value: JsonObject = {
        "schema": UPDATE_SCHEMA,
        "event": event,
        "note": note,
        "evidence": evidence,
    }
    shapes.require_fields(value, _UPDATE, UPDATE_SCHEMA)
    return canonical_json(value)


def find(chain: Chain, opened: Mapping[str, bytes]) -> Findings:
    """What is known of each target.

    Args:
        chain: The case.
        opened: Plaintext of sealed objects, by object id.
    """
    run = _Run(chain.view, opened)
    for item in chain.ordered:
        run.take(item)
    arrived = {query: tuple(verdicts) for query, verdicts in run.arrived.items()}
    return Findings(run.targets, tuple(run.sealed), tuple(run.problems), arrived)


@dataclass(slots=True)
class _Run:
    """A walk along a chain, with the cards and queries that stood at each entry."""

    view: View
    opened: Mapping[str, bytes]
    cards: dict[str, Card] = field(default_factory=dict["str", "Card"])
    queries: dict[str, Query] = field(default_factory=dict["str", "Query"])
    targets: dict[tuple[str, str], Found] = field(default_factory=dict["tuple[str, str]", "Found"])
    sealed: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    arrived: dict[str, list[Verdict]] = field(default_factory=dict["str", "list[Verdict]"])

    def take(self, item: Ordered) -> None:
        event = item.event
        if "card" in event.body:
            card = card_from_json(event.body["card"])
            self.cards[card.organization] = card
        elif event.kind == "query":
            keys = self.cards[event.author].keys_at(item.entry.ordered)
            asked = open_past_query(canonical_json(event.body["query"]), keys)
            self.queries[asked.digest] = asked
        elif event.kind == "target":
            key = (event.author, str(event.body["handle"]))
            before = self.targets.pop((event.author, ""), Found(*key))
            self.targets.setdefault(key, replace(before, handle=key[1]))
        for effect in item.effects:
            if effect.machine == "AM" and effect.event in _SEEN:
                organization, _, handle = effect.owner.partition("/")
                self._believe(
                    (organization, handle), lambda key, e=effect: self._move(key, e.event)
                )
        if event.kind in {"answer", "status"}:
            self._sealed(item)

    def _believe(self, key: tuple[str, str], step_of: Callable[[tuple[str, str]], None]) -> None:
        """Take a step of a target, or keep why it is not believed."""
        try:
            step_of(key)
        except SteelyardError as error:
            self.problems.append(f"{self.view.named(key[0])}/{key[1]}: {error.message}")

    def _sealed(self, item: Ordered) -> None:
        body = cast("dict[str, Any]", item.event.body)
        key = (item.event.author, str(body["target"]))
        plaintext = self.opened.get(body["object"]["id"])
        if plaintext is None:
            self.sealed.append(body["object"]["id"])
            known = self.targets.get(key, Found(*key))
            self.targets[key] = replace(known, state=ANSWERED)
        elif item.event.kind == "answer":
            self._believe(key, lambda key: self._answer(key, plaintext, body["query"], item))
        else:
            self._believe(key, lambda key: self._update(key, plaintext))

    def _answer(self, key: tuple[str, str], plaintext: bytes, query: str, item: Ordered) -> None:
        keys = self.cards[key[0]].keys_at(item.entry.ordered)
        answer = open_answer(plaintext, keys, self.queries[query])
        if answer.target != key[1]:
            message = f"the sealed answer is about {answer.target!r:.60}"
            raise BrokenSeal(message, where="answer")
        for event in ("acknowledge", "run"):
            if event in _allowed(self._state(key)):
                self._move(key, event)
        self._move(key, _EVENTS[answer.verdict])
        known = self.targets[key]
        self.targets[key] = replace(known, answers={**known.answers, query: answer})
        self.arrived.setdefault(query, []).append(answer.verdict)

    def _update(self, key: tuple[str, str], plaintext: bytes) -> None:
        update = shapes.require_fields(parse_json_object(plaintext), _UPDATE, UPDATE_SCHEMA)
        self._move(key, str(update["event"]))
        known = self.targets[key]
        self.targets[key] = replace(known, updates=(*known.updates, str(update["event"])))

    def _state(self, key: tuple[str, str]) -> str:
        return self.targets.get(key, Found(*key)).state

    def _move(self, key: tuple[str, str], event: str) -> None:
        known = self.targets.get(key, Found(*key))
        if known.state == ANSWERED:
            if event not in _AFTER_ANSWER:
                raise BrokenSeal("what came before it was not opened", where=event)
            after = _AFTER_ANSWER[event]
        else:
            after = step(load_tables().machine("AM"), known.state, event)
        self.targets[key] = replace(known, state=after)


def _allowed(state: str) -> Collection[str]:
    if state == ANSWERED:
        return _AFTER_ANSWER
    return allowed_events(load_tables().machine("AM"), state)
