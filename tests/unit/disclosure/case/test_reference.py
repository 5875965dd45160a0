"""The reference page of the kinds, and what the specification pins, against the data."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from steelyard.disclosure.case.bodies import BODIES
from steelyard.disclosure.case.permissions import load_kinds
from steelyard.kernel import digest_json, parse_yaml

PAGE = "docs/reference/disclosure-kinds.md"
DATA = files("steelyard.disclosure.case") / "data" / "kinds.yaml"


def kind_rows() -> str:
    """Kinds as a Markdown table."""
    lines = ["| kind | says | by | fields | message |", "|---|---|---|---|---|"]
    for kind in load_kinds().values():
        by = ", ".join(re.findall(r"[a-z-]+", " ".join(sorted(kind.by))))
        fields = ", ".join(f"`{name}`" for name in BODIES[kind.id])
        message = kind.message or "-"
        lines.append(f"| `{kind.id}` | {kind.meaning} | {by} | {fields} | {message} |")
    return "\n".join(lines)


def test_the_page_holds_every_kind_as_it_is(repository: Path) -> None:
    page = (repository / PAGE).read_text("utf-8")
    tables = [table.strip() for table in re.findall(r"(?:^\|.*\n?)+", page, re.MULTILINE)]
    assert tables == [kind_rows()]
    content = parse_yaml(DATA.read_text("utf-8"), where="kinds.yaml")
    assert f"`{content['id']}` {content['version']}" in page


def test_the_specification_pins_the_kinds(repository: Path) -> None:
    """Other kinds under the same predicate type would split a case."""
    content = parse_yaml(DATA.read_text("utf-8"), where="kinds.yaml")
    spec = (repository / "spec/disclosure-case.md").read_text("utf-8")
    pinned = re.findall(r"`([a-z-]+)` ([0-9.]+), SHA-256 [^`]*`([0-9a-f]{64})`", spec)
    assert pinned == [(content["id"], content["version"], digest_json(content))]


def test_the_specification_has_the_sections_that_the_code_names(repository: Path) -> None:
    spec = (repository / "spec/disclosure-case.md").read_text("utf-8")
    sections = set(re.findall(r"^## (.+)$", spec, re.MULTILINE))
    named: set[str] = set()
    for path in (repository / "src/steelyard/disclosure/case").rglob("*.py"):
        text = " ".join(path.read_text("utf-8").split())
        named |= set(re.findall(r"spec/disclosure-case\.md, section ([A-Z][a-z ]+?)[).,;:]", text))
    assert named <= sections
    assert len(named) > 10
