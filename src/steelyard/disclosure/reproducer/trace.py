"""Predicates on a tool trace: which calls, with which arguments, in which order.

Decides what a trace predicate says (spec/reproducer.md, section Tool traces). The trace is
the list of calls as the model made them; what a stub answered is no part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from steelyard.disclosure.reproducer.linear_regex import LinearPattern, escape
from steelyard.disclosure.reproducer.scenario import fill
from steelyard.kernel import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.kernel import JsonObject, JsonValue

DEPTH_LIMIT: Final = 4


@dataclass(frozen=True, slots=True)
class TracedCall:
    """A call in a trace."""

    tool: str
    arguments: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Called:
    """Some call of a tool, with arguments that fit.

    Attributes:
        equals: Whole text of an argument by name.
        matches: Pattern that an argument's text holds by name.
        least: Calls that must fit.
    """

    tool: str
    equals: Mapping[str, str]
    matches: Mapping[str, str]
    least: int = 1


@dataclass(frozen=True, slots=True)
class Before:
    """A call that fits `first` before a call that fits `then`."""

    first: Called
    then: Called


@dataclass(frozen=True, slots=True)
class Combined:
    """All, any or none of some predicates."""

    kind: str
    parts: tuple[Predicate, ...]


Predicate: TypeAlias = Called | Before | Combined


def read_predicate(value: JsonObject) -> Predicate:
    """A predicate of a document that its schema has accepted."""
    match value:
        case {"called": dict(called)}:
            return _called(called)
        case {"before": list(pair)}:
            first, then = (_called(cast("JsonObject", part)) for part in pair)
            return Before(first, then)
        case _:
            (kind, parts), *_ = value.items()
            read = [read_predicate(p) for p in cast("list[JsonObject]", parts)]
            return Combined(kind, tuple(read))


def holds(predicate: Predicate, trace: Sequence[TracedCall], values: Mapping[str, str]) -> bool:
    """Whether a trace satisfies a predicate, with a variant's values in its places."""
    match predicate:
        case Called():
            return len(_fitting(predicate, trace, values)) >= predicate.least
        case Before(first, then):
            firsts, thens = _fitting(first, trace, values), _fitting(then, trace, values)
            return bool(firsts and thens) and firsts[0] < thens[-1]
        case Combined(kind, parts):
            found = [holds(part, trace, values) for part in parts]
            return {"all": all(found), "any": any(found), "none": not any(found)}[kind]


def depth_of(value: JsonValue) -> int:
    """How deep predicates nest, up to one more than may be; measured before any is read."""
    level, depth = [value], 0
    while depth <= DEPTH_LIMIT:
        level = [part for node in level if isinstance(node, dict) for part in _parts(node)]
        depth += 1
        if not level:
            return depth - 1
    return depth


def _parts(node: JsonObject) -> list[JsonValue]:
    lists = [entry for entry in node.values() if isinstance(entry, list)]
    return [part for entries in lists for part in entries]


def patterns_of(predicate: Predicate) -> list[str]:
    """Every pattern in a predicate."""
    match predicate:
        case Called(matches=matches):
            return list(matches.values())
        case Before(first, then):
            return [*first.matches.values(), *then.matches.values()]
        case Combined(parts=parts):
            return [pattern for part in parts for pattern in patterns_of(part)]


def _called(value: JsonObject) -> Called:
    def texts(name: str) -> dict[str, str]:
        return cast("dict[str, str]", value.get(name, {}))

    least = cast("int", value.get("least", 1))
    return Called(cast("str", value["tool"]), texts("equals"), texts("matches"), least)


def _fitting(wanted: Called, trace: Sequence[TracedCall], values: Mapping[str, str]) -> list[int]:
    """Positions of the calls that fit."""
    escaped = {name: escape(text) for name, text in values.items()}
    equals = {name: fill(text, values) for name, text in wanted.equals.items()}
    patterns = {n: LinearPattern(fill(p, escaped)) for n, p in wanted.matches.items()}
    return [
        position
        for position, call in enumerate(trace)
        if call.tool == wanted.tool
        and all(_text(call, name) == text for name, text in equals.items())
        and all(p.found_in(_text(call, name) or "") for name, p in patterns.items())
    ]


def _text(call: TracedCall, name: str) -> str | None:
    """An argument as text: itself, or the canonical JSON of what is none."""
    if name not in call.arguments:
        return None
    value = call.arguments[name]
    return value if isinstance(value, str) else canonical_json(value).decode()
