"""Where the commands of a page run: an empty folder and home, no way out.

One folder per page, so that later blocks see what earlier ones made. The demo
runs once for all pages; the port of the examples becomes a free one; an assessment
of the whole design becomes one of a few items. What a command marked `needs` would
do is not run: its options must exist.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from steelyard.cli.main import app

from .doc_pages import Command, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # typer brings a parser of its own, with the interface of click and none of its types.
    ParsedCommand = Any

DEMO = ("steelyard demo", "./dev demo")
_PORT = "8765"
_FEW_ITEMS = " --samples 2"
_LIMIT_SECONDS = 150.0
_READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class DemoRun:
    """The one demo of a test session: what it printed, and its folder."""

    output: str
    folder: Path


class Shell:
    """Runs the commands of one page."""

    def __init__(self, folder: Path, repository: Path, demo: Callable[[], DemoRun]) -> None:
        self._folder = folder / "page"
        self._repository = repository
        self._demo = demo
        self._port = _free_port()
        self._groups: list[int] = []
        self._folder.mkdir()
        self._environment = isolated_environment(folder)

    def run(self, command: Command) -> tuple[int, str]:
        """Exit status and output of a command, stdout and stderr as they came."""
        if command.text in DEMO:
            return self._run_demo()
        if command.text.startswith("./dev ") and not command.text.startswith("./dev steelyard"):
            check_entry(command.text, self._repository)
            return 0, "\n".join(command.expected)
        if command.text.startswith("pytest "):
            check_tests(command.text, self._repository)
            return 0, "\n".join(command.expected)
        text = command.text.replace("./dev steelyard", "steelyard").replace(_PORT, self._port)
        if text.startswith("steelyard assess ") and "--samples" not in text:
            text += _FEW_ITEMS
        return self._run_text(text, command)

    def save(self, name: str, text: str) -> None:
        """A file that a page shows, for the commands after it."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", "utf-8")

    def run_script(self, text: str) -> tuple[int, str]:
        """A Python block as a script of its own."""
        self.save(".block.py", text)
        return self._run_text("python .block.py", Command("", (), 0))

    def close(self) -> None:
        """End what the page left running in the background."""
        for group in self._groups:
            try:
                os.killpg(group, signal.SIGTERM)
            except ProcessLookupError:
                continue

    def _run_demo(self) -> tuple[int, str]:
        demo = self._demo()
        shutil.copytree(demo.folder, self._folder / "demo", dirs_exist_ok=True)
        return 0, demo.output

    def _run_text(self, text: str, command: Command) -> tuple[int, str]:
        with (self._folder.parent / f"output-{len(self._groups)}").open("w+b") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", text],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._groups.append(process.pid)
            status = process.wait(_LIMIT_SECONDS)

            def read() -> str:
                output.seek(0)
                return output.read().decode().replace(self._port, _PORT)

            if text.endswith("&"):
                _wait_until(lambda: matches(command.expected, read()))
            return status, read()


def isolated_environment(folder: Path) -> dict[str, str]:
    """Variables for a command: our own programs, an empty home, no way to a network."""
    home = folder / "home"
    home.mkdir()
    nowhere = "http://127.0.0.1:9"
    programs = Path(sys.executable).parent
    return {
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "no_proxy": "127.0.0.1,localhost",
    }


def check_entry(text: str, repository: Path) -> None:
    """Refuse a command that `./dev` does not offer."""
    offered = re.findall(r"^  (\w+)  ", (repository / "dev").read_text("utf-8"), re.MULTILINE)
    assert text.split()[1] in offered, f"./dev offers no {text.split()[1]!r}"


def check_tests(text: str, repository: Path) -> None:
    """Refuse a run of tests that are not there; the suite itself runs those that are."""
    for word in text.split()[1:]:
        assert word.startswith("-") or (repository / word).exists(), f"{word} does not exist"


def check_options(text: str) -> None:
    """Refuse a steelyard command whose arguments its parser does not accept."""
    words = shlex.split(text, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):
        words.pop(0)
    if words[:1] != ["steelyard"]:
        return
    command = _whole_command()
    arguments = words[1:]
    while hasattr(command, "commands"):
        assert arguments, f"{text}: names no command"
        command = command.commands[arguments.pop(0)]
    parsed = command.make_context(command.name, arguments)
    assert parsed.params, f"{text}: nothing was parsed"


def public_commands() -> Iterator[tuple[str, ParsedCommand]]:
    """Every command of the command line, by what a user types."""
    waiting: list[tuple[str, ParsedCommand]] = [("steelyard", _whole_command())]
    while waiting:
        name, command = waiting.pop(0)
        yield name, command
        inner = getattr(command, "commands", {})
        waiting += [(f"{name} {key}", each) for key, each in inner.items()]


@cache
def _whole_command() -> ParsedCommand:
    return typer.main.get_command(app)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _wait_until(is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not is_ready() and time.monotonic() < deadline:
        time.sleep(0.05)
