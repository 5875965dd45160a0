"""The tables of the state machines, read from one data file and frozen.

Decides whether the packaged file is whole: every name resolves, every machine is
deterministic, every state can be reached (spec/disclosure-states.md, section Tables). What a
step means is for `machines`, how machines act on each other for `rules`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from steelyard.disclosure.states.model import (
    Causality,
    Consequence,
    Guard,
    Machine,
    Message,
    Reply,
    State,
    Tables,
    Transition,
)
from steelyard.kernel import JsonObject, digest_json, parse_yaml
from steelyard.kernel.errors import ConfigurationError
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@cache
def load_tables() -> Tables:
    """The tables that ship with this package."""
    entry = files("steelyard.disclosure.states") / "data" / "machines.yaml"
    return read_tables(entry.read_text("utf-8"), where=str(entry))


def read_tables(text: str, *, where: str) -> Tables:
    """Read tables from strict YAML.

    Raises:
        ConfigurationError: not strict YAML, against its schema, or contradicting itself.
    """
    content = parse_yaml(text, where=where)
    check_schema(content, "disclosure-machines", where=where)
    tables = _tables(content)
    for problem in _problems(tables):
        raise ConfigurationError(problem, where=where)
    return tables


def _tables(content: JsonObject) -> Tables:
    raw = cast("dict[str, Any]", content)
    return Tables(
        id=raw["id"],
        version=raw["version"],
        least_signatories=raw["least_signatories"],
        open_weight_deployers=raw["open_weight_deployers"],
        lowering_approvals=raw["lowering_approvals"],
        sources=MappingProxyType(raw["sources"]),
        messages=MappingProxyType({row["id"]: Message(**row) for row in raw["messages"]}),
        machines=MappingProxyType({row["id"]: _machine(row) for row in raw["machines"]}),
        guards=tuple(Guard(**_frozen(row)) for row in raw["guards"]),
        consequences=tuple(_consequence(row) for row in raw["consequences"]),
        agreement=MappingProxyType(raw["agreement"]),
        replies=tuple(_reply(row) for row in raw["replies"]),
        causality=_causality(raw),
        digest=digest_json(content),
        content=content,
    )


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(cast("list[str]", value)) if isinstance(value, list) else value
        for key, value in row.items()
    }


def _machine(row: dict[str, Any]) -> Machine:
    table: dict[tuple[str, str], Transition] = {}
    for item in row["transitions"]:
        step = Transition(item["from"], item["event"], item["to"], tuple(item["emits"]))
        if table.setdefault((step.source, step.event), step) is not step:
            message = f"{row['id']}: {step.event} stands twice at {step.source}"
            raise ConfigurationError(message, where="machines.yaml")
    return Machine(
        id=row["id"],
        title=row["title"],
        scope=row["scope"],
        source=row["source"],
        initial=row["initial"],
        final=tuple(row["final"]),
        states=tuple(State(**state) for state in row["states"]),
        events=MappingProxyType({event["id"]: event["meaning"] for event in row["events"]}),
        table=MappingProxyType(table),
    )


def _consequence(row: dict[str, Any]) -> Consequence:
    values = _frozen(row)
    return Consequence(source_states=values.pop("from"), **values)


def _reply(row: dict[str, Any]) -> Reply:
    when = {name: tuple(row[name]) for name in ("RM", "EM", "PXA", "PEC") if name in row}
    moves = (row["machine"], row["event"], row["actor"]) if "machine" in row else ()
    return Reply(
        tuple(row["messages"]),
        MappingProxyType(when),
        moves,
        tuple(row["reply"]),
        row.get("error", False),
    )


def _causality(raw: dict[str, Any]) -> Causality:
    rules = raw["causality"]
    return Causality(
        tuple((first, second) for first, second in rules["precedes"]),
        tuple((r["after"], r["without"], r["follows"]) for r in rules["follows_at_once"]),
        tuple((first, second) for first, second in raw["desiderata"]),
    )


def _problems(tables: Tables) -> Iterator[str]:
    """What in the tables leads nowhere, one sentence each."""
    for machine in tables.machines.values():
        yield from _machine_problems(machine, tables)
    for guard in tables.guards:
        yield from _unknown(tables, guard.id, guard.machine, (), guard.events)
        yield from _unknown(tables, guard.id, guard.needs, guard.states, ())
    for row in tables.consequences:
        yield from _unknown(tables, row.id, row.machine, row.source_states, (row.event,))
        yield from _unknown(tables, row.id, row.moves, row.when, (row.by,))
        table = tables.machine(row.moves).table
        yield from (
            f"{row.id}: {row.moves} knows no {row.by} at {name}"
            for name in row.when
            if (name, row.by) not in table
        )
    for row in tables.replies:
        yield from _reply_problems(row, tables)


def _machine_problems(machine: Machine, tables: Tables) -> Iterator[str]:
    names = {state.id for state in machine.states}
    for step in machine.table.values():
        if not {step.source, step.target} <= names or step.event not in machine.events:
            yield f"{machine.id}: {step.source} --{step.event}--> {step.target} names nothing"
        for message in step.emits:
            if message not in tables.messages:
                yield f"{machine.id}: {step.event} emits {message}, which is no message"
    reached = reachable(machine)
    yield from (f"{machine.id}: {name} is never reached" for name in sorted(names - reached))
    if not set(machine.final) <= names:
        yield f"{machine.id}: final names no state"


def reachable(machine: Machine) -> frozenset[str]:
    """Every state that can be reached from the initial one."""
    found, waiting = {machine.initial}, [machine.initial]
    while waiting:
        here = waiting.pop()
        for (source, _), step in machine.table.items():
            if source == here and step.target not in found:
                found.add(step.target)
                waiting.append(step.target)
    return frozenset(found)


def _unknown(
    tables: Tables, where: str, machine: str, states: Collection[str], events: Collection[str]
) -> Iterator[str]:
    if machine not in tables.machines:
        yield f"{where}: no machine {machine}"
        return
    found = tables.machines[machine]
    names = {state.id for state in found.states}
    yield from (f"{where}: {machine} has no state {name}" for name in states if name not in names)
    yield from (f"{where}: {machine} has no event {n}" for n in events if n not in found.events)


def _reply_problems(row: Reply, tables: Tables) -> Iterator[str]:
    where = f"reply to {', '.join(row.messages)}"
    for message in (*row.messages, *row.reply):
        if message not in tables.messages:
            yield f"{where}: {message} is no message"
    for machine, states in row.when.items():
        yield from _unknown(tables, where, machine, states, ())
    if row.moves:
        yield from _unknown(tables, where, row.moves[0], (), (row.moves[1],))
