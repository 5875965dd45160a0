"""Searching a pattern in time linear in the text, whoever wrote the pattern.

Thompson's construction (CACM 11, 1968): all states of the automaton move together, one
character at a time, so that nothing is ever tried again. Steps are kept, as in a lazily
built deterministic automaton, up to a bound. The language is that of `regex_syntax`;
Python's `re` backtracks and is no match for a hostile pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from steelyard.disclosure.reproducer.regex_syntax import (
    Assertion,
    CharSet,
    Choice,
    Node,
    Repeat,
    Sequence,
    parse_pattern,
)
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable

STATE_LIMIT: Final = 400
TEXT_LIMIT: Final = 65_536
_KEPT_STEPS: Final = 20_000
_WORD: Final = CharSet((("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")))


class _State(NamedTuple):
    """Where a state leads: by a character, past an assertion, or for nothing."""

    takes: CharSet | None
    asserts: str
    leads: tuple[int, ...]


class LinearPattern:
    """A pattern ready to be searched for."""

    def __init__(self, pattern: str, *, ignore_case: bool = False, where: str = "pattern") -> None:
        """Build the automaton.

        Raises:
            MalformedEvidence: outside the language, or more than 400 states.
        """
        node = parse_pattern(pattern, where=where)
        states = _size(node)
        if states >= STATE_LIMIT:
            message = f"the pattern needs {states} states, at most {STATE_LIMIT} are allowed"
            raise MalformedEvidence(message, where=where, hint="use smaller counts")
        self._ignore_case = ignore_case
        self._states: list[_State] = [_State(None, "", ())]  # state 0: found
        self._start = self._build(node, 0)
        self._steps: dict[tuple[frozenset[int], str, str], frozenset[int] | None] = {}
        self.work = 0
        """States visited so far: what the test of linear time counts."""

    def found_in(self, text: str) -> bool:
        """Whether the pattern occurs anywhere in a text.

        Raises:
            MalformedEvidence: a text of more than 65,536 characters.
        """
        if len(text) > TEXT_LIMIT:
            message = f"a text has at most {TEXT_LIMIT} characters, found {len(text)}"
            raise MalformedEvidence(message, where="text")
        active: frozenset[int] = frozenset()
        before = ""
        for character in text:
            step = self._step(active, before, character)
            if step is None:
                return True
            active, before = step, character
        return self._step(active, before, "") is None

    def _step(self, active: frozenset[int], before: str, after: str) -> frozenset[int] | None:
        """The states after a character; None where the pattern was found before it."""
        key = (active, _kind(before), after)
        if key not in self._steps:
            if len(self._steps) >= _KEPT_STEPS:
                self._steps.clear()
            self._steps[key] = self._moved(active, before, after)
        return self._steps[key]

    def _moved(self, active: frozenset[int], before: str, after: str) -> frozenset[int] | None:
        reached = self._closure([*active, self._start], _kind(before), _kind(after))
        if 0 in reached:
            return None
        return frozenset(
            lead
            for number in reached
            for lead in self._states[number].leads
            if self._takes(self._states[number].takes, after)
        )

    def _closure(self, starts: Iterable[int], before: str, after: str) -> set[int]:
        """States reachable without a character, each visited once."""
        reached, left = set[int](), list(starts)
        while left:
            number = left.pop()
            if number in reached:
                continue
            reached.add(number)
            self.work += 1
            state = self._states[number]
            if state.takes is None and _holds(state.asserts, before, after):
                left.extend(state.leads)
        return reached

    def _takes(self, wanted: CharSet | None, character: str) -> bool:
        if wanted is None or not character:
            return False
        if not self._ignore_case:
            return wanted.has(character)
        spellings = {character, character.lower(), character.upper()}
        holds = any(CharSet(wanted.ranges).has(one) for one in spellings if len(one) == 1)
        return holds != wanted.negated

    def _build(self, node: Node, after: int) -> int:
        """Add a node's states in front of state `after`; returns its first one."""
        match node:
            case CharSet():
                return self._add(_State(node, "", (after,)))
            case Assertion(kind):
                return self._add(_State(None, kind, (after,)))
            case Sequence(parts):
                for part in reversed(parts):
                    after = self._build(part, after)
                return after
            case Choice(options):
                return self._add(_State(None, "", tuple(self._build(o, after) for o in options)))
            case Repeat():
                return self._build_repeat(node, after)

    def _build_repeat(self, node: Repeat, after: int) -> int:
        if node.most is None:
            loop = self._add(_State(None, "", ()))
            first = self._build(node.part, loop)
            self._states[loop] = _State(None, "", (first, after))
            after = loop
        else:
            end = after
            for _ in range(node.most - node.least):
                after = self._add(_State(None, "", (self._build(node.part, after), end)))
        for _ in range(node.least):
            after = self._build(node.part, after)
        return after

    def _add(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1


def escape(text: str) -> str:
    """The pattern that matches exactly a text."""
    names = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    special = frozenset(r"\.^$|?*+()[]{}")
    return "".join(names.get(c, f"\\{c}" if c in special else c) for c in text)


def _size(node: Node) -> int:
    """States that a node will need, found without building any."""
    match node:
        case Sequence(parts):
            return sum(map(_size, parts))
        case Choice(options):
            return 1 + sum(map(_size, options))
        case Repeat(part, least, most):
            inside = _size(part)
            further = inside + 1 if most is None else (inside + 1) * (most - least)
            return inside * least + further
        case _:
            return 1


def _kind(character: str) -> str:
    """What an assertion sees of a neighbour: the edge, a word character or another."""
    if not character:
        return "edge"
    return "word" if _WORD.has(character) else "other"


def _holds(assertion: str, before: str, after: str) -> bool:
    if assertion == "start":
        return before == "edge"
    if assertion == "end":
        return after == "edge"
    if assertion in ("boundary", "inside"):
        return ((before == "word") != (after == "word")) == (assertion == "boundary")
    return True
