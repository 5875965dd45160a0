"""Targets, queries and answers, as far as everybody may see them.

Decides who may answer what and when (spec/disclosure-case.md, section Affectedness). Which
answer it was is sealed; the state `answered` stands for every state after a run, so that no
competitor learns more. `findings` opens them for who may.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.disclosure.case.acts.payloads import register, require_readers
from steelyard.disclosure.case.permissions import load_kinds
from steelyard.disclosure.case.view import Query, Target
from steelyard.disclosure.reproducer.counts import LEAST_COUNT
from steelyard.disclosure.reproducer.query import LEVELS, open_past_query
from steelyard.disclosure.states.machines import step as machine_step
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel import canonical_json

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.disclosure.case.acts.step import Step
    from steelyard.disclosure.reproducer.query import Query as Asked

ANSWERED = "answered"
_TARGET_LIMIT = 64


def target(step: Step) -> None:
    """A target of the author, or a new version of one, which voids what was found."""
    key = (step.author, step.body["handle"])
    known, unnamed = step.view.targets.get(key), step.view.targets.get((step.author, ""))
    told = (step.body["version"], step.body["commitment"], step.body["guardrail"])
    if known is None:
        state, since = _first_state(step, key[1], unnamed)
    elif told == (known.version, known.commitment, known.guardrail):
        raise step.refuse("this target is known as it is")
    else:
        state, since = _new_version(known.state), step.at
        step.note(*key, "new_version", known.state, state)
    new = Target(
        organization=step.author,
        handle=key[1],
        version=step.body["version"],
        commitment=step.body["commitment"],
        guardrail=step.body["guardrail"],
        state=state,
        since=since,
    )
    step.set(targets=step.view.targets.without((step.author, "")).with_item(key, new))


def _first_state(step: Step, handle: str, unnamed: Target | None) -> tuple[str, datetime]:
    """The state of a target that is named for the first time, and since when."""
    targets = step.member.targets
    if targets >= _TARGET_LIMIT:
        raise step.refuse(f"an organization has at most {_TARGET_LIMIT} targets in a case")
    step.counted["targets"] = targets + 1
    if unnamed is not None:
        return unnamed.state, unnamed.since
    queries = step.view.queries.values()
    if any(step.author in item.asked and not step.is_over(item.until) for item in queries):
        step.note(step.author, handle, "notify", "unknown", "notified")
        return "notified", step.at
    return "unknown", step.at


def query(step: Step) -> None:
    """Ask organizations; each of their targets is notified."""
    envelope = canonical_json(step.body["query"])
    asked = open_past_query(envelope, step.member.card.keys_at(step.at))
    _require_answerable(step, asked)
    targets, named = step.view.targets, set[str]()
    for key, item in step.view.targets.items():
        if key[0] in step.body["to"]:
            named.add(key[0])
            if item.state == "unknown":
                targets = targets.with_item(key, replace(item, state="notified", since=step.at))
                step.note(*key, "notify", "unknown", "notified")
    for name in step.body["to"]:
        if name not in named:
            new = Target(name, "", "", None, "", "notified", step.at)
            targets = targets.with_item((name, ""), new)
            step.note(name, "", "notify", "unknown", "notified")
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


def _require_answerable(step: Step, asked: Asked) -> None:
    """Refuse a query of another case, of more than was agreed, or that nobody can answer."""
    view = step.view
    if asked.case != view.case:
        raise step.refuse("the query is of another case")
    if LEVELS.index(asked.level) > LEVELS.index(view.policy.level):
        raise step.refuse(f"the case was opened for {view.policy.level}, not {asked.level}")
    if asked.digest in view.queries:
        raise step.refuse("the query stands already", "ask anew, with a nonce of its own")
    if not asked.issued <= step.at < asked.until:
        raise step.refuse("the query has lapsed, or is issued later than it is asked")
    for name in step.body["to"]:
        if not view.member(name).roles & load_kinds()["answer"].by:
            raise step.refuse(f"{view.named(name)} has no role that answers")


def progress(step: Step) -> None:
    """A query was acknowledged, or a run begun; what is true of a run is told by nobody else."""
    known = _own(step)
    # The state behind `answered` is sealed; whether it allows a run is seen by `findings`.
    before = "affected" if known.state == ANSWERED else known.state
    state = machine_step(load_tables().machine("AM"), before, step.body["event"])
    _put(step, known, state, step.body["event"])


def answer(step: Step) -> None:
    """A sealed answer to a query that stands, once for a target."""
    known = _own(step)
    asked = step.view.queries.get(step.body["query"])
    if asked is None or step.author not in asked.asked:
        raise step.refuse("the author was not asked this")
    if step.is_over(asked.until):
        raise step.refuse("the query has lapsed", "ask the coordinator for a new one")
    key = (asked.digest, f"{step.author}/{known.handle}")
    if key in step.view.answered:
        raise step.refuse("this target has answered", "a new run needs a new query")
    if known.state == "unknown":
        raise step.refuse("the target was named after the query had lapsed")
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
    if hidden < 0 or (hidden and len(shown) == len(told)):
        raise step.refuse("the counts do not add up to the answers")
    if any(0 < count < LEAST_COUNT for count in shown) or 0 < hidden < LEAST_COUNT:
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
    step.set(targets=step.view.targets.with_item((known.organization, known.handle), moved))
    step.note(known.organization, known.handle, event, known.state, state)


def _register_for_coordinators(step: Step) -> None:
    """Take a sealed object that a coordinator, and no organization but coordinators, reads."""
    coordinators = set(step.view.with_role("coordinator"))
    if not coordinators & set(step.body["object"]["recipients"]):
        raise step.refuse("no coordinator can read this")
    payload = register(step, step.body["object"])
    require_readers(step, payload)
    sealed = replace(payload, finding=True)
    step.set(payloads=step.view.payloads.with_item(payload.id, sealed))


def _new_version(state: str) -> str:
    if state == ANSWERED:
        return "retest"
    return machine_step(load_tables().machine("AM"), state, "new_version")
