"""The page of abuse: every item has a row, and every test that a row names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ITEMS = (
    "Spam", "Archives and polyglots", "Huge and deep text", "Duplicate keys, Unicode, NaN",
    "Regex denial", "Stored XSS", "Formula injection", "Terminal escapes", "Prompt injection",
    "Replay", "Reordering", "Clock skew", "Key rotation and revocation", "Look-alike names",
    "Host equivocation", "Withheld acknowledgements", "SSRF", "Recipient-set downgrade",
    "Embargo breach", "Metadata", "Oracle abuse of queries", 'Dishonest "not affected"',
    "Notification storms", "Database loss and restore",
)  # fmt: skip


def rows(repository: Path) -> list[list[str]]:
    """Cells of each row of the table."""
    text = (repository / "docs/reference/disclosure-abuse.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}


def test_every_item_has_a_row_and_every_row_an_item(repository: Path) -> None:
    assert tuple(dict.fromkeys(row[0] for row in rows(repository))) == ITEMS


def test_every_row_says_what_both_see_and_which_tests_show_it(repository: Path) -> None:
    for row in rows(repository):
        assert len(row) == 5
        assert all(row)
        assert re.fullmatch(r"`[^`]+::test_\w+`(?: `[^`]+::test_\w+`)*", row[4]), row


def test_every_test_that_is_named_is_there(repository: Path) -> None:
    named = {
        (file, test)
        for row in rows(repository)
        for file, test in re.findall(r"`([^`]+)::(test_\w+)`", row[4])
    }
    missing = [
        f"{file}::{test}"
        for file, test in sorted(named)
        if test not in functions(repository / "tests/unit" / file)
    ]
    assert missing == []
    assert len(named) > 80


def test_every_test_of_abuse_is_named(repository: Path) -> None:
    text = (repository / "docs/reference/disclosure-abuse.md").read_text("utf-8")
    for room in ("disclosure", "server"):
        for path in (repository / "tests/unit" / room / "abuse").glob("test_*.py"):
            if path.name != "test_page.py":
                assert f"{room}/abuse/{path.name}::" in text
