"""The export linter: refuses text that repeats a payload above tier H0.

Decides what counts as repeating (spec/disclosure-advisory.md, section 6): a run of folded
characters, or a share of a payload's shingles, in the text itself or in what it decodes to. What
it finds and what it cannot is measured in docs/reference/advisory-formats.md; a translation, a
paraphrase or a picture passes. Holding back is the publisher's duty, this is the last gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory.folding import fold, shift_free, views
from steelyard.kernel.errors import NotSatisfied, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Folded characters in a row: about six English words. Common phrases of this field are shorter.
RUN: Final = 28
# Scripts without spaces say as much in fewer characters.
_RUN_DENSE: Final = 12
_SHINGLE: Final = 10
# Of a payload's shingles, in any order and place; unrelated English shares below 0.1.
SHARE: Final = 0.35
_FEWEST_SHINGLES: Final = 20
# A shorter payload is looked for as a whole, and below this it would be found everywhere.
SHORTEST: Final = 8
_DENSE_FROM: Final = 0x2E80


class Tier(IntEnum):
    """Hazard tier of a payload: H0 is public, H3 is sealed."""

    H0 = 0
    H1 = 1
    H2 = 2
    H3 = 3


@dataclass(frozen=True, slots=True)
class Payload:
    """A text that must not leave, with the name it is called by in messages."""

    name: str
    text: str
    tier: Tier = Tier.H1


@dataclass(frozen=True, slots=True)
class Overlap:
    """Where a text repeats a payload.

    Attributes:
        payload: Name of the payload.
        source: Name of the text.
        view: How the text was read: as it stands, decoded, shifted, reversed.
        characters: Length of the longest run, in folded characters; 0 where shares decided.
        share: Part of the payload's shingles that the text holds.
    """

    payload: str
    source: str
    view: str
    characters: int
    share: float


def require_clean(texts: Iterable[tuple[str, str]], payloads: Iterable[Payload]) -> None:
    """Refuse texts that repeat a payload; what they repeat is never part of the message.

    Raises:
        NotSatisfied: naming text and payload.
        UsageError: a payload too short to look for.
    """
    overlaps = list(find_overlaps(texts, payloads))
    if overlaps:
        worst = overlaps[0]
        what = f"{worst.characters} characters in a row"
        if not worst.characters:
            what = f"{100 * worst.share:.0f} % of its shingles"
        others = f"; {len(overlaps) - 1} more overlaps" if len(overlaps) > 1 else ""
        message = f"repeats payload {worst.payload!r}: {what}, read {worst.view}{others}"
        hint = "describe the flaw without the payload; only tier H0 may be published"
        raise NotSatisfied(message, where=worst.source, hint=hint)


def find_overlaps(
    texts: Iterable[tuple[str, str]], payloads: Iterable[Payload]
) -> Iterator[Overlap]:
    """Every text and payload that overlap, once each, by the first view that shows it.

    Args:
        texts: Name and content of everything that would be published.
        payloads: What must not leave; those of tier H0 may.
    """
    traces = [_Trace.of(payload) for payload in payloads if payload.tier > Tier.H0]
    if not traces:
        return
    for source, text in texts:
        found: set[str] = set()
        for view, content in views(text):
            forms = _Forms(content)
            for trace in traces:
                if trace.name not in found and (overlap := trace.found_in(forms, source, view)):
                    found.add(trace.name)
                    yield overlap


class _Forms:
    """A folded text, the same backwards, and without its shift."""

    def __init__(self, text: str) -> None:
        self.plain = fold(text)
        self.backwards = self.plain[::-1]
        self.shift_free = shift_free(text)


@dataclass(frozen=True, slots=True)
class _Trace:
    """A payload, ready to be looked for."""

    name: str
    run: int
    runs: frozenset[str]
    shifted_runs: frozenset[str]
    shingles: frozenset[str]

    @classmethod
    def of(cls, payload: Payload) -> _Trace:
        folded = fold(payload.text)
        if len(folded) < SHORTEST:
            message = f"payload {payload.name!r} has fewer than {SHORTEST} letters and digits"
            hint = "give the whole payload, not a token of it"
            raise UsageError(message, where=payload.name, hint=hint)
        dense = sum(ord(character) >= _DENSE_FROM for character in folded)
        run = min(len(folded), _RUN_DENSE if 2 * dense > len(folded) else RUN)
        shifted = shift_free(payload.text)
        return cls(
            name=payload.name,
            run=run,
            runs=frozenset(_grams(folded, run)),
            shifted_runs=frozenset(_grams(shifted, RUN)),
            shingles=frozenset(_grams(folded, _SHINGLE)),
        )

    def found_in(self, forms: _Forms, source: str, view: str) -> Overlap | None:
        """The overlap of a text in any of its forms."""
        for text, runs, run, how in (
            (forms.plain, self.runs, self.run, view),
            (forms.backwards, self.runs, self.run, f"{view}, backwards"),
            (forms.shift_free, self.shifted_runs, RUN, f"{view}, with its letters shifted"),
        ):
            if not runs.isdisjoint(_grams(text, run)):
                return Overlap(self.name, source, how, _longest(text, runs, run), 1.0)
        return self._share(forms.plain, source, view)

    def _share(self, text: str, source: str, view: str) -> Overlap | None:
        if len(self.shingles) < _FEWEST_SHINGLES:
            return None
        held = self.shingles.intersection(_grams(text, _SHINGLE))
        share = len(held) / len(self.shingles)
        if share < SHARE:
            return None
        return Overlap(self.name, source, view, 0, share)


def _grams(text: str, length: int) -> Iterator[str]:
    return (text[start : start + length] for start in range(len(text) - length + 1))


def _longest(text: str, runs: frozenset[str], run: int) -> int:
    """Length of the longest stretch of which every window is the payload's."""
    longest = current = 0
    for gram in _grams(text, run):
        current = current + 1 if gram in runs else 0
        longest = max(longest, current)
    return run + longest - 1
