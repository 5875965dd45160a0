"""Scorers: whether what a model said and did shows the flaw.

Decides the four kinds (spec/reproducer.md, section Scorers). All read what was recorded and
call nothing; what a judge is asked, and its errors, are prepared here and asked by the
runner. A reply too long to be searched is no answer, in either direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from steelyard.disclosure.reproducer.linear_regex import TEXT_LIMIT, LinearPattern, escape
from steelyard.disclosure.reproducer.scenario import fill
from steelyard.disclosure.reproducer.trace import (
    Predicate,
    TracedCall,
    holds,
    patterns_of,
    read_predicate,
)
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.disclosure.reproducer.scenario import Variant

_SEPARATOR: Final = "\n"
_MOST_PATTERNS: Final = 8


@dataclass(frozen=True, slots=True)
class Exact:
    """The flaw shows where a reply contains a text, or is it as a whole."""

    text: str
    match: str = "contains"
    ignore_case: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts that may hold places."""
        return (self.text,)


@dataclass(frozen=True, slots=True)
class Pattern:
    """The flaw shows where a pattern occurs in a reply; values stand for themselves."""

    pattern: str
    ignore_case: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts that may hold places."""
        return (self.pattern,)


@dataclass(frozen=True, slots=True)
class ToolTrace:
    """The flaw shows where the calls satisfy a predicate."""

    predicate: Predicate

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts that may hold places."""
        return tuple(patterns_of(self.predicate))


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage whose true label people gave."""

    text: str
    label: bool


@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """The flaw shows where a pinned judge says so, with errors that a set measures.

    Attributes:
        model: Name of the judging model with its version; no address.
        question: Answered by yes where the flaw shows.
        calibration: Labelled passages.
    """

    model: str
    question: str
    calibration: tuple[Passage, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts that may hold places: none, so that all variants have one judge."""
        return ()


Scorer: TypeAlias = Exact | Pattern | ToolTrace | JudgeScorer


@dataclass(frozen=True, slots=True)
class Shown:
    """What a model said and did in one sample: its replies' texts and its calls, in order."""

    replies: tuple[str, ...]
    calls: tuple[TracedCall, ...]

    @property
    def passage(self) -> str:
        """All replies as one text."""
        return _SEPARATOR.join(self.replies)


def read_scorer(value: dict[str, Any]) -> Scorer:
    """The scorer of a document that its schema has accepted."""
    fields = {name: entry for name, entry in value.items() if name != "kind"}
    if value["kind"] == "exact":
        return Exact(**fields)
    if value["kind"] == "regex":
        return Pattern(**fields)
    if value["kind"] == "tool_trace":
        return ToolTrace(read_predicate(fields["predicate"]))
    passages = tuple(Passage(p["passage"], p["label"]) for p in fields["calibration"])
    return JudgeScorer(fields["model"], fields["question"], passages)


def require_scorer(scorer: Scorer, variant: Variant, where: str) -> None:
    """Refuse a scorer that a variant's values break, or a judge whose set lacks a label.

    Raises:
        MalformedEvidence: saying how.
    """
    escaped = {name: escape(text) for name, text in variant.values.items()}
    match scorer:
        case Pattern(pattern, ignore_case):
            LinearPattern(fill(pattern, escaped), ignore_case=ignore_case, where=where)
        case ToolTrace(predicate):
            patterns = patterns_of(predicate)
            if len(patterns) > _MOST_PATTERNS:
                message = f"at most {_MOST_PATTERNS} patterns in a predicate, found {len(patterns)}"
                raise MalformedEvidence(message, where=where)
            for pattern in patterns:
                LinearPattern(fill(pattern, escaped), where=where)
        case JudgeScorer(calibration=calibration):
            _require_calibration(calibration, where)
        case Exact():
            return


def score(scorer: Exact | Pattern | ToolTrace, shown: Shown, variant: Variant) -> bool | None:
    """Whether a sample shows the flaw; None where it is too long to tell.

    Args:
        scorer: Any but a judge.
        shown: What the model said and did.
        variant: Whose values fill the scorer's places.
    """
    if any(len(reply) > TEXT_LIMIT for reply in shown.replies):
        return None
    if isinstance(scorer, ToolTrace):
        try:
            return holds(scorer.predicate, shown.calls, variant.values)
        except MalformedEvidence:
            return None  # an argument longer than any text that is searched
    if isinstance(scorer, Exact):
        return _contains(scorer, shown.replies, fill(scorer.text, variant.values))
    escaped = {name: escape(text) for name, text in variant.values.items()}
    pattern = LinearPattern(fill(scorer.pattern, escaped), ignore_case=scorer.ignore_case)
    return any(pattern.found_in(reply) for reply in shown.replies)


def _contains(scorer: Exact, replies: Sequence[str], wanted: str) -> bool:
    def folded(text: str) -> str:
        return text.casefold() if scorer.ignore_case else text

    if scorer.match == "whole":
        return any(folded(reply.strip()) == folded(wanted) for reply in replies)
    return any(folded(wanted) in folded(reply) for reply in replies)


LEAST_LABELS: Final = 10


def _require_calibration(passages: Sequence[Passage], where: str) -> None:
    counts: Mapping[bool, int] = {
        label: sum(p.label is label for p in passages) for label in (True, False)
    }
    if min(counts.values()) < LEAST_LABELS:
        message = f"the calibration set has {counts[True]} yes and {counts[False]} no"
        hint = f"at least {LEAST_LABELS} of each: without them a judge's errors are unknown"
        raise MalformedEvidence(message, where=where, hint=hint)
    if len({p.text for p in passages}) != len(passages):
        raise MalformedEvidence("a calibration passage is there twice", where=where)
