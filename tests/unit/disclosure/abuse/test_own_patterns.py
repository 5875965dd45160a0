"""No regular expression of ours takes long over a text that was made to keep it busy."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import time
from dataclasses import dataclass
from types import ModuleType

import pytest

import steelyard.attest
import steelyard.disclosure
import steelyard.kernel

ROOMS: tuple[ModuleType, ...] = (steelyard.kernel, steelyard.attest, steelyard.disclosure)
SIZE = 10_000
PIECES = (
    "a", "A", "0", " ", "\t", "\n", "\r\n", ".", "-", "/", ":", "=", "\\", '"', "(", "[", "{",
    "a.", "a-", "0.", "a ", " \n", "a/", "a:", "\\u", "\\ud8", "%4", "0-", "\u200b", "\u00e9",
    "\u0301", "\u4e00", "<a ", "&#", "- ", "**", "a=b;", "[[", "]]", "|", "`", "~", "a\n", "a, ",
)  # fmt: skip


@dataclass(frozen=True)
class Used:
    """A pattern, and the methods by which its module asks it."""

    form: re.Pattern[str] | re.Pattern[bytes]
    methods: frozenset[str]


def patterns() -> dict[str, Used]:
    """Every pattern that a module of the rooms that read foreign input holds by a name."""
    found: dict[str, Used] = {}
    for room in ROOMS:
        for item in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            module = importlib.import_module(item.name)
            source = inspect.getsource(module)
            for name, value in vars(module).items():
                methods = frozenset(re.findall(rf"\b{re.escape(name)}\.(\w+)\(", source))
                if isinstance(value, re.Pattern) and methods:
                    found[f"{item.name}.{name}"] = Used(value, methods)
    return found


FOUND = patterns()


def ask(used: Used, text: str) -> None:
    subject = text.encode() if isinstance(used.form.pattern, bytes) else text
    for method in used.methods & {"fullmatch", "match", "search"}:
        getattr(used.form, method)(subject)
    if used.methods & {"finditer", "findall", "sub", "subn", "split"}:
        for _ in used.form.finditer(subject):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize("name", FOUND)
def test_a_pattern_takes_time_in_proportion_to_the_text(name: str) -> None:
    slowest, worst = 0.0, ""
    for piece in PIECES:
        begun = time.process_time()
        ask(FOUND[name], piece * (SIZE // len(piece)) + "\x00!")
        took = time.process_time() - begun
        if took > slowest:
            slowest, worst = took, piece
    assert slowest < 0.3, f"{slowest:.2f} s over {worst!r}"


def test_there_are_patterns_in_every_room() -> None:
    assert {name.split(".")[1] for name in FOUND} == {"kernel", "attest", "disclosure"}
    assert len(FOUND) > 30
