"""Every example of the documentation, executed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steelyard.kernel import parse_json, parse_yaml
from steelyard.standard import check_schema

from .doc_pages import LANGUAGES, MARKS, Block, Command, blocks, commands, matches, pages
from .doc_shell import DemoRun, Shell, check_entry, check_options, isolated_environment

ROOT = Path(__file__).parents[2]
PAGES = pages(ROOT)
_DEMO_LIMIT_SECONDS = 300.0


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], DemoRun]:
    """The demo, run when first asked for and once for all workers of the session."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if base.name.startswith("popen-") else base) / "documented-demo"

    def run() -> DemoRun:
        try:
            shared.mkdir()
        except FileExistsError:
            return _wait_for(shared)
        done = subprocess.run(
            [shutil.which("steelyard") or "steelyard", "demo"],
            cwd=shared,
            env=isolated_environment(shared),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        (shared / "writing").write_text(f"{done.returncode}\n{done.stdout}", "utf-8")
        (shared / "writing").rename(shared / "output")
        return _wait_for(shared)

    return run


def _wait_for(shared: Path) -> DemoRun:
    deadline = time.monotonic() + _DEMO_LIMIT_SECONDS
    while not (shared / "output").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    status, _, output = (shared / "output").read_text("utf-8").partition("\n")
    assert status == "0", output
    return DemoRun(output, shared / "demo")


@pytest.fixture
def shell(tmp_path: Path, demo: Callable[[], DemoRun]) -> Iterator[Shell]:
    opened = Shell(tmp_path, ROOT, demo)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", PAGES)
def test_every_example_does_what_the_page_says(name: str, shell: Shell) -> None:
    for block in blocks((ROOT / name).read_text("utf-8")):
        _check_marks(name, block)
        if block.language == "console":
            _run_console(name, block, shell)
        elif block.language == "python":
            status, output = shell.run_script(block.text)
            assert status == 0, f"{name}:{block.line}\n{output}"
        else:
            _check_document(name, block)
        if "file" in block.marks:
            shell.save(block.marks["file"], block.text)


def _check_marks(name: str, block: Block) -> None:
    allowed = LANGUAGES | ({""} if name == "CONTRIBUTING.md" else set())
    assert block.language in allowed, f"{name}:{block.line}: language {block.language!r}"
    assert block.marks.keys() <= MARKS, f"{name}:{block.line}: marks {sorted(block.marks)}"


def _run_console(name: str, block: Block, shell: Shell) -> None:
    listed = commands(block)
    assert listed, f"{name}:{block.line}: a console block without a command"
    for command in listed:
        if "needs" in block.marks:
            check_options(command.text)
            continue
        wanted = int(block.marks.get("exit", "0")) if command is listed[-1] else 0
        status, output = shell.run(command)
        seen = f"{name}:{command.line}: $ {command.text}\n{output}"
        assert status == wanted, f"exit status {status}, documented {wanted}\n{seen}"
        assert matches(command.expected, output), f"other output than documented\n{seen}"


def _check_document(name: str, block: Block) -> None:
    where = f"{name}:{block.line}"
    value: object = None
    if block.language == "json":
        value = parse_json(block.text.encode(), where=where)
    elif block.language == "toml":
        value = tomllib.loads(block.text)
    elif block.language == "yaml":
        value = parse_yaml(block.text, where=where)
    elif not block.language:
        for line in block.text.splitlines():
            if line.startswith("./dev "):
                check_entry(line, ROOT)
    elif block.language == "jsonl":
        assert all(isinstance(json.loads(line), dict) for line in block.text.splitlines()), where
    if "schema" in block.marks:
        check_schema(value, block.marks["schema"], where=where)


def test_every_page_is_found_and_listed_in_the_index() -> None:
    documents = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert documents | {"README.md", "CONTRIBUTING.md"} == set(PAGES)
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    listed = {f"docs/{name}" for name in documents_named_in(index)}
    decisions = {name for name in documents if name.startswith("docs/decisions/")}
    assert documents - decisions - {"docs/index.md"} <= listed


def documents_named_in(text: str) -> set[str]:
    return {part.partition(")")[0].partition("#")[0] for part in text.split("](")[1:]}


@pytest.mark.parametrize(
    ("expected", "output", "fits"),
    [
        (("a", "...", "c"), "a\nb\nb\nc\n", True),
        (("a", "...", "c"), "a\nc\n", True),
        (("a", "...", "c"), "a\nb\n", False),
        (("rate ... %",), "rate 3.1 %\n", True),
        (("rate ... %",), "rate 3.1\n", False),
        (("rate (x)",), "rate (x)   \n", True),
        (("a",), "a\nb\n", False),
        ((), "anything\n", True),
    ],
)
def test_dots_stand_for_what_is_left_out(
    expected: tuple[str, ...], output: str, *, fits: bool
) -> None:
    assert matches(expected, output) is fits


def test_blocks_know_their_marks_and_commands_their_output() -> None:
    page = "x\n\n<!-- exit: 3 -->\n<!-- needs: provider -->\n```console\n$ a \\\n> b\nc\n$ d\n```\n"
    (block,) = blocks(page)
    assert block.marks == {"exit": "3", "needs": "provider"}
    assert commands(block) == [Command("a \\\nb", ("c",), 6), Command("d", (), 9)]


def test_a_mark_ends_at_the_next_text() -> None:
    (block,) = blocks("<!-- exit: 3 -->\ntext\n```toml\na = 1\n```\n")
    assert block == Block("toml", "a = 1", 3, {})


def test_an_option_that_does_not_exist_is_refused() -> None:
    check_options("KEY=x steelyard assess openai/m --out run --samples 3")
    check_entry("./dev test -k x", ROOT)
    with pytest.raises(AssertionError, match=r"^\./dev offers no 'tests'"):
        check_entry("./dev tests", ROOT)
    with pytest.raises(Exception, match="No such option: --sample-size"):
        check_options("steelyard assess openai/m --out run --sample-size 3")
