"""House rules that no general linter knows; prints findings, exits 1 if there are any.

Looks at every file git would track. The words and limits are in
`house_rules.toml` beside this script; CONTRIBUTING.md explains the rules.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
UNSCANNED = {".ci/house_rules.toml", "LICENSE"}
BINARY_SUFFIXES = {".eval", ".parquet", ".png", ".zip"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
ECHO_LEAST_WORDS = 2
FILLER = frozenset(
    [
        "a",
        "an",
        "and",
        "by",
        "each",
        "for",
        "from",
        "if",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "the",
        "then",
        "this",
        "to",
        "we",
        "with",
    ]
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule at one place."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


def load_rules() -> dict[str, Any]:
    """The words and limits of `house_rules.toml`."""
    return tomllib.loads((HERE / "house_rules.toml").read_text("utf-8"))


def tracked_files(root: Path) -> list[str]:
    """Paths that git tracks or would track, relative to `root`."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    names = sorted(set(listing.stdout.decode().split("\0")) - {""})
    return [name for name in names if (root / name).is_file()]


def check_root(names: list[str], limit: int) -> Iterator[Finding]:
    """At most `limit` entries at the root."""
    entries = sorted({name.split("/")[0] for name in names})
    if len(entries) > limit:
        yield Finding(".", 1, "root", f"{len(entries)} entries, at most {limit}: {entries}")


def check_length(path: str, text: str, limit: int) -> Iterator[Finding]:
    """A source file of at most `limit` lines."""
    lines = text.count("\n")
    if path.endswith(".py") and lines > limit:
        yield Finding(path, lines, "length", f"{lines} lines, at most {limit}")


def check_wording(path: str, text: str, rules: dict[str, Any]) -> Iterator[Finding]:
    """No unfinished work, no trace of a machine, no word on how the project was made."""
    allowed = rules["allowed"].get(path, [])
    for number, line in enumerate(text.splitlines(), 1):
        for name, patterns in rules["wording"].items():
            for pattern in patterns:
                found = re.search(pattern, line, re.IGNORECASE)
                if found and not any(re.search(other, line) for other in allowed):
                    yield Finding(path, number, name, repr(found.group()))


def check_lock(path: str, text: str, rules: dict[str, Any]) -> Iterator[Finding]:
    """A lock file names packages and digests, never where to get them."""
    if not path.startswith("requirements/"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if any(re.search(pattern, line) for pattern in rules["lock"]["forbidden"]):
            yield Finding(path, number, "lock", "carries an address")


def check_names(path: str, tree: ast.Module, rules: dict[str, Any]) -> Iterator[Finding]:
    """Modules, classes and functions are called by what they are."""
    vague = set(rules["names"]["vague"])
    endings = tuple(rules["names"]["vague_endings"])
    if Path(path).stem in vague:
        yield Finding(path, 1, "name", f"module {Path(path).stem!r} says nothing")
    for node in ast.walk(tree):
        is_vague = isinstance(node, ast.ClassDef | FUNCTIONS) and node.name.lower() in vague
        if is_vague or (isinstance(node, ast.ClassDef) and node.name.endswith(endings)):
            yield Finding(path, node.lineno, "name", f"{node.name!r} says nothing")


def check_tests(path: str, tree: ast.Module) -> Iterator[Finding]:
    """Every test asserts, itself or through a function of its module that does."""
    if not Path(path).name.startswith("test_"):
        return
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)}
    asserting = {name for name, node in functions.items() if _asserts(node)}
    while more := {
        name
        for name, node in functions.items()
        if name not in asserting and _called(node) & asserting
    }:
        asserting |= more
    for name, node in functions.items():
        if name.startswith("test_") and name not in asserting:
            yield Finding(path, node.lineno, "assertion", f"{name} cannot fail")


def _asserts(node: ast.AST) -> bool:
    named = {"AssertionError", "fail", "raises", "warns"}
    return any(
        isinstance(child, ast.Assert) or (isinstance(child, ast.Call) and _callee(child) in named)
        for child in ast.walk(node)
    ) or any(name.startswith(("assert_", "expect_")) for name in _called(node))


def _called(node: ast.AST) -> set[str]:
    return {_callee(child) for child in ast.walk(node) if isinstance(child, ast.Call)}


def _callee(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def check_echoes(path: str, text: str) -> Iterator[Finding]:
    """A comment does not say again what the code below it says."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        alone = token.type == tokenize.COMMENT and not lines[row - 1][:column].strip()
        if not alone or row >= len(lines) or lines[row].lstrip().startswith("#"):
            continue
        said = _words(token.string) - FILLER
        if len(said) >= ECHO_LEAST_WORDS and said <= _words(lines[row]):
            yield Finding(path, row, "echo", token.string)


def _words(text: str) -> set[str]:
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return {word.lower().removesuffix("s") for word in re.findall(r"[A-Za-z]+", apart)}


def findings(root: Path, names: list[str]) -> Iterator[Finding]:
    """All findings in the files `names` below `root`."""
    rules = load_rules()
    yield from check_root(names, rules["limits"]["root_entries"])
    for path in names:
        if path in UNSCANNED or Path(path).suffix in BINARY_SUFFIXES:
            continue
        text = (root / path).read_text("utf-8")
        yield from check_length(path, text, rules["limits"]["file_lines"])
        yield from check_wording(path, text, rules)
        yield from check_lock(path, text, rules)
        if path.endswith(".py"):
            tree = ast.parse(text, path)
            yield from check_names(path, tree, rules)
            yield from check_tests(path, tree)
            yield from check_echoes(path, text)


def main() -> int:
    """Check the checkout this script lies in."""
    root = HERE.parent
    found = list(findings(root, tracked_files(root)))
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
