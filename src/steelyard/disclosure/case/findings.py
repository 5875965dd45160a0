"""What was found about targets, for those who can read the sealed answers.

Decides the affectedness (AM) of each target from sealed objects that were opened, and names
those that do not follow from what came before (spec/disclosure-case.md, section Findings). The
coordinator sees all of them, an organization its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import shapes
from steelyard.disclosure.reproducer.counts import VerdictCounts, count_verdicts
from steelyard.disclosure.reproducer.query import Query, open_answer, open_past_query
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.disclosure.states.machines import allowed_events, step
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import BrokenSeal, SteelyardError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.disclosure.case.chain import Chain, Ordered
    from steelyard.disclosure.case.view import View
    from steelyard.disclosure.reproducer.query import Answer
    from steelyard.kernel import JsonObject

UPDATE_SCHEMA: Final = "steelyard/affectedness-update/1"
UPDATES: Final = ("mitigate", "verify", "fail_verification", "accept_risk")
_UPDATE: Final[Mapping[str, shapes.Check]] = {
    "schema": shapes.choice(UPDATE_SCHEMA),
    "event": shapes.choice(*UPDATES),
    "note": shapes.text(2000, empty=True, lines=True),
    "evidence": shapes.nullable(shapes.digest),
}
_SEEN: Final = ("notify", "acknowledge", "run", "new_version")
"""Steps of a target that stand in the open."""
_EVENTS: Final = {
    Verdict.AFFECTED: "find_affected",
    Verdict.NOT_AFFECTED: "find_not_affected",
    Verdict.UNDETERMINED: "find_undetermined",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A target and what is known of it.

    Attributes:
        state: Of AM.
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
        problems: One sentence for each sealed object that is not believed.
    """

    targets: Mapping[tuple[str, str], Found]
    sealed: tuple[str, ...]
    problems: tuple[str, ...]

    def counts(self, query: str) -> VerdictCounts:
        """Counts of the answers to a query that may be told."""
        answers = [item.answers[query] for item in self.targets.values() if query in item.answers]
        ordered = sorted(answers, key=lambda item: (item.answered, item.target))
        return count_verdicts([item.verdict for item in ordered])


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
    return Findings(run.targets, tuple(run.sealed), tuple(run.problems))


@dataclass(slots=True)
class _Run:
    """A walk along a chain."""

    view: View
    opened: Mapping[str, bytes]
    targets: dict[tuple[str, str], Found] = field(default_factory=dict["tuple[str, str]", "Found"])
    sealed: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])

    def take(self, item: Ordered) -> None:
        kind, author, body = item.event.kind, item.event.author, item.event.body
        if kind == "target":
            key = (author, str(body["handle"]))
            before = self.targets.pop((author, ""), Found(*key))
            self.targets.setdefault(key, replace(before, handle=key[1]))
        for effect in item.effects:
            if effect.machine == "AM" and effect.event in _SEEN:
                organization, _, handle = effect.owner.partition("/")
                self._move((organization, handle), effect.event)
        if kind in {"answer", "status"}:
            self._sealed(item)

    def _sealed(self, item: Ordered) -> None:
        body = item.event.body
        reference = body["object"]
        name = str(reference["id"]) if isinstance(reference, dict) else ""
        plaintext = self.opened.get(name)
        if plaintext is None:
            self.sealed.append(name)
            return
        key = (item.event.author, str(body["target"]))
        try:
            if item.event.kind == "answer":
                self._answer(key, plaintext, str(body["query"]), item)
            else:
                self._update(key, plaintext)
        except SteelyardError as error:
            self.problems.append(f"{self.view.named(key[0])}/{key[1]}: {error.message}")

    def _answer(self, key: tuple[str, str], plaintext: bytes, query: str, item: Ordered) -> None:
        asked = _query(self.view, query)
        keys = self.view.members[key[0]].card.keys_at(item.entry.ordered)
        known = self.targets.get(key, Found(*key))
        seen = [(name, key[1]) for name in known.answers]
        answer = open_answer(plaintext, keys, asked, seen=seen)
        if answer.target != key[1]:
            message = f"the sealed answer is about {answer.target!r:.60}"
            raise BrokenSeal(message, where="answer")
        for event in ("acknowledge", "run"):
            if event in allowed_events(load_tables().machine("AM"), self._state(key)):
                self._move(key, event)
        self._move(key, _EVENTS[answer.verdict])
        known = self.targets[key]
        self.targets[key] = replace(known, answers={**known.answers, query: answer})

    def _update(self, key: tuple[str, str], plaintext: bytes) -> None:
        update = shapes.require_fields(parse_json_object(plaintext), _UPDATE, UPDATE_SCHEMA)
        self._move(key, str(update["event"]))
        known = self.targets[key]
        self.targets[key] = replace(known, updates=(*known.updates, str(update["event"])))

    def _state(self, key: tuple[str, str]) -> str:
        return self.targets.get(key, Found(*key)).state

    def _move(self, key: tuple[str, str], event: str) -> None:
        known = self.targets.get(key, Found(*key))
        after = step(load_tables().machine("AM"), known.state, event)
        self.targets[key] = replace(known, state=after)


def _query(view: View, digest: str) -> Query:
    row = view.queries[digest]
    coordinators = view.with_role("coordinator")
    keys = {
        name: item.key
        for org in coordinators
        for item in view.members[org].card.keys
        for name in [item.key.key_id]
    }
    return open_past_query(row.envelope, keys)
