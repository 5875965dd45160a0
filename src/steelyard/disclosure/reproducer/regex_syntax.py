"""The pattern language of reproducers: what can be matched in linear time, and nothing else.

Decides which patterns there are and the tree each one means (spec/reproducer.md, section
Patterns). Back references, look-around and flags do not exist. How a tree is matched is
for `linear_regex`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from steelyard.kernel.errors import MalformedEvidence

PATTERN_LIMIT: Final = 256
_DEPTH_LIMIT: Final = 16
_COUNT_LIMIT: Final = 64
_DIGIT: Final = (("0", "9"),)
_WORD: Final = (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z"))
_SPACE: Final = (("\t", "\r"), (" ", " "))
_CLASSES: Final = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r"}
_ASSERTIONS: Final = {"b": "boundary", "B": "inside"}
_PLAIN_ESCAPES: Final = frozenset(r"\.^$|?*+()[]{}-/ ")


@dataclass(frozen=True, slots=True)
class CharSet:
    """One character out of ranges, or one outside them."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def has(self, character: str) -> bool:
        """Whether the set holds a character."""
        return any(low <= character <= high for low, high in self.ranges) != self.negated


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place without width: `start`, `end`, `boundary` or `inside` of a word."""

    kind: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of the options."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`part` at least `least` times and at most `most` times; None for any number."""

    part: Node
    least: int
    most: int | None


Node: TypeAlias = CharSet | Assertion | Sequence | Choice | Repeat


def parse_pattern(pattern: str, *, where: str) -> Node:
    """The tree of a pattern.

    Raises:
        MalformedEvidence: longer than 256 characters, or outside the language.
    """
    if not 0 < len(pattern) <= PATTERN_LIMIT:
        message = f"a pattern has 1 to {PATTERN_LIMIT} characters, found {len(pattern)}"
        raise MalformedEvidence(message, where=where)
    reader = _Reader(pattern, where)
    node = reader.choice(0)
    if reader.rest:
        raise reader.refuse(f"{reader.rest[0]!r} closes nothing")
    return node


class _Reader:
    """Recursive descent over one pattern; depth is bounded before it recurses."""

    def __init__(self, pattern: str, where: str) -> None:
        self._pattern = pattern
        self._where = where
        self._at = 0

    @property
    def rest(self) -> str:
        return self._pattern[self._at :]

    def refuse(self, what: str) -> MalformedEvidence:
        message = f"pattern, after {self._at} characters: {what}"
        hint = "patterns have no back references, look-around or flags"
        return MalformedEvidence(message, where=self._where, hint=hint)

    def choice(self, depth: int) -> Node:
        if depth > _DEPTH_LIMIT:
            raise self.refuse(f"groups nest deeper than {_DEPTH_LIMIT}")
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.rest and self.rest[0] not in "|)":
            parts.append(self._repeated(depth))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, depth: int) -> Node:
        part = self._atom(depth)
        bounds = self._bounds()
        if bounds is None:
            return part
        if isinstance(part, Assertion):
            raise self.refuse("a place without width cannot repeat")
        if self.rest[:1] in tuple("*+?{"):
            raise self.refuse("a repetition of a repetition")
        return Repeat(part, *bounds)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        return self._counted() if self._take("{") else None

    def _counted(self) -> tuple[int, int | None]:
        inside, closed, _ = self.rest.partition("}")
        low, comma, high = inside.partition(",")
        if not closed or not _is_count(low) or not (_is_count(high) or not high):
            raise self.refuse("a count is {m}, {m,} or {m,n}")
        self._at += len(inside) + 1
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if max(least, most or 0) > _COUNT_LIMIT or (most is not None and most < least):
            raise self.refuse(f"a count goes upward and to at most {_COUNT_LIMIT}")
        return least, most

    def _atom(self, depth: int) -> Node:
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._set()
        if character == "\\":
            return self._escape()
        if character in "*+?{}])":
            raise self.refuse(f"{character!r} must be escaped here")
        if character in "^$":
            return Assertion("start" if character == "^" else "end")
        return CharSet((("\n", "\n"),), negated=True) if character == "." else _one(character)

    def _group(self, depth: int) -> Node:
        if self._take("?") and not self._take(":"):
            raise self.refuse("the only group with '?' is (?:...)")
        node = self.choice(depth + 1)
        if not self._take(")"):
            raise self.refuse("a group is not closed")
        return node

    def _escape(self) -> Node:
        character = self._next()
        if character in _ASSERTIONS:
            return Assertion(_ASSERTIONS[character])
        return self._escaped(character)

    def _escaped(self, character: str) -> CharSet:
        if character.lower() in _CLASSES:
            return CharSet(_CLASSES[character.lower()], negated=character.isupper())
        if character in _CONTROLS:
            return _one(_CONTROLS[character])
        if character not in _PLAIN_ESCAPES:
            raise self.refuse(f"no escape {character!r}")
        return _one(character)

    def _set(self) -> CharSet:
        negated = self._take("^")
        ranges: list[tuple[str, str]] = []
        while not self._take("]"):
            found = self._member()
            if self.rest[:1] == "-" and self.rest[1:2] not in ("]", ""):
                found = self._range(found)
            ranges.extend(found.ranges)
        if not ranges:
            raise self.refuse("an empty set")
        return CharSet(tuple(ranges), negated)

    def _member(self) -> CharSet:
        character = self._next()
        if character == "[":
            raise self.refuse("'[' must be escaped in a set")
        found = self._escaped(self._next()) if character == "\\" else _one(character)
        if found.negated:
            raise self.refuse("a negated class in a set")
        return found

    def _range(self, first: CharSet) -> CharSet:
        self._take("-")
        last = self._member()
        (low, low_end), (high, high_end) = first.ranges[0], last.ranges[0]
        single = len(first.ranges) == len(last.ranges) == 1
        if not single or low != low_end or high != high_end or low > high:
            raise self.refuse("a range goes from one character up to another")
        return CharSet(((low, high),))

    def _next(self) -> str:
        if not self.rest:
            raise self.refuse("ends too early")
        self._at += 1
        return self._pattern[self._at - 1]

    def _take(self, text: str) -> bool:
        found = self._pattern.startswith(text, self._at)
        self._at += len(text) * found
        return found


def _one(character: str) -> CharSet:
    return CharSet(((character, character),))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 3  # noqa: PLR2004 - digits
