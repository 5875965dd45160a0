"""How the command line speaks: data on stdout, talk on stderr, bars when watched."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from steelyard.kernel import canonical_json, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def say(text: str) -> None:
    """Talk to the user on stderr."""
    sys.stderr.write(f"{inert(text)}\n")
    sys.stderr.flush()


def write(text: str) -> None:
    """Write data to stdout."""
    sys.stdout.write(f"{inert(text)}\n")
    sys.stdout.flush()


def inert(text: str) -> str:
    """The text with control characters escaped, so that no name can steer a terminal."""
    plain = text.replace("\n", "").isprintable()
    return text if plain else "".join(map(_escaped, text))


def one_line(text: str) -> str:
    """Somebody else's text on one line, so that it cannot look like lines of ours."""
    return " ".join(text.split())


def _escaped(character: str) -> str:
    if character == "\n" or character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def write_json(value: object) -> None:
    """Write a document to stdout, indented; its canonical form is what digests cover."""
    plain = parse_json(canonical_json(value))
    write(json.dumps(plain, indent=2, ensure_ascii=False))


@contextmanager
def progress_bar(title: str) -> Generator[Callable[[int, int], None]]:
    """A progress bar on stderr; silent when stderr is no terminal.

    Yields:
        A function to call with (finished, planned).
    """
    if not sys.stderr.isatty():
        yield lambda _finished, _planned: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda finished, planned: bar.update(task, completed=finished, total=planned)
