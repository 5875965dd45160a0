"""How a documentation page is read: its code blocks, their marks, their commands.

A `console` block holds commands after `$ ` (continued after `> `), each followed
by its output, where `...` stands for any lines, or for anything within a line.
HTML comments before a block mark it: `exit`, `file`, `schema`, `needs`. What a
page's commands do is decided by `doc_shell`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LANGUAGES = {"console", "csv", "json", "jsonl", "python", "text", "toml", "yaml"}
MARKS = {"exit", "file", "needs", "schema"}

_MARK = re.compile(r"<!--\s*(\w+):\s*(.*?)\s*-->")
_FENCE = re.compile(r"(`{3,})(\S*)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block and the marks before it."""

    language: str
    text: str
    line: int
    marks: dict[str, str]


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block with the output it should give."""

    text: str
    expected: tuple[str, ...]
    line: int


def pages(repository: Path) -> list[str]:
    """Every page with examples, as paths from the root."""
    found = [*repository.glob("docs/**/*.md"), repository / "README.md"]
    names = {path.relative_to(repository).as_posix() for path in found}
    return sorted({*names, "CONTRIBUTING.md"})


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    marks: dict[str, str] = {}
    fence, start, body = "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        opening = _FENCE.fullmatch(line.strip())
        if fence and line.strip() == fence.partition(" ")[0]:
            yield Block(fence.partition(" ")[2], "\n".join(body), start, marks)
            fence, marks, body = "", {}, []
        elif fence:
            body.append(line)
        elif opening:
            fence, start = f"{opening[1]} {opening[2]}", number
        elif found := _MARK.fullmatch(line.strip()):
            marks[found[1]] = found[2]
        elif line.strip():
            marks = {}
    assert not fence, f"the block of line {start} is never closed"


def commands(block: Block) -> list[Command]:
    """The commands of a console block, each with its expected output."""
    found: list[tuple[str, list[str], int]] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if line.startswith("$ "):
            found.append((line[2:], [], number))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [], found[-1][2])
        else:
            assert found, f"line {number}: output before any command"
            found[-1][1].append(line)
    return [Command(text, tuple(output), number) for text, output, number in found]


def pattern(expected: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern for output: `...` alone for any lines, within a line for anything."""
    parts: list[str] = []
    for line in expected:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            inner = r"[^\n]*".join(re.escape(part) for part in line.rstrip().split("..."))
            parts.append(inner + r"[ ]*\n")
    return re.compile("".join(parts))


def matches(expected: tuple[str, ...], output: str) -> bool:
    """Whether output is as expected; nothing expected stands for no output or any."""
    text = output if not output or output.endswith("\n") else f"{output}\n"
    return not expected or pattern(expected).fullmatch(text.rstrip("\n") + "\n") is not None
