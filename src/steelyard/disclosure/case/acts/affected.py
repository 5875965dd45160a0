"""Targets, queries and answers, as far as everybody may see them.

Decides who may answer what and when (spec/disclosure-case.md, section Affectedness). Which
answer it was is sealed; the state `answered` stands for every state after a run, so that no
competitor learns more. `findings` opens them for who may.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.disclosure.case.acts.payloads import register
from steelyard.disclosure.case.view import Query, Target
from steelyard.disclosure.reproducer.counts import LEAST_COUNT
from steelyard.disclosure.reproducer.query import LEVELS, open_past_query
from steelyard.disclosure.states.machines import step as machine_step
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel import canonical_json

if TYPE_CHECKING:
    from steelyard.disclosure.case.acts.step import Step

ANSWERED = "answered"
_BEFORE_ANSWER = ("notified", "acked", "running", "retest", ANSWERED)
_TARGET_LIMIT = 64


def target(step: Step) -> None:
    """A target of the author, or a new version of one, which voids what was found."""
    handle = step.body["handle"]
    known = step.view.targets.get((step.author, handle))
    unnamed = step.view.targets.get((step.author, ""))
    own = sum(1 for owner, _ in step.view.targets if owner == step.author)
    if known is None and own >= _TARGET_LIMIT:
        raise step.refuse(f"an organization has at most {_TARGET_LIMIT} targets in a case")
    state = known.state if known else unnamed.state if unnamed else "unknown"
    since = known.since if known else unnamed.since if unnamed else step.at
    told = (step.body["version"], step.body["commitment"], step.body["guardrail"])
    if known is not None:
        if told == (known.version, known.commitment, known.guardrail):
            raise step.refuse("this target is known as it is")
        state, since = _new_version(state), step.at
        step.note(step.author, handle, "new_version", known.state, state)
    new = Target(
        organization=step.author,
        handle=handle,
        version=step.body["version"],
        commitment=step.body["commitment"],
        guardrail=step.body["guardrail"],
        state=state,
        since=since,
    )
    kept = {key: item for key, item in step.view.targets.items() if key != (step.author, "")}
    step.set(targets={**kept, (step.author, handle): new})


def query(step: Step) -> None:
    """Ask organizations; each of their targets is notified."""
    envelope = canonical_json(step.body["query"])
    asked = open_past_query(envelope, step.member.card.keys_at(step.at))
    if asked.case != step.view.case:
        raise step.refuse("the query is of another case")
    if LEVELS.index(asked.level) > LEVELS.index(step.view.policy.level):
        raise step.refuse(f"the case was opened for {step.view.policy.level}, not {asked.level}")
    if asked.digest in step.view.queries or not asked.issued <= asked.until:
        raise step.refuse("the query stands already, or lapses before it is issued")
    if asked.until <= step.at:
        raise step.refuse("the query has lapsed")
    targets = dict(step.view.targets)
    for name in step.body["to"]:
        step.view.member(name)
        if not any(owner == name for owner, _ in targets):
            targets[name, ""] = Target(name, "", "", None, "", "unknown", step.at)
        for key, item in targets.items():
            if key[0] == name and item.state == "unknown":
                targets[key] = replace(item, state="notified", since=step.at)
                step.note(name, item.handle, "notify", item.state, "notified")
    row = Query(
        digest=asked.digest,
        reproducer=asked.reproducer,
        level=asked.level,
        asked=frozenset(step.body["to"]),
        issued=asked.issued,
        until=asked.until,
        envelope=envelope,
    )
    step.set(targets=targets, queries={**step.view.queries, asked.digest: row})


def progress(step: Step) -> None:
    """A query was acknowledged, or a run begun; what is true of a run is told by nobody else."""
    known = _own(step)
    # The state behind `answered` is sealed, and each of those allows a run.
    before = "affected" if known.state == ANSWERED else known.state
    state = machine_step(load_tables().machine("AM"), before, step.body["event"])
    _put(step, known, state, step.body["event"])


def answer(step: Step) -> None:
    """A sealed answer to a query that stands, once for a target."""
    known = _own(step)
    asked = step.view.queries.get(step.body["query"])
    if asked is None or step.author not in asked.asked:
        raise step.refuse("the author was not asked this")
    if step.at > asked.until:
        raise step.refuse("the query has lapsed", "ask the coordinator for a new one")
    key = (asked.digest, f"{step.author}/{known.handle}")
    if key in step.view.answered:
        raise step.refuse("this target has answered", "a new run needs a new query")
    if known.state not in _BEFORE_ANSWER:
        raise step.refuse(f"a target that is {known.state} has nothing to answer")
    _register_for_coordinators(step)
    step.set(answered=step.view.answered | {key})
    _put(step, known, ANSWERED, "answer")


def status(step: Step) -> None:
    """A sealed step of a target that has answered."""
    known = _own(step)
    if known.state != ANSWERED:
        raise step.refuse("a target that has not answered has nothing to mitigate")
    _register_for_coordinators(step)


def counts(step: Step) -> None:
    """How many answered what, never fewer than three of anything."""
    asked, told = step.view.queries.get(step.body["query"]), step.body["by_verdict"]
    if asked is None:
        raise step.refuse("no such query in this case")
    given = sum(1 for name, _ in step.view.answered if name == asked.digest)
    shown = [count for count in told.values() if count is not None]
    hidden = step.body["answers"] - sum(shown)
    if step.body["answers"] % LEAST_COUNT or step.body["answers"] > given:
        raise step.refuse(f"{given} answered; counts are told {LEAST_COUNT} answers at a time")
    if any(0 < count < LEAST_COUNT for count in shown) or 0 < hidden < LEAST_COUNT or hidden < 0:
        raise step.refuse(f"counts below {LEAST_COUNT} are not told")
    row = {"answers": step.body["answers"], "by_verdict": told}
    step.set(counts={**step.view.counts, asked.digest: row})


def _own(step: Step) -> Target:
    known = step.view.targets.get((step.author, step.body["target"]))
    if known is None:
        raise step.refuse("the author has no such target", "name it first")
    return known


def _put(step: Step, known: Target, state: str, event: str) -> None:
    moved = replace(known, state=state, since=step.at)
    step.set(targets={**step.view.targets, (known.organization, known.handle): moved})
    step.note(known.organization, known.handle, event, known.state, state)


def _register_for_coordinators(step: Step) -> None:
    """Take a sealed object that a coordinator, and no organization but coordinators, reads."""
    allowed = set(step.view.with_role("coordinator", "adjudicator")) | {step.author}
    readers = set(step.body["object"]["recipients"])
    if not readers & set(step.view.with_role("coordinator")):
        raise step.refuse("no coordinator can read this")
    if readers - allowed:
        raise step.refuse("what was found is for coordinators alone")
    register(step, step.body["object"])


def _new_version(state: str) -> str:
    if state == ANSWERED:
        return "retest"
    return machine_step(load_tables().machine("AM"), state, "new_version")
