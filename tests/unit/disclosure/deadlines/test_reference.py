"""The reference page of the deadlines against the data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steelyard.disclosure.deadlines import load_rules
from steelyard.disclosure.deadlines.tables import calendar_rows, name_rows, note_lines, rule_rows

BOOK = load_rules()


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Rules", rule_rows(BOOK)),
        ("Calendars", calendar_rows(BOOK)),
        ("Names", name_rows(BOOK)),
        ("Notes", note_lines(BOOK)),
    ],
)
def test_the_page_has_what_the_data_has(repository: Path, title: str, expected: str) -> None:
    page = (repository / "docs/reference/disclosure-deadlines.md").read_text("utf-8")
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True))[title]
    assert text.strip().endswith(expected)
    assert f"`{BOOK.id}` {BOOK.version}" in page


def test_what_is_unconfirmed_is_marked_and_nothing_else_is() -> None:
    for line, rule in zip(rule_rows(BOOK).splitlines()[2:], BOOK.rules, strict=True):
        assert ("(**unconfirmed**)" in line) is (rule.confidence == "unconfirmed")
    for line, row in zip(
        calendar_rows(BOOK).splitlines()[2:], BOOK.calendars.values(), strict=True
    ):
        assert ("(**unconfirmed**)" in line) is (row.confidence == "unconfirmed")


def test_every_event_and_condition_is_used_by_a_rule() -> None:
    used = {rule.trigger_event for rule in BOOK.rules} | {rule.after_event for rule in BOOK.rules}
    used |= {rule.repeats_until for rule in BOOK.rules}
    assert set(BOOK.events) <= used
    assert set(BOOK.conditions) == {name for rule in BOOK.rules for name in rule.applies_if}
    assert set(BOOK.calendars) == {rule.calendar for rule in BOOK.rules}
