"""Facts for the tests of deadlines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from steelyard.disclosure.deadlines import Board, Facts, evaluate, load_rules, read_facts
from steelyard.kernel import parse_instant

HEAD = "schema: steelyard/disclosure-facts/1\nsubject: case-1\n"
CRA = """\
conditions: {eu-product-manufacturer: true}
zones: {eu-member-state: Europe/Berlin}
events:
  - {event: exploitation-aware, at: "2026-09-14T10:20:00+02:00"}
"""


@pytest.fixture
def cra() -> str:
    """A manufacturer that became aware of exploitation."""
    return CRA


@pytest.fixture
def facts() -> Callable[[str], Facts]:
    """Reads facts from what follows the head of the file."""

    def read(body: str) -> Facts:
        return read_facts(HEAD + body, load_rules(), where="facts.yaml")

    return read


@pytest.fixture
def board(facts: Callable[[str], Facts]) -> Callable[[str, str], Board]:
    """The deadlines of a body of facts at an instant."""

    def ask(body: str, at: str) -> Board:
        return evaluate(load_rules(), facts(body), instant(at))

    return ask


def instant(text: str) -> datetime:
    return parse_instant(text)
