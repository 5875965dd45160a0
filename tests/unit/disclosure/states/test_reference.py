"""The reference page of the states against the data: every table and diagram, letter by letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steelyard.disclosure.states import diagrams, load_tables

TABLES = load_tables()


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/reference/disclosure-states.md").read_text("utf-8")


def section(page: str, title: str) -> str:
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def tables_of(text: str) -> list[str]:
    """The Markdown tables of a text, whole."""
    return re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)


@pytest.mark.parametrize("name", TABLES.machines)
def test_a_machine_is_documented_as_it_is(page: str, name: str) -> None:
    machine = TABLES.machine(name)
    text = section(page, f"{machine.id}: {machine.title.lower()}")
    shown = [table.strip() for table in tables_of(text)]
    assert shown == [diagrams.state_rows(machine), diagrams.step_grid(machine)]
    assert f"```text\n{diagrams.mermaid(machine)}\n```" in text
    assert f"One for each {machine.scope}. It begins in `{machine.initial}`." in text
    assert TABLES.sources[machine.source] in text


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Guards", diagrams.guard_rows(TABLES)),
        ("Consequences", diagrams.consequence_rows(TABLES)),
        ("Agreement", diagrams.agreement_rows(TABLES)),
        ("Messages", diagrams.message_rows(TABLES)),
        ("Answers", diagrams.reply_rows(TABLES)),
        ("Desiderata", diagrams.desideratum_rows()),
    ],
)
def test_rules_are_documented_as_they_are(page: str, title: str, expected: str) -> None:
    assert [table.strip() for table in tables_of(section(page, title))] == [expected]


def test_the_page_has_no_other_section(page: str) -> None:
    titles = re.findall(r"^## (\w+)", page, re.MULTILINE)
    others = ["Guards", "Consequences", "Agreement", "Messages", "Answers", "Desiderata"]
    assert titles == [*TABLES.machines, *others]
    assert f"`{TABLES.id}` {TABLES.version}" in page


def test_a_diagram_has_every_state_and_step_and_nothing_else() -> None:
    for machine in TABLES.machines.values():
        text = diagrams.mermaid(machine)
        arrows = re.findall(r"^    (\w+) --> (\w+): (\w+)$", text, re.MULTILINE)
        rows = {(row.source, row.target, row.event) for row in machine.table.values()}
        assert len(arrows) == len(rows)
        assert set(arrows) == rows
        named = re.findall(r"^    (\w+): ", text, re.MULTILINE)
        assert named == [state.id for state in machine.states]


def test_a_grid_says_what_is_refused() -> None:
    grid = diagrams.step_grid(TABLES.machine("VFD"))
    assert grid.splitlines()[2:] == [
        "| `vfd` | Vfd, CV | - | - |",
        "| `Vfd` | - | VFd, CF | - |",
        "| `VFd` | - | - | VFD, CD |",
        "| `VFD` | - | - | - |",
    ]
