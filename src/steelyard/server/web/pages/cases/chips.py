"""Affectedness as it is shown: a word, a shape, an age, so that silence never looks like an answer.

Decides the shape of each kind (spec/disclosure-states.md, section Silence); the kinds are those
of `states.silence`. What was found is only for who may read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.acts.affected import ANSWERED
from steelyard.disclosure.states.silence import shown
from steelyard.server.web.moments import span_words
from steelyard.server.web.words import AFFECTED

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.disclosure.case.view import Target

KINDS: Final = ("silent", "not asked", "not checked", "checking", "answered")
"""The kinds, in the order in which they need somebody."""


@dataclass(frozen=True, slots=True)
class Chip:
    """The affectedness of one target.

    Attributes:
        kind: One of `KINDS`.
        shape: Name of its shape and style.
        text: In words.
        age: How long it has been so; empty where an answer has no age.
        handle: The target; empty for one that nobody named.
        version: Of the target, with its guardrail.
    """

    kind: str
    shape: str
    text: str
    age: str = ""
    handle: str = ""
    version: str = ""


def chip(target: Target, now: datetime) -> Chip:
    """A target as everybody in the case sees it."""
    version = " / ".join(filter(None, (target.version, target.guardrail)))
    if target.state == ANSWERED:
        return Chip(ANSWERED, ANSWERED, AFFECTED[ANSWERED], "", target.handle, version)
    return _silence(target.state, target.since, now, target.handle, version)


def not_asked(since: datetime, now: datetime) -> Chip:
    """An organization of which no target is known."""
    return _silence("unknown", since, now, "", "")


def found_chip(state: str, target: Target, now: datetime) -> Chip:
    """A target for who may read what was found: its state of AM, or `answered` if sealed."""
    if state == ANSWERED or shown(state, target.since, now).kind != ANSWERED:
        return chip(target, now)
    version = " / ".join(filter(None, (target.version, target.guardrail)))
    return Chip(ANSWERED, state.replace("_", "-"), AFFECTED[state], "", target.handle, version)


def _silence(state: str, since: datetime, now: datetime, handle: str, version: str) -> Chip:
    found = shown(state, since, now)
    age = span_words(timedelta(seconds=found.age_seconds))
    return Chip(found.kind, found.kind.replace(" ", "-"), AFFECTED[state], age, handle, version)
